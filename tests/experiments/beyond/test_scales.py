"""log p by scale: the parts sum to the whole."""

import pytest

from experiments.beyond import scales
from experiments.beyond.scales import ScalesConfig
from experiments.report.experiment import run
from glowjax.checks import InputError


def test_the_parts_by_scale_sum_to_the_gap(trained_run, folder, tmp_path):
    config = ScalesConfig(
        run_dir=trained_run(),
        out_dists=("others",),
        references=("noise", "contrast-1"),
        num_images=40,
        data_dir=folder,
        output_dir=tmp_path,
    )
    results = run(scales.main, config).numbers
    assert list(results["gaps"]) == ["others:test", "noise", "contrast-1"]
    assert set(results["gaps"]["contrast-1"]["total"].values()) == {0.0}  # the same images, compared one by one
    for parts in (*results["means"].values(), *results["gaps"].values()):
        assert list(parts) == ["scale 1, prior", "scale 1, volume", "total"]
        assert parts["total"]["value"] == pytest.approx(sum(parts[n]["value"] for n in list(parts)[:2]), abs=1e-2)
    means = results["means"]
    expected = means["noise"]["total"]["value"] - means["ramps:test"]["total"]["value"]
    assert results["gaps"]["noise"]["total"]["value"] == pytest.approx(expected, abs=1e-2)
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 1


def test_there_must_be_a_set_to_compare(trained_run, folder):
    with pytest.raises(InputError, match="names a data set; name one: --out-dists mnist"):
        scales.main(ScalesConfig(run_dir=trained_run(), references=(), data_dir=folder))
