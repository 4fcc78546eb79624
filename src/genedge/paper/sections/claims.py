"""The paper's claims: measured, judged, and beside what anyone could reach."""

from typing import NamedTuple, get_args

import numpy as np

from genedge.draw.charts import ClaimLine, Forest, Picture
from genedge.paper import claims
from genedge.paper.claims import Judged
from genedge.paper.evidence import (
    Evidence,
    caption,
    fastest,
    main_tasks,
    measure,
    of_measures,
)
from genedge.paper.records import Records
from genedge.paper.sections.convergence import OTHER, final_rewards, rate_tasks
from genedge.paper.sections.section import ReportSection, Table
from genedge.paper.study import AGENTS, ATTAINABLE, BOUND, DDPG, PAPER, Study
from genedge.paper.tasks import Measure, Task
from genedge.scenario import load_scenario
from genedge.statistics import over_groups


def _bound_measure(study: Study, preset: str, catalogue: int) -> Measure:
    return measure(
        study, preset, claims.USERS, ("rcars", "cloud-only", "greedy"), study.plan.bound_episodes, catalogue
    )


def reach_tasks(study: Study, preset: str) -> list[Measure]:
    """The bounds over many catalogues.

    Args:
        study: the study.
        preset: the scenario's name.
    """
    return [_bound_measure(study, preset, c) for c in range(1, study.plan.bound_catalogues + 1)]


def judged_tasks(study: Study, preset: str) -> list[Task]:
    """All that a preset's lines are judged by, whoever stands for the agent.

    Args:
        study: the study.
        preset: the scenario's name.
    """
    fast = [fastest(study, preset, c) for c in study.plan.catalogues]
    rates = rate_tasks(study) if preset == PAPER else []
    return [*main_tasks(study, preset, claims.USERS), *rates, *fast]


def claims_tasks(study: Study) -> list[Task]:
    """All that any claim speaks of, on both presets, and the bounds over many catalogues."""
    presets = (PAPER, ATTAINABLE)
    return [task for preset in presets for task in (*judged_tasks(study, preset), *reach_tasks(study, preset))]


def judged(study: Study, records: Records, preset: str, contender: str) -> list[Judged]:
    """A verdict on every line of the paper's claims.

    Args:
        study: the study.
        records: what its tasks found.
        preset: the scenario's name.
        contender: who stands for the paper's DDPG.
    """
    values = Evidence(study, records, preset).values
    hcras = load_scenario(preset).hyperparameters("hcras")
    budget = f"; HCRAS has {hcras.population * hcras.generations:,} evaluations a slot here, assumed"
    lines = []
    for claim in claims.CLAIMS:
        for n in claims.USERS:
            line = claims.judge(claim, n, values, contender)
            if "HCRAS" in (claim.ours, claim.base):
                line = line._replace(why=line.why + budget)
            lines.append(line)
    if contender == DDPG and preset == PAPER:
        rates = sorted(study.plan.learning_rates)
        lines += [claims.judge_rise_and_fall(part, rates, final_rewards(study, records, part)) for part in OTHER]
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


def within_reach(study: Study, records: Records, preset: str) -> list[Reach]:
    """What anyone could be better by than RCARS over many catalogues, in both readings of "better by".

    Args:
        study: the study.
        records: what its tasks found.
        preset: the scenario's name.
    """
    values = of_measures(reach_tasks(study, preset), records)
    best: dict[claims.ClaimMetric, tuple[str, str]] = {
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


def claims_pictures(study: Study, records: Records) -> list[Picture]:
    """Claimed, measured and attainable side by side, for each metric and preset, in the first reading."""
    pictures: list[Picture] = []
    for preset in (PAPER, ATTAINABLE):
        values = Evidence(study, records, preset).values
        for metric in claims.MEANINGS:
            lines = [
                _claim_line(study, claim, n, values)
                for claim in claims.CLAIMS
                for n in claims.USERS
                if claim.metric == metric
            ]
            meaning, reading = next(iter(claims.MEANINGS[metric])), next(iter(claims.READINGS[metric]))
            pictures.append(
                Forest(
                    f"claims-{metric.replace(' ', '-')}-{preset}",
                    f"{metric.capitalize()}: claimed and measured, {preset}",
                    f"{caption(study, preset)} Better by {reading} of {meaning}; grey: what the certificate leaves "
                    "within reach.",
                    "better by [%]",
                    lines,
                )
            )
    return pictures


def _claim_line(study: Study, claim: claims.Claim, users: int, values: claims.Values) -> ClaimLine:
    """A claim's number beside what was measured of all who may stand for the agent, and of who sees no slot."""
    if claim.ours == DDPG:
        contenders, who = [*AGENTS, "constant", *study.own], "agent"
    else:
        contenders, who = [claim.ours], claim.ours
    first_readings = {c: claims.judge(claim, users, values, c).found[0] for c in contenders}
    return ClaimLine(
        f"{who} over\n{claim.base}, {users} users",
        claim.percent[claims.USERS.index(users)],
        first_readings[contenders[0]].largest.mean,
        {c: reading.measured for c, reading in first_readings.items()},
    )


# The first are a line on the page, the others are folded under it.
LINE = ("claim", "claimed", "measured", "most that any policy could", "verdict")
FOLDED = ("why", "the verdict is on", "all readings")
REACH_HEADINGS = (
    "preset",
    "in",
    "better by",
    "users",
    "claimed",
    "most, on average",
    "least and largest",
    "allow it",
)


def claims_tables(study: Study, records: Records) -> list[Table]:
    """What anyone could reach, and every line of the claims with its verdict."""
    reach = [
        _reach_row(preset, each) for preset in (PAPER, ATTAINABLE) for each in within_reach(study, records, preset)
    ]
    title = f"What anyone could be better by than RCARS, over {study.plan.bound_catalogues} catalogues"
    tables = [Table(title, REACH_HEADINGS, reach)]
    for preset in (PAPER, ATTAINABLE):
        for contender in (*AGENTS, *study.own):
            rows = [_row(line) for line in judged(study, records, preset, contender)]
            title = f"Claims on {preset}, {contender} as the agent"
            tables.append(Table(title, (*LINE, *FOLDED), rows, folded=len(FOLDED)))
    return tables


def _reach_row(preset: str, reach: Reach) -> tuple[str, ...]:
    return (
        preset,
        reach.metric,
        reach.reading,
        str(reach.users),
        f"{reach.claimed:g} %",
        claims.percentage(over_groups(reach.most)),
        f"{reach.most.min():.1f} to {reach.most.max():.1f} %".replace("-", "−"),
        f"{100 * np.mean(reach.most >= reach.claimed):.0f} %",
    )


def _row(line: Judged) -> tuple[str, ...]:
    readings = [
        f"{r.meaning}, {r.reading}: measured {claims.percentage(r.measured)}, most {claims.percentage(r.largest)}"
        for r in line.found
    ]
    told = line.telling
    return (
        line.text,
        "–" if line.claimed is None else f"{line.claimed:g} %",
        "–" if told is None else claims.percentage(told.measured),
        "–" if told is None else claims.percentage(told.largest),
        line.verdict,
        line.why,
        "–" if told is None else f"{told.meaning}, {told.reading}",
        "\n".join(readings) or "–",
    )


def claims_summary(study: Study, records: Records) -> list[str]:
    """How many lines got which verdict."""
    lines = []
    for preset in (PAPER, ATTAINABLE):
        found = judged(study, records, preset, DDPG)
        counts = {word: sum(line.verdict == word for line in found) for word in get_args(claims.Word)}
        counted = ", ".join(f"{number} {word}" for word, number in counts.items())
        lines.append(f"On {preset}, of {len(found)} lines with DDPG as the paper describes it: {counted}.")
    lines.append(
        "Of several readings of a claim the one counts that favours the paper most. The claims over HCRAS hang on "
        "the budget of its genetic algorithm, which the text does not give; 5,000 evaluations a slot are assumed."
    )
    return lines


CLAIMS_JUDGED = ReportSection(
    "The paper's claims, judged", claims_tasks, claims_pictures, tables=claims_tables, summary=claims_summary
)
