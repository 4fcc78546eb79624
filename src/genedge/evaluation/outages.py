"""How many requests of an evaluation no decision could serve; the same for every policy."""

from typing import Any

from genedge.results import Metric, Results
from genedge.scenario import Scenario

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
        f"{n} users: {results.value(results.policies[0], n, OUTAGE).mean:.2%} of the requests are in an outage "
        f"(gains below {radio.outage_gain_db:g} dB), and cost {radio.outage_delay_s:g} s each, whoever decides."
        for n in _users(results)
    ]


def outage_as_json(results: Results) -> dict[str, Any]:
    """The same for a program.

    Args:
        results: of an evaluation.
    """
    shares = [{"users": n, "share": results.value(results.policies[0], n, OUTAGE)} for n in _users(results)]
    return {"outage": shares} if shares else {}


def _users(results: Results) -> list[int]:
    return [n for n in results.users if OUTAGE in results.of(results.policies[0], n).samples]
