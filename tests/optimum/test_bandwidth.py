"""The bandwidth split against general solvers, and its bound."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from genedge.cell.sampling import sample_episode
from genedge.cell.types import Params, Slot
from genedge.optimum.bandwidth import delay, links, lower_bound, split
from genedge.scenario import load_scenario

READINGS = ("own", "whole")


def draw(users: int, slots: int, reading: str, seed: int = 0) -> tuple[Params, Slot]:
    params = load_scenario("paper", [f"radio.noise_bandwidth={reading}"]).params
    drawn = sample_episode(params, jax.random.key(seed), users, users, slots)
    return params, jax.tree.map(np.asarray, drawn)


def radio_delay(params: Params, slot: Slot, share: np.ndarray) -> float:
    """Eq. (2), (4), (5), (6) for the active users of one slot, written out once more."""
    total = 0.0
    for n in np.flatnonzero(slot.active):
        for band, power, bits in (
            (params.W_up, params.p_n, slot.input_bits[n]),
            (params.W_dw, params.p_BS, params.models.output_bits[slot.requests[n]]),
        ):
            own = share[n] * band
            noise = params.N0 * (own if params.noise_over_own_band else band)
            total += float(bits) * np.log(2) / (own * np.log1p(power * float(slot.gain[n]) / noise))
    return float(total)


@pytest.mark.parametrize("reading", READINGS)
def test_no_worse_than_a_general_convex_solver(reading: str) -> None:
    params, slots = draw(6, 4, reading)
    link = links(params, slots)
    for compiled in (False, True):
        shares = split(link, compiled)
        for k in range(4):
            slot = jax.tree.map(lambda x: x[k], slots)  # noqa: B023
            ours = radio_delay(params, slot, shares[k])
            found = minimize(
                lambda b: radio_delay(params, slot, b),  # noqa: B023
                np.full(6, 1 / 6),
                method="SLSQP",
                bounds=[(1e-6, 1)] * 6,
                constraints={"type": "ineq", "fun": lambda b: 1 - b.sum()},
                options={"ftol": 1e-14, "maxiter": 500},
            )
            assert ours <= found.fun * (1 + 1e-9)
            assert ours == pytest.approx(found.fun, rel=1e-6)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("users", [1, 18, 1000])
def test_agrees_with_root_finding_to_1e8(reading: str, users: int) -> None:
    params, slots = draw(users, 1, reading, seed=3)
    # Deep fades: 40, 80 and 200 dB below the others.
    gain = slots.gain.astype(np.float64)
    gain[0, : users // 3] *= np.resize([1e-4, 1e-8, 1e-20], users // 3)
    slots = slots._replace(gain=gain)
    shares = split(links(params, slots), users == 18)
    slot = jax.tree.map(lambda x: x[0], slots)
    best = radio_delay(params, slot, by_root_finding(params, slot))
    assert radio_delay(params, slot, shares[0]) == pytest.approx(best, rel=1e-8)
    assert shares[0].sum() == pytest.approx(1, abs=1e-12)


def by_root_finding(params: Params, slot: Slot) -> np.ndarray:
    """Shares at which a bisection on the multiplier, around one on every user's share, uses the whole band."""

    def marginal(n: int, b: float) -> float:
        # By the difference of Eq. (2)'s rate: −f'(b) = bits r'(b) / r(b)².
        total = 0.0
        for band, power, bits in (
            (params.W_up, params.p_n, slot.input_bits[n]),
            (params.W_dw, params.p_BS, params.models.output_bits[slot.requests[n]]),
        ):
            snr = float(power * slot.gain[n] / (params.N0 * band))
            if params.noise_over_own_band:
                y = snr / b
                # log1p(y) − y / (1 + y) = ∫ from 0 to y of x / (1 + x)² dx loses digits for small y.
                change = y**2 * (1 / 2 - 2 * y / 3 + 3 * y**2 / 4) if y < 1e-5 else np.log1p(y) - y / (1 + y)
                total += float(bits) * np.log(2) / float(band) * change / (b * np.log1p(y)) ** 2
            else:
                total += float(bits) * np.log(2) / float(band) / (b**2 * np.log1p(snr))
        return total

    users = range(len(slot.requests))

    def shares(log_multiplier: float) -> np.ndarray:
        level = np.exp(log_multiplier)
        roots = []
        for n in users:
            root = brentq(lambda u: np.log(marginal(n, np.exp(u)) / level), -40, 20, xtol=1e-13)  # noqa: B023
            roots.append(np.exp(root))
        return np.array(roots)

    middle = np.log(np.mean([marginal(n, 1 / len(slot.requests)) for n in users]))
    found = brentq(lambda m: np.log(shares(m).sum()), middle - 20, middle + 20, xtol=1e-9)
    best = shares(found)
    return best / best.sum()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(1, 12),
    reading=st.sampled_from(READINGS),
    fade_db=st.floats(0, 250),
    sizes=st.floats(1, 1e6),
)
def test_bound_holds_for_every_split_and_meets_ours(
    seed: int, users: int, reading: str, fade_db: float, sizes: float
) -> None:
    params = load_scenario("paper", [f"radio.noise_bandwidth={reading}"]).params
    random = np.random.default_rng(seed)
    shape = (3, users)
    slots = Slot(
        skew=np.ones(3),
        requests=random.integers(0, 10, shape),
        input_bits=8e6 * random.uniform(1, sizes, shape),
        gain=10 ** (-random.uniform(7, 12, shape) - fade_db / 10 * (random.random(shape) < 0.3)),
        position_m=np.zeros((*shape, 2)),
        active=random.random(shape) < 0.8,
    )
    link = links(params, slots)
    ours = split(link, compiled=False)
    assert np.all((ours > 0) == slots.active)
    best = delay(link, ours)[0].sum(axis=-1)
    np.testing.assert_array_less(lower_bound(link, ours), best * (1 + 1e-15) + 1e-300)
    np.testing.assert_allclose(lower_bound(link, ours), best, rtol=2e-12)
    # Any other split costs no less than either bound; a bound from a bad split is weak, but still one.
    other = np.where(slots.active, random.exponential(1, shape) + 1e-3, 0)
    other /= np.maximum(other.sum(axis=-1, keepdims=True), 1e-9)
    assert np.all(lower_bound(link, ours) <= delay(link, other)[0].sum(axis=-1))
    assert np.all(lower_bound(link, other) <= best)


def test_compiled_and_not_agree() -> None:
    params, slots = draw(18, 50, "own")
    slots = slots._replace(active=slots.active & (np.arange(18) != 4))
    link = links(params, slots)
    np.testing.assert_allclose(split(link, True), split(link, False), rtol=1e-12)


def test_a_slot_without_users_has_no_shares_and_no_delay() -> None:
    params, slots = draw(4, 2, "own")
    link = links(params, slots._replace(active=np.zeros((2, 4), bool)))
    assert not split(link, compiled=False).any()
    assert not lower_bound(link, np.zeros((2, 4))).any()


@pytest.mark.parametrize("reading", READINGS)
def test_a_user_without_any_channel_leaves_the_others_a_share(reading: str) -> None:
    params, slots = draw(4, 1, reading)
    gain = slots.gain.copy()
    gain[0, 1] = 0
    link = links(params, slots._replace(gain=gain))
    share = split(link, compiled=False)
    assert np.all(share > 0)
    assert np.isinf(lower_bound(link, share)).all()
