"""The benchmark of statistics from end to end, on a few images."""

import pytest

from benchmarks import scores

pytestmark = pytest.mark.release


def test_every_part_is_measured(tmp_path):
    config = scores.BenchmarkConfig(
        run="pretrained:fashion-mnist-small",
        num_images=20,
        budget=0,
        names=("log_prob", "png", "vae"),
        repeats=1,
        output=tmp_path / "scores.json",
    )
    results = scores.main(config)
    assert results["forward"][0]["way"] == scores.LIKELIHOODS
    assert [(row["way"], row["images"]) for row in results["families"]] == [("log_prob", 20), ("png", 20)]
    assert all(row["ratio_wall"] > 0 for row in results["forward"] + results["families"])
