"""The explanations of the gap, on a tiny NVP-Glow and a tiny CV-Glow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.figures import second_order
from experiments.figures.second_order import SecondOrderConfig, class_centers
from experiments.report.experiment import run
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow
from glowjax.checks import InputError
from glowjax.likelihood import dequantize


@pytest.fixture(scope="module", params=["nvp", "cv"])
def explained(request, trained_run, folder, tmp_path_factory):
    """The model, the two sets, all of whose images are looked at, every number about them, and the report."""
    source, output_dir = trained_run(request.param), tmp_path_factory.mktemp("out")
    config = SecondOrderConfig(
        run_dir=source, out_dists=("others",), num_paths=60, num_nodes=8, data_dir=folder, output_dir=output_dir
    )
    (numbers,) = run(second_order.main, config).numbers.values()
    trained = load_flow(source)
    test, (other,) = image_sets(trained, ("others",), config)
    return trained, (test, other), numbers, output_dir


def test_every_explanation_is_beside_the_measured_gap(explained):
    trained, _, numbers, output_dir = explained
    exact = numbers["location_spread"]
    parts = exact["location"]["value"] + exact["spread_out"]["value"]["value"] - exact["spread_in"]["value"]["value"]
    assert exact["gap"]["value"] == pytest.approx(parts, abs=1e-2)
    assert set(numbers["expansions"]) == {"midpoint", "in_dist", "classes"}
    for expansion in numbers["expansions"].values():
        sum_of_both = expansion["predicted"]["value"] + expansion["remainder"]["total"]["value"]
        assert expansion["gap"]["value"] == pytest.approx(sum_of_both, rel=1e-3, abs=0.05)
        if expansion["terms"]:
            total = expansion["terms"]["total"]["value"]
            assert total == pytest.approx(expansion["predicted"]["value"], rel=1e-3, abs=0.05)
    forms = {"published", "diagonal", "linear", "jacobian"}
    assert set(numbers["closed_forms"]) == (forms if trained.title == "CV-Glow" else set())
    assert (output_dir / "report.html").read_text().count("data:image/png;base64,") == 4


def test_each_center_is_the_one_that_it_is_called(explained):
    """By the mean curvature, which cancels midway between the means."""
    trained, _, numbers, _ = explained
    expansions = numbers["expansions"]
    around_midpoint, around_mean = (abs(e["terms"]["mean_curvature"]["value"]) for e in list(expansions.values())[:2])
    assert around_midpoint < 0.05 * around_mean
    # Around the mean of the test set, its own prediction is of its covariance alone, as the closed form's is.
    if trained.title == "CV-Glow":
        covariance = expansions["in_dist"]["terms"]["covariance"]["value"]
        assert numbers["closed_forms"]["jacobian"]["value"] == pytest.approx(covariance, rel=1e-2)


def test_the_papers_version_leaves_the_means_out(explained):
    published = explained[2]["published"]
    assert published["first_order"]["value"] == published["mean_curvature"]["value"] == 0
    assert published["total"]["value"] == published["covariance"]["value"] != 0


def test_the_gap_is_that_of_the_other_set_minus_the_test_set(explained):
    trained, sets, numbers, _ = explained
    keys = jax.random.split(jax.random.key(0))
    own, other = (dequantize(key, one.images) for key, one in zip(keys, sets, strict=True))
    gap = trained.model.log_prob(trained.params, other).mean() - trained.model.log_prob(trained.params, own).mean()
    assert abs(gap) > 1
    assert numbers["location_spread"]["gap"]["value"] == pytest.approx(float(gap), abs=1e-2)
    assert numbers["expansions"]["midpoint"]["gap"]["value"] == pytest.approx(float(gap), abs=1e-2)


def test_class_centers_are_the_means_of_classes_and_the_nearest_of_these():
    points = jnp.asarray([0.0, 2.0, 10.0, 14.0]).reshape(4, 1, 1, 1)
    labels, others = np.array([7, 7, 3, 3]), jnp.asarray([5.0, 8.0]).reshape(2, 1, 1, 1)
    own, nearest = class_centers(points, labels, points[:3], others)
    assert own.ravel().tolist() == [1, 1, 12]
    assert nearest.ravel().tolist() == [1, 12]


def test_an_explanation_needs_a_set_to_explain_and_a_density(trained_run, folder):
    with pytest.raises(InputError, match="names no data set"):
        second_order.main(SecondOrderConfig(run_dir=trained_run(), out_dists=("ramps",), data_dir=folder))
    with pytest.raises(InputError, match="probabilities of 8-bit images and no density between them"):
        second_order.main(SecondOrderConfig(run_dir=trained_run("vae"), out_dists=("others",), data_dir=folder))
