"""Detection by noise level and scale: scores at their places, and a page from end to end."""

import numpy as np
import pytest

from experiments.beyond import detection_scales
from experiments.beyond.detection_scales import DetectionScalesConfig
from experiments.ood.kept import Source
from experiments.ood.scales import at_level, at_share
from experiments.report.experiment import run
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow
from glowjax import InputError, ood


def test_scores_are_moved_to_a_level_and_a_scale():
    trace = np.array([[1.0, 5.0], [2.0, 4.0]])
    stats = ood.Statistics({"laplacian.trace": trace, "curvature.lowest": -trace, "curvature.highest": trace})
    np.testing.assert_array_equal(at_level("laplacian", 1).fit(stats.as_reference())(stats), -trace[:, 1])
    assert at_level("density-of-curvatures", 1).statistics[0] == "laplacian.trace[1]"
    assert (at_share("dimension", 0.1).share, at_share("two-thresholds", 0.1).dimension.share) == (0.1, 0.1)


def test_the_page_has_every_score_at_every_level(trained_run, folder, tmp_path):
    config = DetectionScalesConfig(
        run_dir=trained_run(),
        out_dists=("others",),
        references=(),
        num_images=20,
        noise_levels=(0.0, 8.0),
        shares=(0.25, 0.5),
        minutes=None,
        data_dir=folder,
        output_dir=tmp_path,
    )
    numbers = run(detection_scales.main, config).numbers
    by_level, by_share = numbers["by_noise_level"]["others:test"], numbers["by_share"]["others:test"]
    assert set(by_level) == set(detection_scales.BY_LEVEL)
    assert set(by_share) == {*detection_scales.BY_SCALE, detection_scales.HULL}
    assert all(len(aurocs) == 2 for aurocs in (*by_level.values(), *by_share.values()))
    assert min(by_share[detection_scales.HULL]) >= 0.5
    test, (others,) = image_sets(load_flow(config.run_dir), ("others",), config)
    options = ood.Options(noise_levels=(0.0, 8.0))
    source = Source(load_flow(config.run_dir), options, 0, tmp_path)
    norms = [source.computed(one, ["gradient"])["gradient"][:, 1] for one in (test, others)]
    expected = ood.detection_metrics(*norms, groups_out=others.groups).auroc.as_dict()
    assert by_level["gradient"][1] == pytest.approx(expected)
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 2


@pytest.mark.parametrize("wrong", [{"noise_levels": (-1.0,)}, {"shares": (1.0,)}])
def test_levels_and_shares_are_checked(wrong, trained_run):
    with pytest.raises(InputError, match=next(iter(wrong))):
        detection_scales.main(DetectionScalesConfig(run_dir=trained_run(), **wrong))
