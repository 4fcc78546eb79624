"""The paper's evaluation, Section V: which work each figure needs, and how it is made from what that found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genedge.draw.charts import LEAST_DRAWN, OPTIMUM, Chart, Forest, Grid, HeatMap, Level, Picture, Series
from genedge.errors import InputError
from genedge.evaluation.cells import evaluate
from genedge.paper import claims, sensitivity
from genedge.paper.claims import Judged
from genedge.paper.folder import Told
from genedge.paper.plan import Plan
from genedge.paper.tasks import TEST_SEED, Measure, Task, Train, fingerprint
from genedge.policies import policy
from genedge.registry import named
from genedge.scenario import load_scenario
from genedge.statistics import Interval, interval_over_runs, mean

PAPER, ATTAINABLE = "paper", "paper-attainable"

# The paper's agent, and our best learner beside it.
DDPG, BEST = "DDPG", "REINFORCE, equivariant"
AGENTS = {DDPG: "ddpg", BEST: "reinforce"}
# What needs no training here, by what to call it.
POLICIES = {
    "HCRAS": "hcras",
    "RCARS": "rcars",
    "cloud-only": "cloud-only",
    "greedy": "greedy",
    "knapsack": "knapsack",
    OPTIMUM: "optimal",
}
FEW = claims.USERS[0]
# No policy of the reader's may have these names: the best that anyone could reach, and the optimum's lower bound.
MOST, BOUND = claims.MOST, sensitivity.BOUND


class Study(NamedTuple):
    """What a study is of.

    Attributes:
        plan: its size.
        own: policies of the reader's, by what to call them.
    """

    plan: Plan
    own: Mapping[str, str]

    @property
    def policies(self) -> dict[str, str]:
        """All that needs no training here, by what to call it."""
        return POLICIES | dict(self.own)

    @property
    def styles(self) -> dict[str, int]:
        """Number of each label's colour, marker and dash, the same in all figures."""
        labels = [*AGENTS, *(label for label in POLICIES if label != OPTIMUM), "learned", *self.own]
        return {label: i for i, label in enumerate(labels)}


def study(plan: Plan, own: Sequence[str]) -> Study:
    """A study of the paper's policies and of the reader's own.

    Args:
        plan: its size.
        own: names of further policies.

    Raises:
        InputError: it is one of the paper's, or its name says something else here.
    """
    short = {name: _short(name) for name in own}
    for name, label in short.items():
        if name in POLICIES.values():
            raise InputError(f"--policies {name}: it is in every figure already; leave it out")
        if {name, label} & {MOST, BOUND}:
            raise InputError(f"--policies {name}: the report needs the names {MOST} and {BOUND}; choose another")
    taken = {*AGENTS, *POLICIES, "learned"}
    clash = {name for name, label in short.items() if label in taken or list(short.values()).count(label) > 1}
    labels = {name if name in clash else label: name for name, label in short.items()}
    return Study(plan, labels)


def _short(name: str) -> str:
    """What to call a policy: its function, its file or its folder."""
    if ".py:" in name:
        label = name.rpartition(":")[2]
    elif name.startswith("sb3:"):
        label = Path(name.removeprefix("sb3:")).stem
    else:
        label = Path(name).resolve().name if Path(name).exists() else name
    return label or name


def try_out(s: Study) -> None:
    """Lets the reader's own policies decide one episode of everything that the figures will ask of them.

    Args:
        s: the study.

    Raises:
        InputError: one of them does not serve there.
    """
    for label, name in s.own.items():
        try:
            for preset in (PAPER, ATTAINABLE):
                for catalogue in s.plan.catalogues:
                    policy(name, load_scenario(preset, [f"seed={catalogue}"]))
            changed_cell = load_scenario(PAPER, [f"seed={s.plan.catalogues[0]}", "objective.alpha=0.5"])
            decide = {label: policy(name, changed_cell)}
            evaluate(changed_cell, decide, sorted({*s.plan.users, *claims.USERS}), 1, TEST_SEED, lambda text: None)
        except InputError as e:
            raise InputError(
                f"--policies {name}: the figures ask for every catalogue, {_list(claims.USERS)} users and other "
                f"weights, but: {e}"
            ) from None


class Section(NamedTuple):
    """A part of the report.

    Attributes:
        title: its heading.
        tasks: the work it needs.
        pictures: its figures, made from what the work found.
    """

    title: str
    tasks: Callable[[Study], list[Task]]
    pictures: Callable[[Study, Mapping[Task, Told]], list[Picture]]


# --- The work -----------------------------------------------------------------------------------------------


def measure(
    s: Study, preset: str, users: Iterable[int], names: Iterable[str], episodes: int, catalogue: int, *changes: str
) -> Measure:
    """Policies measured side by side on one catalogue.

    Args:
        s: the study.
        preset: the scenario's name.
        users: numbers of users.
        names: policies.
        episodes: test episodes.
        catalogue: the scenario's seed.
        changes: settings changed.
    """
    names = tuple(names)
    settings = _differing(preset, changes)
    return Measure(preset, settings, catalogue, tuple(users), names, episodes, fingerprint(names))


def benchmarks(s: Study, preset: str, catalogue: int, label: str = "RCARS", *changes: str) -> Measure:
    """What a label's numbers come from: the paper's policies side by side, each of the reader's own alone.

    So one more of these, or a changed one, leaves all other results as they are.
    """
    users = {PAPER: sorted({*s.plan.users, *claims.USERS}), ATTAINABLE: claims.USERS}[preset]
    names = [s.own[label]] if label in s.own else POLICIES.values()
    return measure(s, preset, users, names, s.plan.test_episodes, catalogue, *changes)


def fastest(s: Study, preset: str, catalogue: int) -> Measure:
    """The optimum of the delay alone: less delay than its bound nobody can have."""
    return measure(s, preset, claims.USERS, ("optimal",), s.plan.test_episodes, catalogue, "objective.alpha=1")


def trained(s: Study, preset: str, label: str, users: int, catalogue: int, seed: int, *changes: str) -> Train:
    """One of the agents, trained and measured with so many users."""
    episodes = s.plan.episodes if label == DDPG else s.plan.learner_episodes
    settings = _differing(preset, changes)
    return Train(preset, settings, catalogue, users, AGENTS[label], episodes, seed, s.plan.test_episodes)


def _differing(preset: str, changes: Iterable[str]) -> tuple[str, ...]:
    """Changes that change something: the same cell is never measured twice under two names."""
    return tuple(change for change in changes if _differs(preset, change))


@cache
def _differs(preset: str, change: str) -> bool:
    key, _, _ = change.partition("=")
    return load_scenario(preset, [change]).table[key].value != load_scenario(preset).table[key].value


def runs(s: Study, preset: str, label: str, users: int, *changes: str) -> list[list[Train]]:
    """An agent's runs, by catalogue and training seed."""
    return [
        [trained(s, preset, label, users, catalogue, seed, *changes) for seed in s.plan.seeds]
        for catalogue in s.plan.catalogues
    ]


def main_tasks(s: Study, presets: Sequence[str]) -> list[Task]:
    """What the figures over the number of users, and the claims, are made from."""
    tasks: list[Task] = [
        benchmarks(s, preset, c, label) for preset in presets for c in s.plan.catalogues for label in s.policies
    ]
    for preset in presets:
        for users in benchmarks(s, preset, 0).users:
            tasks += [run for label in AGENTS for row in runs(s, preset, label, users) for run in row]
    return tasks


# --- What it found ------------------------------------------------------------------------------------------


class Evidence:
    """The measurements of a preset over catalogues and training seeds, by policy, metric and number of users."""

    def __init__(self, s: Study, told: Mapping[Task, Told], preset: str) -> None:
        """Args: the study, what its tasks found, and the scenario's name."""
        self.s, self.told, self.preset = s, told, preset

    def values(self, label: str, metric: str, users: int) -> np.ndarray:
        """Values of a metric, one for each catalogue and training seed, shape (C, R); R is 1 without training.

        Args:
            label: what the policy is called; MOST for the best that anyone could reach.
            metric: of `evaluate`.
            users: number of users.
        """
        if label in AGENTS:
            return np.array(
                [
                    [average(self.told[run]["found"]["metrics"][metric]) for run in row]
                    for row in runs(self.s, self.preset, label, users)
                ]
            )
        if (label, metric) == (MOST, "used_cache_ratio"):
            return np.ones((len(self.s.plan.catalogues), 1))
        if (label, metric) == (MOST, "delay_s"):
            each = [self.told[fastest(self.s, self.preset, c)]["found"] for c in self.s.plan.catalogues]
            return np.array([[average(found["optimum"][str(users)]) / users] for found in each])
        each = [self.told[benchmarks(self.s, self.preset, c, label)]["found"] for c in self.s.plan.catalogues]
        if (label, metric) in ((MOST, "utility"), (OPTIMUM, "utility")):
            return np.array([[average(found["optimum"][str(users)])] for found in each])
        # Nobody has more hits than the policy that asks for nothing else, or better images than the cloud's.
        best = {"hit_ratio": "greedy", "tv": "cloud-only"}
        name = self.s.policies[best[metric] if label == MOST else label]
        return np.array([[average(found["policies"][name][str(users)][metric])] for found in each])

    def gap(self, label: str, users: int) -> np.ndarray:
        """Gaps to the certified optimum [%], shape (C, R)."""
        utility, optimum = np.broadcast_arrays(
            self.values(label, "utility", users), self.values(OPTIMUM, "utility", users)
        )
        return 100 * (utility / optimum - 1)


def average(episodes: Sequence[float | None]) -> float:
    """Mean over episodes of what is defined.

    Args:
        episodes: a value for each; None where undefined.
    """
    return float(mean(np.array([np.nan if x is None else x for x in episodes])))


def of_measures(tasks: Iterable[Measure], told: Mapping[Task, Told]) -> Callable[[str, str, int], np.ndarray]:
    """How to look up values, shape (C, 1), of tasks that differ in their catalogue."""
    each = [told[task]["found"] for task in tasks]

    def values(name: str, metric: str, users: int) -> np.ndarray:
        if name == BOUND:
            return np.array([[average(found["optimum"][str(users)])] for found in each])
        return np.array([[average(found["policies"][name][str(users)][metric])] for found in each])

    return values


LEAST_TOLD = f" Gaps below {LEAST_DRAWN:g} % are drawn there."


# --- Convergence --------------------------------------------------------------------------------------------


def _rate_runs(s: Study, rate: float) -> list[Train]:
    changes = (f"ddpg.actor_learning_rate={rate}", f"ddpg.critic_learning_rate={10 * rate:.6g}")
    return [trained(s, PAPER, DDPG, FEW, s.plan.catalogues[0], seed, *changes) for seed in s.plan.seeds]


def _best_runs(s: Study) -> list[Train]:
    return [trained(s, PAPER, BEST, FEW, s.plan.catalogues[0], seed) for seed in s.plan.seeds]


def convergence_tasks(s: Study) -> list[Task]:
    """The paper's agent at every learning rate, and our best learner, on the first catalogue."""
    return [
        *(run for rate in s.plan.learning_rates for run in _rate_runs(s, rate)),
        *_best_runs(s),
        *(benchmarks(s, PAPER, s.plan.catalogues[0], label) for label in s.policies),
    ]


def final_rewards(s: Study, told: Mapping[Task, Told]) -> list[Interval]:
    """The mean reward over the last fifth of training, for each learning rate; NaN where all runs diverged."""
    found = []
    for rate in sorted(s.plan.learning_rates):
        last = []
        for run in _rate_runs(s, rate):
            rewards = [row["reward"] for row in told[run]["found"]["rows"]]
            diverged = told[run]["found"]["diverged"]
            last.append(np.nan if diverged else np.mean(rewards[-max(1, len(rewards) // 5) :]))
        found.append(interval_over_runs(np.array([last])))
    return found


def convergence(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """The reward over episodes for several learning rates, and at the end over the learning rate."""
    series = []
    rates = sorted(s.plan.learning_rates)
    labels = [f"DDPG, rate {rate:g}" for rate in rates]
    for label, each in [*zip(labels, (_rate_runs(s, r) for r in rates), strict=True), (BEST, _best_runs(s))]:
        logged = [told[run]["found"]["rows"] for run in each]
        longest = max(logged, key=len)  # Those that diverged have fewer.
        rewards = np.full((len(logged), len(longest)), np.nan)
        for i, rows in enumerate(logged):
            rewards[i, : len(rows)] = [row["reward"] for row in rows]
        over_seeds = [interval_over_runs(column[None]) for column in rewards.T]
        series.append(Series(label, [row["episode"] for row in longest], over_seeds))
    levels = {}
    for label, name in s.policies.items():
        bench = told[benchmarks(s, PAPER, s.plan.catalogues[0], label)]["found"]
        optimum = label == OPTIMUM
        levels[label] = -average(
            bench["optimum"][str(FEW)] if optimum else bench["policies"][name][str(FEW)]["utility"]
        )
    where = f"Preset {PAPER}, catalogue {s.plan.catalogues[0]}, {FEW} users, training seeds {_list(s.plan.seeds)}"
    return [
        Chart(
            "convergence",
            "Reward while learning",
            f"{where}; mean over the slots since the last point, exploration included; a run that diverges ends "
            "there. The critic's rate is ten times the actor's. Horizontal lines: the benchmarks, on test slots.",
            "episode",
            "reward of a slot, −Σ Uₙ",
            series,
            levels,
            {},
            bands=True,
        ),
        Chart(
            "learning-rate",
            "Converged reward over the learning rate",
            f"{where}; mean over the last fifth of training, exploration included.",
            "actor's learning rate",
            "reward of a slot, −Σ Uₙ",
            [Series(DDPG, rates, final_rewards(s, told))],
            {OPTIMUM: levels[OPTIMUM], "cloud-only": levels["cloud-only"]},
            {},
            xscale="log",
        ),
    ]


# --- Over the number of users -------------------------------------------------------------------------------


def _over_users(
    s: Study,
    told: Mapping[Task, Told],
    name: str,
    title: str,
    metric: str,
    ylabel: str,
    without: Sequence[str] = (),
) -> Chart:
    evidence = Evidence(s, told, PAPER)
    series = [
        Series(label, s.plan.users, [interval_over_runs(evidence.values(label, metric, n)) for n in s.plan.users])
        for label in (*AGENTS, *s.policies)
        if label not in without
    ]
    return Chart(name, title, _caption(s, PAPER), "number of users", ylabel, series, {}, {}, ticks=True)


def _caption(s: Study, preset: str) -> str:
    return (
        f"Preset {preset}, catalogues {_list(s.plan.catalogues)}, training seeds {_list(s.plan.seeds)}, "
        f"{s.plan.test_episodes} test episodes, the same for all; agents are trained with the number of users that "
        "they are tested with. 95 % intervals over catalogues and training seeds."
    )


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def hits(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """The hit ratio over the number of users, in both meanings."""
    return [
        _over_users(s, told, "hit-ratio", "Hit ratio", "hit_ratio", "requests whose model is cached (share)"),
        _over_users(
            s,
            told,
            "used-cache-ratio",
            "Hit ratio, read the other way",
            "used_cache_ratio",
            "cached models asked for (share)",
            without=("cloud-only",),
        ),
    ]


def utility(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """The total utility over the number of users, and the gap to the optimum."""
    evidence = Evidence(s, told, PAPER)
    gaps = [
        Series(label, s.plan.users, [interval_over_runs(evidence.gap(label, n)) for n in s.plan.users])
        for label in (*AGENTS, *s.policies)
        if label != OPTIMUM
    ]
    return [
        _over_users(s, told, "utility", "Total utility (lower is better)", "utility", "Σ Uₙ of a slot, Eq. (15)"),
        Chart(
            "gap",
            "Gap to the certified optimum",
            _caption(s, PAPER) + " The gap is a policy's total utility over the optimum's, less one." + LEAST_TOLD,
            "number of users",
            "gap [%]",
            gaps,
            {},
            {},
            yscale="log",
            ticks=True,
        ),
    ]


def quality(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """Delay and quality apart, late requests."""
    slot_s = load_scenario(PAPER).settings.cell.slot_duration_s
    return [
        _over_users(s, told, "delay", "Delay (lower is better)", "delay_s", "mean delay of a request [s]"),
        _over_users(s, told, "tv", "Image quality (lower is better)", "tv", "mean TV of an image"),
        _over_users(s, told, "p95-delay", "Delay of the slowest", "delay_p95_s", "95 % quantile of the delay [s]"),
        _over_users(
            s,
            told,
            "late",
            f"Requests beyond the slot's {slot_s:g} s",
            "late_ratio",
            f"share of requests later than {slot_s:g} s",
        ),
    ]


# --- The trade-off ------------------------------------------------------------------------------------------


def _alpha_measure(s: Study, alpha: float, catalogue: int, label: str) -> Measure:
    names = [s.own[label]] if label in s.own else [*POLICIES.values(), "learned"]
    return measure(s, PAPER, (FEW,), names, s.plan.test_episodes, catalogue, f"objective.alpha={alpha}")


def _alpha_runs(s: Study, label: str, alpha: float) -> list[Train]:
    return [
        trained(s, PAPER, label, FEW, c, s.plan.seeds[0], f"objective.alpha={alpha}") for c in s.plan.catalogues
    ]


def trade_off_tasks(s: Study) -> list[Task]:
    """Every policy and agent at every weight."""
    tasks: list[Task] = [
        _alpha_measure(s, alpha, c, label)
        for alpha in s.plan.alphas
        for c in s.plan.catalogues
        for label in s.policies
    ]
    return tasks + [run for alpha in s.plan.alphas for label in AGENTS for run in _alpha_runs(s, label, alpha)]


def trade_off(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """Delay and quality over the weight α."""
    alphas = sorted(s.plan.alphas)

    def series(metric: str, relative: bool) -> list[Series]:
        lines: dict[str, list[Interval]] = {}
        for alpha in alphas:

            def values(label: str, name: str, alpha: float = alpha) -> np.ndarray:
                measures = [_alpha_measure(s, alpha, c, label) for c in s.plan.catalogues]
                return of_measures(measures, told)(name, metric, FEW)

            optimum = values(OPTIMUM, BOUND)
            found = {label: values(label, name) for label, name in s.policies.items()}
            found["learned"] = values("learned", "learned")
            for label in AGENTS:
                each = _alpha_runs(s, label, alpha)
                found[label] = np.array([[average(told[run]["found"]["metrics"][metric])] for run in each])
            for label, value in found.items():
                lines.setdefault(label, []).append(
                    interval_over_runs(100 * (value / optimum - 1) if relative else value)
                )
        return [
            Series(label, alphas, values) for label, values in lines.items() if not (relative and label == OPTIMUM)
        ]

    caption = (
        f"Preset {PAPER}, {FEW} users, catalogues {_list(s.plan.catalogues)}, training seed {s.plan.seeds[0]}; the "
        "agents are trained anew for each weight, `learned` is one network for all. 95 % intervals over catalogues."
    )
    return [
        Chart(
            name,
            title,
            caption,
            "α, the weight of the delay",
            ylabel,
            series(metric, relative),
            {},
            {},
            yscale=yscale,
        )
        for name, title, ylabel, metric, relative, yscale in (
            ("alpha-delay", "Delay over the weight α", "mean delay of a request [s]", "delay_s", False, "linear"),
            ("alpha-tv", "Image quality over the weight α", "mean TV (lower is better)", "tv", False, "linear"),
            ("alpha-gap", "Gap over the weight α", "gap to the certified optimum [%]", "utility", True, "log"),
        )
    ]


# --- HCRAS over its budget ----------------------------------------------------------------------------------


def least_ms(told: Mapping[Task, Told], tasks: Iterable[Task], what: str) -> float:
    """The least time that something took at 10 users [ms]; the others were disturbed."""
    return min(told[task]["times"][what][str(FEW)] for task in tasks)


def _budget_measure(s: Study, budget: tuple[int, int], catalogue: int) -> Measure:
    population, generations = budget
    changes = (f"hcras.population={population}", f"hcras.generations={generations}")
    return measure(s, PAPER, (FEW,), ("hcras",), s.plan.test_episodes, catalogue, *changes)


def budget_tasks(s: Study) -> list[Task]:
    """The genetic algorithm at every budget, and what stands beside it."""
    tasks: list[Task] = [_budget_measure(s, budget, c) for budget in s.plan.budgets for c in s.plan.catalogues]
    tasks += [benchmarks(s, PAPER, c, label) for c in s.plan.catalogues for label in s.policies]
    return tasks + [run for label in AGENTS for row in runs(s, PAPER, label, FEW) for run in row]


def budget(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """The gap of HCRAS over its decision time, beside the learners'."""
    ladder, times = [], []
    for size in sorted(s.plan.budgets, key=lambda b: b[0] * b[1]):
        measures = [_budget_measure(s, size, c) for c in s.plan.catalogues]
        values = of_measures(measures, told)
        ladder.append(
            interval_over_runs(-sensitivity.saved(values("hcras", "utility", FEW), values(BOUND, "utility", FEW)))
        )
        times.append(least_ms(told, measures, "hcras"))
    evidence = Evidence(s, told, PAPER)
    series = [Series("HCRAS", times, ladder)]
    at = {}
    for label in AGENTS:
        each = [run for row in runs(s, PAPER, label, FEW) for run in row]
        at[label] = least_ms(told, each, "decision")
        series.append(Series(label, [at[label]], [interval_over_runs(evidence.gap(label, FEW))]))
    for label in ("RCARS", "cloud-only", "greedy", "knapsack", *s.own):
        measures = [benchmarks(s, PAPER, c, label) for c in s.plan.catalogues]
        at[label] = least_ms(told, measures, s.policies[label])
        series.append(Series(label, [at[label]], [interval_over_runs(evidence.gap(label, FEW))]))
    sizes = sorted(p * g for p, g in s.plan.budgets)
    in_time = [size for size, time in zip(sizes, times, strict=True) if time <= at[DDPG]]
    afford = f"{in_time[-1]:,} evaluations" if in_time else f"fewer than {sizes[0]:,} evaluations"
    return [
        Chart(
            "budget",
            "HCRAS over its budget",
            f"{_caption(s, PAPER)} {FEW} users. HCRAS with {_list(f'{size:,}' for size in sizes)} evaluations a "
            "slot, from the left; its scenario has 5,000, assumed. In the time of the paper's agent (dotted) it "
            f"affords {afford}. Decision times are those of compiled code on one core, in batches of an episode; "
            f"the least of those measured, for other work ran beside.{LEAST_TOLD}",
            "decision time of a slot [ms]",
            "gap to the certified optimum [%]",
            series,
            {},
            {"decision time of DDPG": at[DDPG]},
            xscale="log",
            yscale="log",
        )
    ]


# --- Claims -------------------------------------------------------------------------------------------------


def _bound_measure(s: Study, preset: str, catalogue: int) -> Measure:
    return measure(s, preset, claims.USERS, ("rcars", "cloud-only", "greedy"), s.plan.bound_episodes, catalogue)


def claims_tasks(s: Study) -> list[Task]:
    """All that any claim speaks of, on both presets, and the bounds over many catalogues."""
    many = [
        _bound_measure(s, preset, c)
        for preset in (PAPER, ATTAINABLE)
        for c in range(1, s.plan.bound_catalogues + 1)
    ]
    fast = [fastest(s, preset, c) for preset in (PAPER, ATTAINABLE) for c in s.plan.catalogues]
    return [*main_tasks(s, (PAPER, ATTAINABLE)), *convergence_tasks(s), *many, *fast]


def judged(s: Study, told: Mapping[Task, Told], preset: str, contender: str) -> list[Judged]:
    """A verdict on every line of the paper's claims.

    Args:
        s: the study.
        told: what its tasks found.
        preset: the scenario's name.
        contender: who stands for the paper's DDPG.
    """
    values = Evidence(s, told, preset).values
    hcras = load_scenario(preset).hyperparameters("hcras")
    budget = f"; HCRAS has {hcras.population * hcras.generations:,} evaluations a slot here, assumed"
    lines = []
    for claim in claims.CLAIMS:
        for n in claims.USERS:
            line = claims.judge(claim, n, values, contender)
            lines.append(line._replace(why=line.why + budget * ("HCRAS" in (claim.ours, claim.base))))
    if contender == DDPG and preset == PAPER:
        lines.append(claims.judge_rise_and_fall(sorted(s.plan.learning_rates), final_rewards(s, told)))
    for meaning, key in claims.MEANINGS["hit ratio"].items():
        lines.append(claims.judge_rise(f"hit ratio ({meaning})", key, contender, values))
    lines.append(claims.judge_rise("total utility", "utility", contender, values))
    lines += [
        claims.judge_lower(what, key, contender, base, n, values)
        for what, key in (("lower delay", "delay_s"), ("better quality (lower TV)", "tv"))
        for base in ("HCRAS", "RCARS")
        for n in claims.USERS
    ]
    return lines


class Reach(NamedTuple):
    """What the certificate allows over many catalogues, for one claim over RCARS in one reading.

    Attributes:
        metric: of what.
        reading: of "better by".
        users: number of users.
        claimed: the paper's number [%].
        most: the most that any policy could be better by, for each catalogue, shape (C, 1) [%].
    """

    metric: str
    reading: str
    users: int
    claimed: float
    most: np.ndarray


def within_reach(s: Study, told: Mapping[Task, Told], preset: str) -> list[Reach]:
    """What anyone could be better by than RCARS over many catalogues, in both readings of "better by".

    Args:
        s: the study.
        told: what its tasks found.
        preset: the scenario's name.
    """
    values = of_measures([_bound_measure(s, preset, c) for c in range(1, s.plan.bound_catalogues + 1)], told)
    best: dict[claims.Metric, tuple[str, str]] = {
        "utility": (BOUND, "utility"),
        "hit ratio": ("greedy", "hit_ratio"),
    }
    return [
        Reach(claim.metric, reading, n, claimed, better_by(values(who, key, n), values("rcars", key, n)))
        for claim in claims.CLAIMS
        if (claim.ours, claim.base) == (DDPG, "RCARS")
        for who, key in [best[claim.metric]]
        for n, claimed in zip(claims.USERS, claim.percent, strict=True)
        for reading, better_by in claims.READINGS[claim.metric].items()
    ]


def claims_pictures(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """Claimed, measured and attainable side by side, for each metric and preset, in the first reading."""
    pictures: list[Picture] = []
    for preset in (PAPER, ATTAINABLE):
        values = Evidence(s, told, preset).values
        for metric in claims.MEANINGS:
            levels = []
            for claim in claims.CLAIMS:
                contenders = (*AGENTS, *s.own) if claim.ours == DDPG else (claim.ours,)
                who = "agent" if claim.ours == DDPG else claim.ours
                for n, claimed in zip(claims.USERS, claim.percent, strict=True):
                    if claim.metric == metric:
                        found = {c: claims.judge(claim, n, values, c).found[0] for c in contenders}
                        levels.append(
                            Level(
                                f"{who} over\n{claim.base}, {n} users",
                                claimed,
                                found[contenders[0]].largest.mean,
                                {c: each.measured for c, each in found.items()},
                            )
                        )
            meaning, reading = next(iter(claims.MEANINGS[metric])), next(iter(claims.READINGS[metric]))
            pictures.append(
                Forest(
                    f"claims-{metric.replace(' ', '-')}-{preset}",
                    f"{metric.capitalize()}: claimed and measured, {preset}",
                    f"{_caption(s, preset)} Better by {reading} of {meaning}; grey: what the certificate leaves "
                    "within reach.",
                    "better by [%]",
                    levels,
                )
            )
    return pictures


# --- Sensitivity --------------------------------------------------------------------------------------------

LOOKED_AT = ("rcars", "cloud-only", "knapsack", "hcras", "learned", "optimal")


class Looked(NamedTuple):
    """The work for one variation on one catalogue: as it is, the hits over users, with the floor, and one's own."""

    plain: Measure
    over_users: Measure
    floored: Measure
    own: dict[str, Measure]


def _looked(s: Study, catalogue: int, changes: tuple[str, ...]) -> Looked:
    def of(users: Sequence[int], names: Sequence[str], *more: str) -> Measure:
        return measure(s, PAPER, users, names, s.plan.sensitivity_episodes, catalogue, *changes, *more)

    # What was trained outside has a size; a function serves any.
    resized = any(change.startswith("models.count") for change in changes)
    own = [name for name in s.own.values() if ".py:" in name or name in named("policy") or not resized]
    return Looked(
        of((FEW,), LOOKED_AT),
        of(claims.USERS, ("greedy",)),
        of((FEW,), ("cloud-only",), sensitivity.FLOOR),
        {name: of((FEW,), (name,)) for name in own},
    )


def _worth_measure(s: Study, catalogue: int, speed: float, rate: float) -> Measure:
    changes = sensitivity.faster(speed, rate)
    return measure(s, PAPER, (FEW,), ("cloud-only",), s.plan.sensitivity_episodes, catalogue, *changes)


def sensitivity_tasks(s: Study) -> list[Task]:
    """Every variation, and every backhaul and speed."""
    catalogues = range(1, s.plan.sensitivity_catalogues + 1)
    return [
        *(
            task
            for changes in sensitivity.VARIATIONS.values()
            for c in catalogues
            for looked in [_looked(s, c, changes)]
            for task in (looked.plain, looked.over_users, looked.floored, *looked.own.values())
        ),
        *(
            _worth_measure(s, c, speed, rate)
            for speed in sensitivity.SPEEDS
            for rate in sensitivity.BACKHAUL_MBIT_PER_S
            for c in catalogues
        ),
    ]


def sensitivity_pictures(s: Study, told: Mapping[Task, Told]) -> list[Picture]:
    """Which conclusions survive which assumption, and what caching is worth where."""
    catalogues = range(1, s.plan.sensitivity_catalogues + 1)
    # With whom of the reader's own each is about.
    conclusions: list[tuple[str | None, sensitivity.Conclusion]] = [
        *((None, conclusion) for conclusion in sensitivity.CONCLUSIONS),
        *((name, sensitivity.within_one_percent(name, label)) for label, name in s.own.items()),
    ]
    cells = []
    for changes in sensitivity.VARIATIONS.values():
        each = [_looked(s, c, changes) for c in catalogues]

        def values(policy: str, metric: str, users: int, floor: bool, each: Sequence[Looked] = each) -> np.ndarray:
            if floor:
                tasks = [looked.floored for looked in each]
            elif policy == "greedy":
                tasks = [looked.over_users for looked in each]
            else:
                tasks = [looked.own.get(policy, looked.plain) for looked in each]
            return of_measures(tasks, told)(policy, metric, users)

        cells.append(
            [
                conclusion.judge(values) if about is None or about in each[0].own else None
                for about, conclusion in conclusions
            ]
        )
    worth = []
    for speed in sensitivity.SPEEDS:
        row = []
        for rate in sensitivity.BACKHAUL_MBIT_PER_S:
            looked_up = of_measures([_worth_measure(s, c, speed, rate) for c in catalogues], told)
            optimum, cloud = (looked_up(name, "utility", FEW) for name in (BOUND, "cloud-only"))
            row.append(interval_over_runs(sensitivity.saved(optimum, cloud)))
        worth.append(row)
    catalogues_told = f"{s.plan.sensitivity_catalogues} catalogues, {s.plan.sensitivity_episodes} episodes each"
    return [
        Grid(
            "sensitivity",
            "Which conclusions survive which assumption",
            f"Preset {PAPER}, {FEW} users, {catalogues_told}. A row changes one assumed value and leaves the "
            "others; each cell gives the number on which the conclusion hangs, its colour whether the conclusion "
            "holds there (95 % interval over catalogues). Agents are not trained anew here: `learned` is the "
            "network that ships.",
            [conclusion.heading for _, conclusion in conclusions],
            list(sensitivity.VARIATIONS),
            cells,
            [conclusion.format for _, conclusion in conclusions],
        ),
        HeatMap(
            "worth",
            "What caching is worth at best quality",
            f"Preset {PAPER}, the quality floor on (every hit at its model's best), {FEW} users, "
            f"{catalogues_told}: what the certified optimum saves over sending everything to the cloud. Speed is "
            "that of every model, here and in the cloud alike.",
            "backhaul rate per request [Mbit/s]",
            "generation speed, times the assumed",
            [f"{rate:g}" for rate in sensitivity.BACKHAUL_MBIT_PER_S],
            [f"{speed:g}" for speed in sensitivity.SPEEDS],
            worth,
            "saved over cloud-only [%]",
        ),
    ]


def watched(s: Study) -> dict[str, Train | str]:
    """Whom the animations show, by what to call them: each agent's first run, and the reader's own policies."""
    first = {label: runs(s, PAPER, label, FEW)[0][0] for label in AGENTS}
    return first | dict(s.own)


def watch_tasks(s: Study) -> list[Task]:
    """The agents that are watched."""
    return [task for task in watched(s).values() if isinstance(task, Train)]


SECTIONS: Mapping[str, Section] = {
    "claims": Section("The paper's claims, judged", claims_tasks, claims_pictures),
    "convergence": Section("Convergence and the learning rate", convergence_tasks, convergence),
    "hits": Section("Hit ratio over the number of users", lambda s: main_tasks(s, (PAPER,)), hits),
    "utility": Section("Total utility over the number of users", lambda s: main_tasks(s, (PAPER,)), utility),
    "quality": Section("Delay and quality apart", lambda s: main_tasks(s, (PAPER,)), quality),
    "trade-off": Section("The trade-off over α", trade_off_tasks, trade_off),
    "budget": Section("HCRAS over its budget", budget_tasks, budget),
    "sensitivity": Section("What the assumed values change", sensitivity_tasks, sensitivity_pictures),
    "watch": Section("A cell to watch", watch_tasks, lambda s, told: []),
}
