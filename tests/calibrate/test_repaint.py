"""RePaint: what the algorithm promises, distributions known in closed form, and other people's samplers."""

import numpy as np
import pytest

from genedge.calibrate.schedules import levels, linear, respaced, truncated
from genedge.errors import InputError

pytestmark = pytest.mark.heavy("torch")

LINEAR = linear(1000, 1e-4, 0.02)
# What all of it is about, in four dimensions: an image of 2 × 2 whose pixels go together.
MEAN = np.array([0.4, -0.3, 0.0, 0.2])
SPREAD = 0.25 * np.array([[1.0, 0.8, 0.2, 0.0], [0.8, 1.0, 0.1, 0.0], [0.2, 0.1, 0.5, -0.3], [0.0, 0.0, -0.3, 0.8]])


@pytest.fixture(scope="module")
def repaint():
    from genedge.calibrate import repaint

    return repaint


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def perfect(torch):
    """The best prediction there is of the noise in images of mean MEAN and covariance SPREAD, none else."""
    values, vectors = (torch.tensor(part) for part in np.linalg.eigh(SPREAD))
    mean, alpha_bar = torch.tensor(MEAN), torch.tensor(LINEAR)

    def network(x, t):
        left = alpha_bar[t + 1][:, None]
        away = (x.reshape(len(x), 4).double() - left.sqrt() * mean) @ vectors
        noise = (1 - left).sqrt() * (away / (left * values + 1 - left)) @ vectors.T
        return noise.reshape(x.shape).to(x.dtype)

    return network


def drawn(torch, repaint, network, sampler, count, known=(), values=0.0):
    """Images [count, 4] in the model's units, some of their pixels known."""
    mask = torch.zeros(count, 1, 2, 2, dtype=torch.bool)
    mask.view(count, 4)[:, list(known)] = True
    clean = torch.full((count, 1, 2, 2), values)
    made = repaint.sample(network, sampler, clean, mask, torch.Generator().manual_seed(3))
    return made.reshape(count, 4).double().numpy()


# --- Invariants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [respaced(20, 4, 3), respaced(7), truncated(5, 20, 2, 2)])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_known_pixels_are_the_inputs_and_nothing_of_the_hole_is(repaint, perfect, schedule, eta):
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (5, 1, 2, 2)).astype(np.float32)
    mask = np.array([[1, 0], [0, 1.0]])
    sampler = repaint.Sampler(LINEAR, schedule, eta)
    made = repaint.inpaint(perfect, sampler, images, mask, 1)
    assert (made[:, :, mask == 1] == images[:, :, mask == 1]).all()
    assert ((made >= 0) & (made <= 1)).all()
    images[:, :, mask == 0] = np.nan
    np.testing.assert_array_equal(repaint.inpaint(perfect, sampler, images, mask, 1), made)
    assert (repaint.inpaint(perfect, sampler, images, mask, 2) != made).any()


@pytest.mark.parametrize("schedule", [respaced(30, 5, 3), truncated(12, 30, 4, 2)])
def test_the_network_is_asked_at_the_levels_of_the_schedule(torch, repaint, schedule):
    asked = []

    def network(x, t):
        assert (t == t[0]).all()
        asked.append(int(t[0]))
        return torch.zeros_like(x)

    repaint.generate(network, repaint.Sampler(LINEAR, schedule), (2, 1, 2, 2), 0)
    grid = levels(schedule, 1000)
    assert asked == [grid[now] - 1 for now, then in schedule.moves() if then < now]


def test_a_hook_counts_what_the_formula_says(torch, repaint):
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    for schedule in (respaced(9), respaced(10, 3, 4), truncated(7, 10, 2, 2), respaced(3, 5, 5)):
        with repaint.counted(network) as count:
            repaint.generate(lambda x, t: network(x), repaint.Sampler(LINEAR, schedule, limit=1.0), (2, 1, 4, 4), 0)
        assert (count.evaluations, count.images) == (schedule.evaluations, 2 * schedule.evaluations)
    network(torch.zeros(1, 1, 4, 4))  # No longer counted.
    assert count.evaluations == schedule.evaluations


def test_known_pixels_have_the_noise_of_their_level(torch, repaint):
    """Also after a jump: mean √ᾱ times the image, variance 1 − ᾱ."""
    schedule, value, count = respaced(10, 3, 2), 0.5, 20_000
    seen = []

    def network(x, t):
        seen.append((int(t[0]), float(x[:, 0, 0, 0].mean()), float(x[:, 0, 0, 0].var())))
        return x

    drawn(torch, repaint, network, repaint.Sampler(LINEAR, schedule), count, known=(0,), values=value)
    assert len(seen) == schedule.evaluations
    for t, mean, variance in seen[1:]:  # At first there is nothing but noise.
        left = LINEAR[t + 1]
        assert mean == pytest.approx(np.sqrt(left) * value, abs=5 * np.sqrt((1 - left) / count))
        assert variance == pytest.approx(1 - left, rel=5 * np.sqrt(2 / count))


def test_noise_again_is_noise_of_the_higher_level(torch, repaint):
    """From level 200 to 500 at once, of pixels of which each has the same image."""
    low, high, count = LINEAR[200], LINEAR[500], 200_000
    draw = torch.Generator().manual_seed(1)
    x = np.sqrt(low) * 0.7 + np.sqrt(1 - low) * torch.randn(count, generator=draw)
    again = repaint.renoised(x, high / low, torch.randn(count, generator=draw))
    assert float(again.mean()) == pytest.approx(np.sqrt(high) * 0.7, abs=5 / np.sqrt(count))
    assert float(again.var()) == pytest.approx(1 - high, rel=5 * np.sqrt(2 / count))


# --- What is known in closed form ---------------------------------------------------------------------------


def exact(schedule, eta, known=(), values=0.0):
    """Mean and covariance of what RePaint makes with that network, step by step: all of it is linear."""
    grid, identity = levels(schedule, 1000), np.eye(4)
    mean, spread = np.zeros(4), np.eye(4)
    unknown = np.diag([float(pixel not in known) for pixel in range(4)])
    for now, then in schedule.moves():
        left, left_then = LINEAR[grid[now]], LINEAR[grid[then]]
        if then > now:
            share = left_then / left
            mean, spread = np.sqrt(share) * mean, share * spread + (1 - share) * identity
            continue
        noise = np.sqrt(1 - left) * np.linalg.inv(left * SPREAD + (1 - left) * identity)
        image = (identity - np.sqrt(1 - left) * noise) / np.sqrt(left)
        added = eta**2 * (1 - left_then) / (1 - left) * (1 - left / left_then)
        step = unknown @ (np.sqrt(left_then) * image + np.sqrt(max(1 - left_then - added, 0)) * noise)
        # What the network says of MEAN itself is that there is no noise in it.
        mean = step @ (mean - np.sqrt(left) * MEAN) + unknown @ (np.sqrt(left_then) * MEAN)
        mean = mean + (identity - unknown) @ np.full(4, np.sqrt(left_then) * values)
        spread = step @ spread @ step.T + added * unknown + (1 - left_then) * (identity - unknown)
    return mean, spread


@pytest.mark.parametrize("known", [(), (0,), (1, 2)])
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("schedule", [respaced(100), respaced(12, 4, 3), truncated(6, 20), truncated(6, 20, 2, 4)])
def test_what_is_made_is_distributed_as_it_should_be(torch, repaint, perfect, schedule, eta, known):
    """Mean and covariance, with jumps, truncated, holes or none, against what follows by linear algebra."""
    count = 20_000
    mean, spread = exact(schedule, eta, known, 0.7)
    made = drawn(torch, repaint, perfect, repaint.Sampler(LINEAR, schedule, eta, None), count, known, 0.7)
    np.testing.assert_allclose(made.mean(axis=0), mean, atol=5 * np.sqrt(spread.max() / count))
    np.testing.assert_allclose(np.cov(made.T), spread, atol=5 * np.sqrt(2 / count) * spread.max())


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_with_a_perfect_network_and_many_steps_images_are_those_that_it_knows(eta):
    off = [exact(respaced(steps), eta) for steps in (10, 100, 1000)]
    assert max(abs(mean - MEAN).max() for mean, _ in off) < 0.01
    few, many, most = (abs(spread - SPREAD).max() for _, spread in off)
    assert few > many > most
    assert most < 0.005


def test_resampling_makes_what_is_filled_in_agree_with_what_is_known():
    """The second pixel goes with the first: given it, mean and variance are known. RePaint, Section 4.2."""
    mean = MEAN[1] + SPREAD[1, 0] / SPREAD[0, 0] * (0.9 - MEAN[0])
    off = [abs(exact(respaced(250, 10, r), 1.0, (0,), 0.9)[0][1] - mean) for r in (1, 3, 10, 40)]
    assert (np.diff(off) < 0).all()
    assert off[-1] < off[0] / 4


def test_what_was_truncated_remembers_noise():
    """What enters lower down is taken for a picture, and stays: the lower, the more of it."""
    left = [np.trace(exact(truncated(steps, 250), 1.0)[1]) for steps in (250, 50, 25, 5)]
    assert (np.diff(left) > 0).all()
    assert left[-1] > 3 * left[0]


def test_what_is_expected_outside_the_limits_is_clipped(torch, repaint):
    def network(x, t):
        return torch.full_like(x, -1000.0)

    made = repaint.generate(network, repaint.Sampler(LINEAR, respaced(20)), (4, 1, 2, 2), 0)
    assert (made == 1).all()
    free = repaint.Sampler(LINEAR, respaced(20), limit=None)
    clean, known = torch.zeros(4, 1, 2, 2), torch.zeros(4, 1, 2, 2, dtype=torch.bool)
    assert repaint.sample(network, free, clean, known, torch.Generator()).min() > 100


# --- Other people's samplers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some_network(torch):
    """Of random weights; what it predicts is not clipped, then or now."""
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(4, 1, 3, padding=1)
    network = torch.nn.Sequential(*layers).requires_grad_(False)
    return lambda x, t: network(x * (1 + t[:, None, None, None] / 1000))


@pytest.mark.heavy("torch", "diffusers")
@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0])
def test_repaint_is_diffusers_where_that_is_right(torch, repaint, some_network, eta):
    """With as many steps as in training, and jumps of one: longer ones draw another noise for each level."""
    from diffusers import RePaintScheduler

    schedule, T = respaced(40, 1, 3), 40
    alpha_bar = linear(T, 1e-4, 0.2)
    theirs = RePaintScheduler(T, 1e-4, 0.2, eta=eta, clip_sample=False)
    theirs.set_timesteps(T, 1, 3)
    draw = torch.Generator().manual_seed(5)
    clean = torch.rand(2, 1, 8, 8, generator=draw) * 2 - 1
    mask = torch.rand(2, 1, 8, 8, generator=draw) < 0.5
    draw = torch.Generator().manual_seed(6)
    x, last = torch.randn(clean.shape, generator=draw), T
    for t in theirs.timesteps.tolist():
        if t < last:
            predicted = some_network(x, torch.full((2,), t))
            x = theirs.step(predicted, t, x, clean, mask.float(), draw).prev_sample
        else:
            x = theirs.undo_step(x, last, draw)
        last = t
    sampler = repaint.Sampler(alpha_bar, schedule, eta, None)
    ours = repaint.sample(some_network, sampler, clean, mask, torch.Generator().manual_seed(6))
    # They draw none at the last step, but from DDIM's point of view that noise counts for nothing.
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-5)


@pytest.mark.heavy("torch", "diffusers")
@pytest.mark.parametrize(("T", "jump", "resamplings"), [(250, 10, 10), (50, 7, 3), (5, 10, 2), (20, 20, 2)])
def test_jumps_are_diffusers(T, jump, resamplings):
    from diffusers import RePaintScheduler

    theirs = RePaintScheduler(T)
    theirs.set_timesteps(T, jump, resamplings)
    last, asked = T, []
    for t in theirs.timesteps.tolist():
        asked += [t] if t < last else []
        last = t
    schedule = respaced(T, jump, resamplings)
    assert asked == [now - 1 for now, then in schedule.moves() if then < now]
    assert len(asked) == schedule.evaluations


@pytest.mark.heavy("torch", "diffusers")
@pytest.mark.parametrize("steps", [1000, 50])
def test_generating_is_ddpms_and_ddims_of_diffusers(torch, repaint, some_network, steps):
    """Also where what is expected is clipped, and with fewer steps, where the last level is one of them."""
    from diffusers import DDIMScheduler

    for eta in (0.0, 1.0):
        theirs = DDIMScheduler(1000, timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        draw = torch.Generator().manual_seed(6)
        x = torch.randn(2, 1, 8, 8, generator=draw)
        for t in theirs.timesteps:
            predicted = some_network(x, t.expand(2))
            noise = torch.randn(x.shape, generator=draw)
            x = theirs.step(predicted, t, x, eta, use_clipped_model_output=True, variance_noise=noise).prev_sample
        sampler = repaint.Sampler(LINEAR, respaced(steps), eta)
        ours = repaint.generate(some_network, sampler, (2, 1, 8, 8), 6)
        np.testing.assert_allclose(ours, ((x + 1) / 2).clamp(0, 1).numpy(), rtol=1e-3, atol=1e-4)


# --- What is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eta": 1.5}, r"eta 1\.5: must be from 0 to 1"),
        ({"alpha_bar": LINEAR[::-1]}, "alpha_bar: must fall from 1"),
        ({"alpha_bar": np.append(LINEAR, 0.0)}, "and stay above 0"),
        ({"schedule": respaced(1001)}, "1001 steps: the model was trained with 1000"),
    ],
)
def test_a_sampler_that_cannot_be_right_is_refused(repaint, perfect, change, message):
    sampler = repaint.Sampler(LINEAR, respaced(5))._replace(**change)
    with pytest.raises(InputError, match=message):
        repaint.generate(perfect, sampler, (1, 1, 2, 2), 0)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((2, 2), 0.5), "mask: must be 1 where pixels are known, 0 where they are not"),
        (np.ones((3, 3)), r"mask: of shape \[3, 3\], which does not fit images of \[1, 1, 2, 2\]"),
    ],
)
def test_a_mask_that_cannot_be_right_is_refused(repaint, perfect, mask, message):
    with pytest.raises(InputError, match=message):
        repaint.inpaint(perfect, repaint.Sampler(LINEAR, respaced(5)), np.zeros((1, 1, 2, 2)), mask, 0)
