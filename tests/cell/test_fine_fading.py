"""The numbers of fading: as fine near 0 as a float, uniform, and independent of what else the channel reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genedge.cell.distributions import LEAST_POWER, rayleigh_power
from genedge.cell.sampling import draw, fine_uniform


@pytest.mark.parametrize(
    ("high", "low"), [(0, 0), (0, 1), (0, 2**32 - 1), (1, 5), (2**24 + 1, 7), (2**31, 0), (2**32 - 1, 2**32 - 1)]
)
def test_sixty_four_bits_make_the_nearest_float(high, low):
    """Against Python's own integers; never 1, so that no power is infinite."""
    exact = np.float32(min((high * 2**32 + low) / 2**64, 1 - 2.0**-24))
    ours = np.float32(fine_uniform(jnp.uint32(high), jnp.uint32(low)))
    assert ours < 1
    np.testing.assert_allclose(ours, exact, rtol=2.0**-23)


def test_deep_fades_are_as_frequent_as_they_should_be():
    """Of ten million numbers those near 0 are no multiples of 2⁻²⁴, and as many as they should be."""
    u = np.asarray(jax.jit(lambda t: draw(jax.random.key(1), t, 100).fading[:, 0])(jnp.arange(100_000)))
    below = u[u < 2.0**-16]
    # Poisson with mean 152.6.
    assert 110 < below.size < 200
    assert stats.kstest(below * 2.0**16, "uniform").pvalue > 1e-4
    # Numbers of 24 bits would be multiples of 2⁻²⁴: 256 of them are below 2⁻¹⁶.
    assert (below * 2.0**24 % 1 != 0).mean() > 0.9
    assert float(rayleigh_power(jnp.float32(0))) == LEAST_POWER
    assert stats.kstest(u[:, :1000].ravel(), "uniform").pvalue > 1e-4
