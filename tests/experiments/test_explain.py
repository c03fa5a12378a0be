"""The explanation of one model on one page."""

import numpy as np
import pytest

from experiments import explain
from experiments.explain import ExplainConfig
from experiments.report.experiment import parsed, run
from experiments.report.pairs import pair_of
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow
from glowjax.checks import InputError


@pytest.fixture(scope="module")
def explained(trained_run, folder, tmp_path_factory):
    """The pair, the numbers about it, and the folder of the report."""
    output_dir = tmp_path_factory.mktemp("out")
    config = ExplainConfig(
        run_dir=trained_run(), out_dists=("others",), num_paths=5, num_nodes=4, data_dir=folder, output_dir=output_dir
    )
    (numbers,) = run(explain.main, config).numbers.values()
    trained = load_flow(config.run_dir)
    test, (other,) = image_sets(trained, ("others",), config)
    return pair_of(trained, test, other, 0), numbers, output_dir


def test_one_page_has_the_gap_its_predictions_its_exact_form_and_its_tails(explained):
    pair, numbers, output_dir = explained
    p, q = (np.asarray(pair.log_prob(points)) for points in (pair.p, pair.q))
    gap = q.mean() - p.mean()
    assert numbers["num_images"] == [len(p), len(q)]
    assert numbers["location_spread"]["gap"]["value"] == pytest.approx(gap, abs=1e-2)
    assert numbers["robust_gap"]["mean"]["value"] == pytest.approx(gap, abs=1e-2)
    assert numbers["robust_gap"]["median"]["value"] == pytest.approx(np.median(q) - np.median(p), abs=1e-2)
    assert numbers["more_likely_than_the_test_median"]["value"] == pytest.approx(np.mean(q > np.median(p)))
    larger = np.mean((p[:, None] > q[None]) + (p[:, None] == q[None]) / 2)
    assert numbers["auroc"]["value"] == pytest.approx(larger)
    by_scale = numbers["curvature_by_scale"]
    assert by_scale["gap"]["value"] == pytest.approx(gap, abs=1e-2)
    assert by_scale["predicted_gap"]["value"][-1] == pytest.approx(gap, abs=0.1)  # the whole path
    curve, spread = by_scale["in_dist"]["curve"], by_scale["in_dist"]["spread"]["value"]
    assert curve["value"][0] == pytest.approx(spread, abs=4 * curve["sem"][0])
    assert set(numbers["predictions"]["by_center"]) == {"midpoint", "in_dist", "out_dist"}
    page = (output_dir / "report.html").read_text()
    assert page.count("data:image/png;base64,") == NUM_FIGURES
    furthest = max(range(len(p)), key=lambda n: abs(p[n] - p.mean()))
    assert f"ramps test, image {furthest:,}" in (output_dir / "furthest-others-test.json").read_text()


NUM_FIGURES = 3


def test_the_run_can_be_named_by_run_alone_and_the_ood_set_left_out():
    config = parsed(explain, ["--run", "pretrained:fashion-mnist"])
    assert (str(config.run_dir), config.out_dists) == ("pretrained:fashion-mnist", ())
    assert explain.ood_sets(load_flow(config.run_dir), config) == ("mnist:train",)


def test_a_model_of_other_images_needs_the_name_of_an_ood_set(trained_run, folder):
    with pytest.raises(InputError, match="No OOD set is known for a model of ramps; name one: --out-dists"):
        explain.main(ExplainConfig(run_dir=trained_run(), data_dir=folder))
