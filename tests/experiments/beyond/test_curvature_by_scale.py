"""Curvature by scale: the predictions end at the measured gap."""

import pytest

from experiments.beyond import curvature_by_scale
from experiments.beyond.curvature_by_scale import CurvatureByScaleConfig
from experiments.report.experiment import run
from glowjax.checks import InputError


def test_predictions_over_the_whole_path_are_what_was_measured(trained_run, folder, tmp_path):
    config = CurvatureByScaleConfig(
        run_dir=trained_run(), out_dists=("others",), num_paths=10, data_dir=folder, output_dir=tmp_path
    )
    numbers = run(curvature_by_scale.main, config).numbers["others:test"]
    found = numbers["curvature_by_scale"]
    assert (numbers["num_images"], numbers["num_paths"]) == ([60, 40], [10, 10])
    assert found["share"][-1] == 1
    assert found["predicted_gap"]["value"][-1] == pytest.approx(found["gap"]["value"], abs=0.1)
    assert found["out_dist"]["size"][-1] == 20  # the photos
    page = (tmp_path / "report.md").read_text()
    assert "| measured |" in page
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 1


def test_there_must_be_a_set_to_compare(trained_run, folder):
    with pytest.raises(InputError, match="name one: --out-dists mnist"):
        curvature_by_scale.main(CurvatureByScaleConfig(run_dir=trained_run(), data_dir=folder))
