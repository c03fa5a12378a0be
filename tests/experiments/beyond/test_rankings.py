"""The least and the most likely images."""

import numpy as np
import pytest

from experiments.beyond.rankings import RankingsConfig, main
from experiments.report.scoring import image_sets, score
from experiments.report.trained import load


def test_images_are_in_the_order_of_their_likelihood(trained_run, folder):
    options = {"out_dists": ("others",), "num_images": 50, "num_shown": 5, "data_dir": folder}
    config = RankingsConfig(run_dir=trained_run(), **options)
    result = main(config)
    numbers = result.numbers
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test"]
    assert numbers["ramps:train"]["more_likely_than_median"]["value"] == 0.5
    trained = load(trained_run())
    _, (others,) = image_sets(trained, ("others",), config)
    bits = score(trained, others, 1, 0).bits_per_dim
    fewer = np.mean(bits < numbers["ramps:train"]["quantiles"]["0.5"])
    assert numbers["others:test"]["more_likely_than_median"]["value"] == pytest.approx(fewer)
    assert fewer != 0.5
    (figure,) = result.sections[-1].figures
    assert figure.name == "ranked-others-test"
    least, most = figure.data["least likely of others test"], figure.data["most likely of others test"]
    np.testing.assert_array_equal(least["bits_per_dim"], np.sort(bits)[::-1][:5])
    np.testing.assert_array_equal(most["bits_per_dim"], bits[most["places"]])
    assert list(most["places"]) == numbers["others:test"]["most_likely"]
    assert len(set(least["places"])) == 5
