"""How many requests of an evaluation no decision could serve; the same for every policy."""

from typing import Any

from genedge.results import Metric, Results
from genedge.scenario import Scenario
from genedge.statistics import Interval

OUTAGE = "outage_ratio"
OF_OUTAGE = {
    OUTAGE: Metric("outage", ".3f", "", "", "share of the requests whose channel is too weak to be served")
}


def told_of_outage(results: Results, scenario: Scenario) -> list[str]:
    """The share of the requests in an outage, a line for each number of users; none without an outage.

    Args:
        results: of an evaluation.
        scenario: what was evaluated on.
    """
    radio = scenario.settings.radio
    return [
        f"{n} users: {share.mean:.2%} of the requests are in an outage (gains below {radio.outage_gain_db:g} dB), "
        f"and cost {radio.outage_delay_s:g} s each, whoever decides."
        for n, share in _shares(results)
    ]


def outage_as_json(results: Results) -> dict[str, Any]:
    """The same for a program.

    Args:
        results: of an evaluation.
    """
    shares = [{"users": n, "share": share} for n, share in _shares(results)]
    return {"outage": shares} if shares else {}


def _shares(results: Results) -> list[tuple[int, Interval]]:
    # All runs of a row met the same slots.
    first = [(n, results.of(results.policies[0], n).members[0]) for n in results.users]
    return [(n, row.value(OUTAGE)) for n, row in first if OUTAGE in row.samples]
