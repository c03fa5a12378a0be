"""The spectrum of the Hessian."""

import numpy as np
import pytest

from experiments.beyond.spectrum import SpectrumConfig, main, resampled_means
from glowjax.data import ImageSet


@pytest.mark.parametrize("kind", ["nvp", "cv"])
def test_the_extreme_eigenvalues_bound_the_mean_one(trained_run, folder, kind):
    config = SpectrumConfig(
        run_dir=trained_run(kind), out_dists=("others",), num_low=3, num_high=2, num_resamples=3, data_dir=folder
    )
    result = main(config)
    values = result.numbers["eigenvalues"]
    assert values == sorted(values)
    assert values[0] < result.numbers["trace"] / 64 < values[-1]
    again = result.numbers["at_resampled_means"]
    assert len(again) == 3
    assert len(set(again)) > 1  # means in one linear piece of a CV-Glow share a Hessian
    assert all(low == pytest.approx(values[0], rel=0.5) and low < high for low, high in again)
    (table,) = result.sections[0].tables
    assert [row[0] for row in table.rows] == ["1", "2", "3", "63", "64"]
    assert [float(str(row[3]).replace(",", "")) for row in table.rows] == pytest.approx(
        result.numbers["variance along, others test"], abs=0.06
    )


def test_means_of_resampled_images_are_at_the_middle_of_grey_levels():
    one = ImageSet("two", np.stack([np.zeros((2, 2, 1), np.uint8), np.full((2, 2, 1), 100, np.uint8)]))
    assert resampled_means(one, np.array([[1, 1], [0, 2]]))[:, 0, 0, 0].tolist() == [50.5, 100.5]
