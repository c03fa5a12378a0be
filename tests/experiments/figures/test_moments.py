"""Moments of pixel values."""

import numpy as np
import pytest

from experiments.figures.moments import MomentsConfig, main
from glowjax.checks import InputError


def test_moments_are_numpys_in_units_of_0_to_1(folder):
    result = main(MomentsConfig(in_dist="ramps:train", out_dist="others", data_dir=folder))
    images = np.load(folder / "others_test.npz")["image"] / 256
    numbers = result.numbers["others:test"]
    np.testing.assert_allclose(numbers["summed_variance_by_channel"], images.var(axis=0).sum(axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(numbers["mean_by_channel"], images.mean(axis=(0, 1, 2)), rtol=1e-5)
    smaller = np.mean(images.var(axis=0) < (np.load(folder / "ramps_train.npz")["image"] / 256).var(axis=0))
    assert result.summary.startswith(f"others test varies less than ramps train at {smaller:.0%} of the pixel values.")
    assert 0.5 < smaller < 1


def test_two_sets_of_one_name_are_refused(folder):
    with pytest.raises(InputError, match="Both sets are called 'others:test'; name two different sets"):
        main(MomentsConfig(in_dist="others", out_dist="others:test", data_dir=folder))
