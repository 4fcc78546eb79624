"""What came out, in five sentences and a picture, with which the report begins.

Each sentence follows from records alone, and is left out where one of those that it needs is not there.
"""

from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np

from genedge.draw.charts import OPTIMUM
from genedge.draw.ranking import Ranking
from genedge.paper import claims
from genedge.paper.evidence import LEAST_TOLD, Evidence, benchmarks, caption, runs
from genedge.paper.records import Records
from genedge.paper.sections.claims import judged, judged_tasks, reach_tasks, within_reach
from genedge.paper.study import AGENTS, BEST, DDPG, PAPER, POLICIES, Study, listed
from genedge.paper.tasks import Task
from genedge.scenario import load_scenario
from genedge.statistics import Interval, over_groups

CONSTANT = "constant"
BLIND = f"{CONSTANT}, the best decision that does not look at the slot"


def sentences(study: Study, records: Records) -> list[str]:
    """At most five: the verdicts, the agent beside the optimum and beside `constant`, the others, and the limit.

    Args:
        study: the study.
        records: what tasks found, perhaps not all of them.
    """
    evidence = Evidence(study, records, PAPER)
    told = [_verdicts(study, records)]
    told += [_agent(evidence), _beside_constant(evidence), _others(evidence), _limit(study, records)]
    return [sentence for sentence in told if sentence]


def ranking(study: Study, records: Records) -> Ranking | None:
    """The gaps of all policies at few and at many users; None where none was measured there.

    Args:
        study: the study.
        records: what tasks found, perhaps not all of them.
    """
    evidence = Evidence(study, records, PAPER)
    series: dict[str, dict[str, Interval]] = {f"{n} users": {} for n in claims.USERS}
    for label in (*AGENTS, *study.policies):
        for n in _users_done(evidence, label) if label != OPTIMUM else ():
            series[f"{n} users"][label] = over_groups(evidence.gap(label, n))
    series = {label: values for label, values in series.items() if values}
    if not series:
        return None
    return Ranking(
        "summary",
        "Gap to the certified optimum",
        f"{caption(study, PAPER)} The gap is a policy's cost, its total utility Σ Uₙ of Eq. (15), over the "
        f"optimum's, less one; the best policy stands at the top. On the right: the means. Intervals that"
        f" reach zero leave the picture on the left.{LEAST_TOLD}",
        "gap to the certified optimum [%]",
        series,
        DDPG,
    )


def _done(records: Records, tasks: Iterable[Task]) -> bool:
    return all(task in records for task in tasks)


def _users_done(evidence: Evidence, *labels: str) -> list[int]:
    """For which numbers of users of the claims all that is told of some policies was measured."""

    def tasks(n: int) -> list[Task]:
        study, preset = evidence.study, evidence.preset
        agents = [
            run for label in labels if label in AGENTS for row in runs(study, preset, label, n) for run in row
        ]
        # The optimum comes with the paper's policies.
        beside = [
            benchmarks(study, preset, n, c, each) for c in study.plan.catalogues for each in (OPTIMUM, *labels)
        ]
        return [*agents, *beside]

    return [n for n in claims.USERS if _done(evidence.records, tasks(n))]


def _verdicts(study: Study, records: Records) -> str:
    """How many lines of the claims got which verdict."""
    if not _done(records, judged_tasks(study, PAPER)):
        return ""
    found = [line.verdict for line in judged(study, records, PAPER, DDPG)]
    reproduced, *others = get_args(claims.Word)
    one = found.count(reproduced) == 1
    told = [f"{found.count(reproduced) or 'none'} {'is' if one else 'are'} {reproduced}"]
    told += [f"{found.count(word)} {word}" for word in others if word in found]
    return f"Of {len(found)} lines of the paper's claims {listed_in_words(told)}."


def _agent(evidence: Evidence) -> str:
    """How far the paper's agent is from the optimum."""
    return _sentence(_above_optimum(evidence, f"the paper's agent, {DDPG},", DDPG))


def _others(evidence: Evidence) -> str:
    """How far the best of the benchmarks and our best learner are from the optimum."""
    untrained = [label for label in POLICIES if label != OPTIMUM]
    users = _users_done(evidence, OPTIMUM)
    clauses = []
    if users:
        best = min(untrained, key=lambda label: np.mean([evidence.gap(label, n).mean() for n in users]))
        clauses += _above_optimum(evidence, f"the best policy without training, {best},", best)
    return _sentence([*clauses, *_above_optimum(evidence, f"our best learner, {BEST},", BEST)])


def _above_optimum(evidence: Evidence, who: str, label: str) -> list[str]:
    """Clauses on a policy's gap for each number of users, and on trainings that diverged."""
    gaps = {n: evidence.gap(label, n) for n in _users_done(evidence, label)}
    known = {n: over_groups(gap) for n, gap in gaps.items() if np.isfinite(gap).all()}
    more = [f"{percent(gap)} more" for gap in known.values()]
    if more:
        more[0] += " than the certified optimum"
    costs = [f"{who} costs {_with_users(list(known), more)}"] if more else []
    diverged = [
        f"with {n} users {np.isnan(gap).sum()} of {gap.size} trainings of {label} diverged"
        for n, gap in gaps.items()
        if n not in known
    ]
    return [*costs, *diverged]


def _beside_constant(evidence: Evidence) -> str:
    """Whether the paper's agent beats the best decision that does not look at the slot."""
    better_by = next(iter(claims.READINGS["utility"].values()))
    saved = {
        n: claims.compared(better_by, *(evidence.values(label, "utility", n) for label in (DDPG, CONSTANT)))
        for n in _users_done(evidence, DDPG, CONSTANT)
    }
    saved = {n: value for n, value in saved.items() if np.isfinite(value.mean)}
    if not saved:
        return ""
    beaten = [n for n, value in saved.items() if claims.ends(value)[0] > 0]
    lost = [n for n, value in saved.items() if claims.ends(value)[1] <= 0]
    if len(beaten) == len(saved):
        lead = f"{DDPG} beats {BLIND}"
    elif beaten:
        lead = f"Only with {listed(beaten)} users {DDPG} clearly beats {BLIND}"
    elif len(lost) == len(saved):
        lead = f"{DDPG} does not beat {BLIND}"
    else:
        lead = f"Whether {DDPG} beats {BLIND}, is undecided"
    told = [f"{percent(v)} less" if v.mean > 0 else f"{percent(_negative(v))} more" for v in saved.values()]
    slots = evidence.study.plan.test_episodes * load_scenario(evidence.preset).settings.cell.slots_per_episode
    caches = [f"{evidence.caches(DDPG, n).mean():.1f}" for n in saved]
    caches[0] += f" different caches in {slots:,} slots"
    costs, chose = (_with_users(list(saved), texts) for texts in (told, caches))
    return f"{lead}: it costs {costs}; on average it chose {chose}."


def _limit(study: Study, records: Records) -> str:
    """What no policy could save over RCARS, and how often the paper's numbers are within anyone's reach."""
    if not _done(records, reach_tasks(study, PAPER)):
        return ""
    reach = [r for r in within_reach(study, records, PAPER) if r.metric == "utility"]
    of_base, of_ours = ([r for r in reach if r.reading == reading] for reading in claims.READINGS["utility"])
    users = [r.users for r in of_base]
    most = _with_users(users, [percent(over_groups(r.most)) for r in of_base])
    allow, allow_otherwise = (
        listed_in_words([str(np.count_nonzero(r.most >= r.claimed)) for r in each]) for each in (of_base, of_ours)
    )
    claimed = _with_users(users, [f"{r.claimed:g} %" for r in of_base])
    catalogues = len(of_base[0].most)
    over = f"{catalogues} catalogues" if catalogues > 1 else "one catalogue"
    return (
        f"On average over {over} no policy could cost less than RCARS by more than {most}; the {claimed} that the "
        f"paper claims are within anyone's reach on {allow} of them, or, if they mean {of_ours[0].reading}, on "
        f"{allow_otherwise}."
    )


def _with_users(users: Sequence[int], texts: Sequence[str]) -> str:
    """Texts, each with its number of users."""
    first, *others = (f"{text} with {n}" for text, n in zip(texts, users, strict=True))
    return listed_in_words([f"{first} users", *others])


def _sentence(clauses: Sequence[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _negative(value: Interval) -> Interval:
    return Interval(-value.mean, -value.high, -value.low)


def percent(value: Interval) -> str:
    """A percentage with its interval for a sentence: small ones with one digit more.

    Args:
        value: [%].
    """
    return claims.percentage(value, 1 if abs(value.mean) >= 1 else 2)


def listed_in_words(texts: Sequence[str]) -> str:
    """Texts in a sentence, the last after "and".

    Args:
        texts: one at least.
    """
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
