"""Wrong shapes give an error that names the argument."""

import jax
import numpy as np
import pytest

import genedge
from genedge.cell.service import serve
from genedge.env.episodes import EpisodePolicy, follow
from genedge.errors import InputError

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def case(paper):
    slots = genedge.sample_episode(paper.params, KEY, users=4, places=5, slots=3)
    decide = genedge.policy("rcars", paper)
    return paper.params, slots, decide, decide(paper.params, slots, KEY)


def test_right_shapes_pass(case):
    params, slots, _, decision = case
    expected = genedge.score(params, slots, decision).utility
    np.testing.assert_allclose(genedge.serve(params, slots, decision).utility, expected, rtol=1e-5)
    one, of_one = jax.tree.map(lambda x: x[0], (slots, decision))
    np.testing.assert_allclose(genedge.score(params, one, of_one).utility, expected[0])
    assert jax.tree.map(np.shape, genedge.serve(params, slots, decision)) == jax.tree.map(
        np.shape, serve(params, slots, decision)
    )


def test_they_work_inside_compiled_code(case):
    params, slots, decide, decision = case
    inside = jax.jit(jax.vmap(genedge.serve, (None, 0, 0)))(params, slots, decision).utility
    np.testing.assert_allclose(inside, genedge.score(params, slots, decision).utility, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(decide)(params, slots, KEY), decision)


@pytest.mark.parametrize("function", [genedge.score, genedge.serve])
@pytest.mark.parametrize(
    ("field", "shape", "message"),
    [
        ("cache", (3, 9), r"decision\.cache has shape \(3, 9\); it must be \(3, 10\)"),
        ("bandwidth", (3, 4), r"decision\.bandwidth has shape \(3, 4\); it must be \(3, 5\)"),
        ("steps", (5,), r"decision\.steps has shape \(5,\); it must be \(3, 5\)"),
    ],
)
def test_a_decision_that_does_not_fit(function, field, shape, message, case):
    params, slots, _, decision = case
    with pytest.raises(genedge.InputError, match=message):
        function(params, slots, decision._replace(**{field: np.zeros(shape)}))


@pytest.mark.parametrize(
    ("field", "shape", "message"),
    [
        ("skew", (), r"slots\.skew has shape \(\); it must be \(3,\)"),
        ("gain", (3, 4), r"slots\.gain has shape \(3, 4\); it must be \(3, 5\), as slots\.requests has \(3, 5\)"),
        ("position_m", (3, 5), r"slots\.position_m has shape \(3, 5\); it must be \(3, 5, 2\)"),
        ("requests", (5,), r"slots\.requests has shape \(5,\); it must be \(K, N\)"),
    ],
)
def test_slots_that_do_not_fit(field, shape, message, case):
    params, slots, decide, _ = case
    with pytest.raises(genedge.InputError, match=message):
        decide(params, slots._replace(**{field: np.zeros(shape, int)}), KEY)


def test_a_policy_takes_a_batch(case):
    params, slots, decide, _ = case
    with pytest.raises(genedge.InputError, match=r"slots\.requests has shape \(5,\)"):
        decide(params, jax.tree.map(lambda x: x[0], slots), KEY)


def test_something_else_in_place_of_an_argument(paper, case):
    params, slots, decide, decision = case
    with pytest.raises(genedge.InputError, match=r"params must be a genedge\.Params, such as scenario\.params"):
        decide(paper, slots, KEY)
    with pytest.raises(genedge.InputError, match=r"slots must be a genedge\.Slot, not ndarray of shape \(3, 5\)"):
        genedge.score(params, np.zeros((3, 5)), decision)
    with pytest.raises(genedge.InputError, match=r"decision must be a genedge\.Decision, not dict"):
        genedge.serve(params, slots, decision._asdict())


@pytest.mark.parametrize(
    ("argument", "value"),
    [("key", 0), ("key", jax.random.split(KEY)), ("users", 0), ("users", 6), ("places", 2.5), ("slots", -1)],
)
def test_sampling(paper, argument, value):
    arguments = {"key": KEY, "users": 4, "places": 5, "slots": 3, argument: value}
    with pytest.raises(genedge.InputError, match=f"^{argument} "):
        genedge.sample_episode(paper.params, **arguments)


def test_a_key_of_the_old_kind_will_do(paper):
    old, new = (genedge.sample_episode(paper.params, key, 4, 5, 3) for key in (jax.random.PRNGKey(0), KEY))
    jax.tree.map(np.testing.assert_array_equal, old, new)


def test_slots_of_a_box_need_their_memories():
    box = genedge.load_scenario("edge-box")
    slots = genedge.sample_episode(box.params, jax.random.key(0), users=3, places=3, slots=4)
    decision = genedge.Decision(np.ones((4, 5), bool), np.full((4, 3), 0.3), np.full((4, 3), 0.3))
    for function in (genedge.serve, genedge.score):
        with pytest.raises(InputError, match=r"no memory .* of a box.*evaluate_box"):
            function(box.params, slots, decision)
    met, decided = follow(
        box.params, EpisodePolicy(lambda e: (), lambda p, c, s, k: (c, idle(s))), each(slots), jax.random.key(0)
    )
    assert genedge.score(box.params, met, decided).queue_s.shape == (1, 4, 3)
    with pytest.raises(InputError, match=r"slots\.memory\.held has shape"):
        genedge.score(box.params, met._replace(memory=met.memory._replace(held=met.memory.held[..., :2])), decided)


def each(slots):
    return jax.tree.map(lambda x: np.asarray(x)[None], slots)


def idle(slot):
    return genedge.Decision(slot.memory.held, np.full((1, 3), 0.3), np.zeros((1, 3)))


@pytest.mark.parametrize("cache", [np.zeros((4, 10)), np.zeros((4, 10), int), np.full((4, 10), "yes")])
def test_a_cache_is_of_booleans(cache):
    paper = genedge.load_scenario("paper")
    slots = genedge.sample_episode(paper.params, jax.random.key(0), users=3, places=3, slots=4)
    with pytest.raises(InputError, match=r"decision\.cache must be an array of booleans"):
        genedge.score(paper.params, slots, genedge.Decision(cache, np.full((4, 3), 0.3), np.full((4, 3), 0.3)))


def test_a_box_is_not_evaluated_slot_by_slot():
    with pytest.raises(InputError, match=r"is of a box.*evaluate_box"):
        genedge.evaluate(
            genedge.load_scenario("edge-box"), {}, users=[2], episodes=1, seed=0, report=lambda text: None
        )


def test_a_memory_is_of_a_box_and_of_booleans(paper):
    box = genedge.load_scenario("edge-box")
    slots = genedge.sample_episode(box.params, KEY, users=3, places=3, slots=4)
    rule = EpisodePolicy(lambda episodes: (), lambda params, carry, slot, key: (carry, idle(slot)))
    met, decided = follow(box.params, rule, jax.tree.map(lambda x: np.asarray(x)[None], slots), KEY)
    odd = met._replace(memory=met.memory._replace(held=met.memory.held.astype(float)))
    with pytest.raises(InputError, match=r"memory\.held must be an array of booleans"):
        genedge.score(box.params, odd, decided)
    with pytest.raises(InputError, match="a memory, but the scenario is of no box"):
        genedge.score(paper.params, met, decided)
