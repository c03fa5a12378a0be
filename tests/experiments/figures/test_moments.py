"""Moments of pixel values."""

import numpy as np
import pytest

from experiments.figures.moments import MomentsConfig, main, summed_variance
from glowjax.checks import InputError
from glowjax.data import ImageSet


def test_moments_are_numpys_in_units_in_which_white_is_1(folder):
    result = main(MomentsConfig(in_dist="ramps:train", out_dist="others", data_dir=folder))
    images = np.load(folder / "others_test.npz")["image"] / 255
    numbers = result.numbers["others:test"]
    variances = [found["value"] for found in numbers["summed_variance_by_channel"]]
    np.testing.assert_allclose(variances, images.var(axis=0).sum(axis=(0, 1)), rtol=1e-9)
    np.testing.assert_allclose(numbers["mean_by_channel"], images.mean(axis=(0, 1, 2)), rtol=1e-9)
    smaller = np.mean(images.var(axis=0) < (np.load(folder / "ramps_train.npz")["image"] / 255).var(axis=0))
    share = result.numbers["share_at_which_the_second_varies_less"]
    assert share["value"] == pytest.approx(smaller)
    assert 0.5 < share["low"] <= smaller <= share["high"] <= 1
    assert result.summary.startswith(f"others test varies less than ramps train at {smaller:.0%} [")


def test_the_error_of_a_summed_variance_is_that_of_fresh_sets_of_grouped_images():
    rng = np.random.default_rng(0)

    def drawn():
        groups = np.repeat(np.arange(60), 5)
        images = 128 + 20 * rng.standard_normal((60, 6, 6, 1))[groups] + 5 * rng.standard_normal((300, 6, 6, 1))
        one = ImageSet("drawn", np.clip(images, 0, 255).astype(np.uint8), groups=groups)
        return summed_variance(one, one.images.mean(axis=0) / 255)[0]

    found = [drawn() for _ in range(300)]
    truth = np.mean([one.value for one in found])
    covered = np.mean([one.interval[0] < truth < one.interval[1] for one in found])
    assert 0.88 < covered < 0.99  # 0.55 if the groups are ignored


def test_two_sets_of_one_name_are_refused(folder):
    with pytest.raises(InputError, match="Both sets are called 'others:test'; name two different sets"):
        main(MomentsConfig(in_dist="others", out_dist="others:test", data_dir=folder))
