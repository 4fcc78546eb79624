"""Measures of quality: values by hand, what they leave alone, and functions of a reader's own."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from genedge.calibrate.quality import measure
from genedge.errors import InputError
from genedge.registry import named

SHAPE = (3, 2, 16, 16)


@pytest.fixture
def pictures():
    """Images, others near them, and a mask whose hole lies differently in each."""
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, SHAPE).astype(np.float32)
    other = (images + rng.normal(0, 0.1, SHAPE)).clip(0, 1).astype(np.float32)
    mask = np.ones((3, 1, 16, 16), np.float32)
    for i in range(3):
        mask[i, :, 4 + i : 10, 3:9] = 0
    return images, other, mask


@pytest.mark.parametrize("name", named("measure"))
def test_each_gives_a_number_for_each_image_alone(name, pictures):
    images, other, mask = pictures
    costs = measure(name).cost(*pictures)
    assert costs.shape == (3,)
    assert np.isfinite(costs).all()
    for i in range(3):
        alone = measure(name).cost(images[i : i + 1], other[i : i + 1], mask[i : i + 1])
        np.testing.assert_allclose(alone, costs[i : i + 1], rtol=1e-12)


@pytest.mark.parametrize("name", named("measure"))
def test_each_says_what_it_is(name):
    found = measure(name)
    assert (found.name, found.better) == (name, "higher" if name in ("psnr", "ssim") else "lower")
    assert found.unit == ("dB" if name == "psnr" else "")
    assert (found.against == "nothing") == (name in ("tv-l2", "tv-sum"))
    assert (found.against == "own") == (name == "distance")


@pytest.mark.parametrize(("name", "best"), [("distance", 0), ("psnr", -np.inf), ("ssim", -1), ("tv-off", 0)])
def test_of_the_same_each_has_its_best(name, best, pictures):
    images, _, mask = pictures
    np.testing.assert_allclose(measure(name).cost(images, images, mask), best)


@pytest.mark.parametrize("name", [name for name in named("measure") if not name.startswith("tv-")])
def test_noise_makes_each_worse_and_what_is_far_from_the_hole_does_not(name, pictures):
    images, other, mask = pictures
    far = other.copy()
    far[:, :, :, 14:] = 0  # No bell of the hole's reaches so far.
    costs = measure(name).cost(images, other, mask)
    np.testing.assert_array_equal(measure(name).cost(images, far, mask), costs)
    worse = (other + np.random.default_rng(2).normal(0, 0.2, SHAPE)).clip(0, 1)
    assert (measure(name).cost(images, worse, mask) > costs).all()


def test_distance_and_psnr_by_hand():
    """Half the hole is off by 0.2, the other half is right."""
    truth = np.full((1, 1, 2, 4), 0.5)
    image = truth.copy()
    image[..., 0] += 0.2
    image[..., 3] = 0.9  # Known, so not looked at.
    mask = np.array([0, 0, 1, 1.0])
    assert measure("distance").cost(image, truth, mask)[0] == pytest.approx(0.2 / np.sqrt(2))
    assert -measure("psnr").cost(image, truth, mask)[0] == pytest.approx(10 * np.log10(1 / 0.02))


def test_total_variation_by_hand():
    """Down: 0.5 twice in the first column, right: 0.3 once."""
    image = np.array([[[[0.0, 0.0], [0.5, 0.8]]]])
    hole = np.zeros((1, 1, 2, 2))
    assert measure("tv-sum").cost(image, image, hole)[0] == pytest.approx(0.5 + 0.8 + 0.3)
    l2 = np.sqrt(0.5**2 + 0.8**2 + 0.3**2)
    assert measure("tv-l2").cost(image, image, hole)[0] == pytest.approx(l2)
    assert measure("tv-off").cost(image, np.full_like(image, 0.4), hole)[0] == pytest.approx(l2)
    twice = np.concatenate([image, image], axis=1)  # Channels are added up.
    assert measure("tv-sum").cost(twice, twice, hole)[0] == pytest.approx(3.2)
    assert measure("tv-l2").cost(twice, twice, hole)[0] == pytest.approx(np.sqrt(2) * l2)


def test_blur_has_less_total_variation_and_is_no_better(pictures):
    """Why total variation alone misleads: it prefers what is blurred, and blank most of all."""
    _, truth, mask = pictures
    blurred = gaussian_filter(truth, 1.0, axes=(2, 3))
    blank = np.full_like(truth, 0.5)
    by_tv = [measure("tv-l2").cost(image, truth, mask) for image in (blank, blurred, truth)]
    assert (by_tv[0] == 0).all()
    assert (by_tv[1] < by_tv[2]).all()
    for name in ("psnr", "ssim", "tv-off"):
        assert (measure(name).cost(truth, truth, mask) < measure(name).cost(blurred, truth, mask)).all()


@pytest.mark.heavy("skimage")
def test_psnr_and_ssim_are_scikit_images(pictures):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    images, other, mask = (np.asarray(each, np.float64) for each in pictures)
    hole = np.broadcast_to(mask, SHAPE) == 0
    for i in range(3):
        _, there = structural_similarity(
            *(images[i], other[i]),
            **{"channel_axis": 0, "data_range": 1.0, "gaussian_weights": True, "sigma": 1.5},
            **{"use_sample_covariance": False, "full": True},
        )
        ours = -measure("ssim").cost(images, other, mask)[i]
        assert ours == pytest.approx(there[hole[i]].mean(), rel=1e-9)
        psnr = peak_signal_noise_ratio(images[i][hole[i]], other[i][hole[i]], data_range=1.0)
        assert -measure("psnr").cost(images, other, mask)[i] == pytest.approx(psnr, rel=1e-9)


# --- What is wrong ------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_told(pictures):
    images, other, mask = pictures
    with pytest.raises(InputError, match=r"ssim: images of \[3, 2, 16, 16\] cannot be compared with such of \[2, "):
        measure("ssim").cost(images, other[:2], mask)
    with pytest.raises(InputError, match="psnr: the mask has no hole"):
        measure("psnr").cost(images, other, np.ones_like(mask))
    with pytest.raises(InputError, match=r"measure 'pnsr': .*did you mean psnr\?; there are distance, .*FILE\.py"):
        measure("pnsr")


# --- Functions of a reader's own ----------------------------------------------------------------------------


def own(tmp_path, body):
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\ndef blur(images, truth, mask):\n    {body}\n")
    return f"{tmp_path}/mine.py:blur"


def test_a_function_of_ones_own(tmp_path, pictures):
    images, other, mask = pictures
    name = own(tmp_path, "return np.abs(images - truth).mean(axis=(1, 2, 3), where=mask == 0)")
    found = measure(name)
    assert (found.name, found.unit, found.better, found.against) == (name, "", "lower", "truth")
    hole = np.broadcast_to(mask, SHAPE) == 0
    expected = [np.abs(images[i] - other[i])[hole[i]].mean() for i in range(3)]
    np.testing.assert_allclose(found.cost(images, other, mask), expected, rtol=1e-5)


def test_a_function_of_ones_own_that_is_better_when_higher(tmp_path, pictures):
    name = own(tmp_path, "return 1.0 + np.arange(len(images))\n\nblur.better, blur.unit = 'higher', 'points'")
    assert (measure(name).better, measure(name).unit) == ("higher", "points")
    np.testing.assert_array_equal(measure(name).cost(*pictures), [-1, -2, -3])


@pytest.mark.parametrize("against", ["own", "truth", "nothing"])
def test_a_function_of_ones_own_says_what_it_compares_with(tmp_path, against):
    assert measure(own(tmp_path, f"return images\n\nblur.against = '{against}'")).against == against


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return images.mean()", "must return a number for each of 3 images, not array"),
        ("return [1.0, float('nan'), 2.0]", "must return a number for each of 3 images"),
        ("raise KeyError('no weights')", "mine.py line 4: blur fails: KeyError"),
        ("return images\n\nblur.better = 'more'", "its attribute `better` is 'more'"),
        ("return images\n\nblur.against = 'much'", "its attribute `against` is 'much'; it must be one of own"),
        ("return images\n\nblur = 3", "is no function"),
    ],
)
def test_what_is_wrong_with_ones_own_is_told(tmp_path, pictures, body, message):
    with pytest.raises(InputError, match=message):
        measure(own(tmp_path, body)).cost(*pictures)
