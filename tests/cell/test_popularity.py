import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import zipf as reference_zipf

from genedge.cell.popularity import zipf


def test_eq_1_by_hand():
    np.testing.assert_allclose(zipf(np.array(1.0), 3), [6 / 11, 3 / 11, 2 / 11], rtol=1e-6)


def test_without_skew_all_models_are_equally_popular():
    np.testing.assert_allclose(zipf(np.array(0.0), 8), np.full(8, 1 / 8), rtol=1e-6)


@given(skew=st.floats(0, 5), models=st.just(10) | st.just(1))
def test_eq_1_against_the_reference(skew, models):
    with jax.enable_x64(True):
        popularity = np.asarray(zipf(np.array(skew), models))
    np.testing.assert_allclose(popularity, reference_zipf(skew, models), rtol=1e-12)
    assert popularity.sum() == pytest.approx(1, abs=1e-12)
    assert (np.diff(popularity) <= 0).all()


def test_a_batch_of_skews():
    skews = np.array([[0.4, 0.8], [1.2, 2.0]])
    popularity = zipf(skews, 5)
    assert popularity.shape == (2, 2, 5)
    np.testing.assert_allclose(popularity[1, 0], reference_zipf(1.2, 5), rtol=1e-5)
