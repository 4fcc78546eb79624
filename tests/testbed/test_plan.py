"""The slots are those of an evaluation, and what is predicted is what is scored."""

import numpy as np
import pytest
from small_cell import loaded

import genedge
from genedge.errors import InputError
from genedge.evaluation.cells import met
from genedge.testbed.plan import planned, small_models


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def plan(scenario):
    return planned(scenario, {"mine": "knapsack", "cloud-only": "cloud-only"}, 3, 10, seed=4)


def test_costs_are_those_of_an_evaluation(scenario, plan):
    names = ("knapsack", "cloud-only")
    policies = {name: genedge.policy(name, scenario) for name in names}
    found = genedge.evaluate(scenario, policies, [3], 2, seed=4)
    for label, name in (("mine", "knapsack"), ("cloud-only", "cloud-only")):
        totals = [sum(each.predicted["utility"] for each in slot.decided[label]) for slot in plan]
        # An episode has five slots.
        assert np.mean(totals) == pytest.approx(found.value(name, 3, "utility").mean, rel=1e-6)


def test_rates_are_those_of_eq_2_and_5(scenario, plan):
    p = scenario.params
    slots, _ = met(scenario, 3, 2, 4)
    for k, slot in enumerate(plan):
        for each in slot.decided["cloud-only"]:
            request, gain = each.request, float(slots.gain[k // 5, k % 5, each.request.user])
            # Solved for the share by its own delays: both rates follow from one share.
            share = _share(p, gain, request.up_bps)
            noise = float(p.N0) * share * float(p.W_dw)
            down = share * float(p.W_dw) * np.log2(1 + float(p.p_BS) * gain / noise)
            assert request.down_bps == pytest.approx(down, rel=1e-6)
            assert 0 < share < 1


def _share(p, gain, up_bps):
    low, high = 1e-9, 1.0
    for _ in range(200):
        share = (low + high) / 2
        noise = float(p.N0) * share * float(p.W_up)
        rate = share * float(p.W_up) * np.log2(1 + float(p.p_n) * gain / noise)
        low, high = (share, high) if rate < up_bps else (low, share)
    return share


def test_sizes_over_rates_are_the_delays(plan):
    for slot in plan:
        for label in ("mine", "cloud-only"):
            for request, predicted in slot.decided[label]:
                bits_in, bits_out = 8 * request.input_bytes, 8 * request.output_bytes
                backhaul = bits_in / request.to_cloud_bps + bits_out / request.from_cloud_bps
                assert predicted["uplink_s"] == pytest.approx(bits_in / request.up_bps, rel=1e-5)
                assert predicted["downlink_s"] == pytest.approx(bits_out / request.down_bps, rel=1e-5)
                assert predicted["backhaul_s"] == pytest.approx(0 if request.hit else backhaul, rel=1e-5)
                parts = ("uplink_s", "downlink_s", "backhaul_s", "wait_s", "generation_s")
                assert predicted["delay_s"] == pytest.approx(sum(predicted[part] for part in parts))


def test_misses_take_the_steps_of_the_best_quality(plan):
    requests = [each.request for slot in plan for each in slot.decided["cloud-only"]]
    assert {(request.hit, request.steps) for request in requests} == {(False, 20)}
    assert {request.model for request in requests} == {"faces", "shapes"}


def test_policies_meet_the_same_requests(plan):
    for slot in plan:
        asked = [
            [(r.user, r.model, r.picture, r.input_bytes) for r, _ in slot.decided[label]]
            for label in ("mine", "cloud-only")
        ]
        assert asked[0] == asked[1]


def test_a_slower_link_is_slower_and_nothing_else(plan):
    request = plan[0].decided["mine"][0].request
    slow = request.slowed(4)
    assert (slow.up_bps, slow.from_cloud_bps) == (request.up_bps / 4, request.from_cloud_bps / 4)
    assert (
        slow._replace(**{key: getattr(request, key) for key in request._fields if key.endswith("bps")}) == request
    )


def test_waits_for_few_generators_are_predicted(tmp_path):
    scenario = loaded(tmp_path, "server.generates_at_once=1")
    plan = planned(scenario, {"mine": "knapsack"}, 3, 5, seed=4)
    waited = 0
    for slot in plan:
        # One after the other, as their requests arrive.
        free = 0.0
        for _, predicted in sorted(
            (each for each in slot.decided["mine"] if each.request.hit), key=lambda each: each.predicted["uplink_s"]
        ):
            begins = max(free, predicted["uplink_s"])
            assert predicted["wait_s"] == pytest.approx(begins - predicted["uplink_s"], abs=1e-6)
            free = begins + predicted["generation_s"]
            waited += begins > predicted["uplink_s"]
    assert waited > 0


def test_small_models_are_found_by_worker_and_by_name(scenario):
    assert small_models(scenario) == ("faces", "shapes")


REFUSED = {
    "models.catalogue.faces.worker={command: serve}": "model faces is none that can run",
    "models.catalogue.faces.A3_steps=1001": "A3_steps must not exceed 1000",
    "objective.energy_per_step=0.1": "beyond Eq. (14)",
    "server.offload=true": "is of a box",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_what_cannot_run_is_refused(setting, tmp_path):
    with pytest.raises(InputError) as refused:
        planned(loaded(tmp_path, setting), {"cloud-only": "cloud-only"}, 3, 1, 0)
    assert REFUSED[setting] in str(refused.value)


def test_models_of_the_paper_cannot_run(paper):
    with pytest.raises(InputError, match=r"small:faces.*--scenario measured"):
        planned(paper, {"cloud-only": "cloud-only"}, 3, 1, 0)
