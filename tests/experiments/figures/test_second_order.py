"""The explanations of the gap, on a tiny NVP-Glow and a tiny CV-Glow."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.figures import second_order
from experiments.figures.second_order import SecondOrderConfig, centers_of_paths
from experiments.report.experiment import run
from experiments.report.pairs import Pair, pair_of
from experiments.report.predictions import class_codes, predict
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
    forms = {"published", "diagonal", "linear", "jacobian"}
    assert set(numbers["closed_forms"]) == (forms if trained.title == "CV-Glow" else set())
    assert (output_dir / "report.html").read_text().count("data:image/png;base64,") == 4


def test_predictions_over_all_images_are_those_along_the_paths_if_a_path_leads_to_each(explained):
    _, _, numbers, _ = explained
    over_all, on_paths = numbers["predictions"], numbers["expansions"]
    assert set(over_all["by_center"]) == {"midpoint", "in_dist", "out_dist"}
    for name, one in over_all["by_center"].items():
        terms = sum(one[term]["value"] for term in ("first_order", "mean_curvature", "covariance"))
        assert one["total"]["value"] == pytest.approx(terms, rel=1e-3, abs=0.05)
        if name in on_paths:
            assert one["total"]["value"] == pytest.approx(on_paths[name]["predicted"]["value"], rel=1e-3, abs=0.05)
    classes = on_paths["classes"]["predicted"]["value"]
    assert over_all["class_means"]["value"] == pytest.approx(classes, rel=1e-3, abs=0.05)
    for name, spread in (("in_dist", "spread_in"), ("out_dist", "spread_out")):
        of_paths = numbers["location_spread"][spread]["at_mean"]["value"]
        assert over_all["at_mean"][name]["value"] == pytest.approx(of_paths, rel=1e-3, abs=0.05)


def test_predictions_with_the_hessian_are_those_with_a_product_per_image(explained):
    """With more images than values the Hessian is formed, with fewer it is not."""
    trained, sets, _, _ = explained
    pair = pair_of(trained, *sets, 0)
    few = pair.first(25)
    assert len(few.p) + len(few.q) < few.p[0].size < 2 * len(pair.p)
    many = dataclasses.replace(
        few,
        p=jnp.tile(few.p, (4, 1, 1, 1)),
        q=jnp.tile(few.q, (4, 1, 1, 1)),
        labels=None if few.labels is None else np.tile(few.labels, 4),
        groups={"groups_in": None, "groups_out": None},
    )
    one, other = predict(few), predict(many)
    for a, b in zip(jax.tree.leaves(_values(one)), jax.tree.leaves(_values(other)), strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=0.05)


def _values(predictions):
    found = [one.total.value for one in predictions.by_center.values()]
    single = (predictions.class_means, predictions.published.total, *predictions.at_mean.values())
    return [*found, *(one.value for one in single)]


def test_each_center_is_the_one_that_it_is_called(explained):
    """By the mean curvature, which cancels midway between the means."""
    trained, _, numbers, _ = explained
    midpoint, in_dist, out_dist = (
        one["mean_curvature"]["value"] for one in numbers["predictions"]["by_center"].values()
    )
    assert abs(midpoint) < 0.05 * min(abs(in_dist), abs(out_dist))
    # Around the mean of the test set, its own prediction is of its covariance alone, as the closed form's is.
    if trained.title == "CV-Glow":
        covariance = numbers["predictions"]["by_center"]["in_dist"]["covariance"]["value"]
        assert numbers["closed_forms"]["jacobian"]["value"] == pytest.approx(covariance, rel=1e-2)


def test_the_papers_version_leaves_the_means_out(explained):
    published = explained[2]["predictions"]["published"]
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
    pair = Pair(jnp.sum, points, others, {"groups_in": None, "groups_out": None}, ("own", "other"), labels)
    means, own, nearest = class_codes(pair, labels)
    assert means[own].ravel().tolist() == [1, 1, 12, 12]
    assert means[nearest].ravel().tolist() == [1, 12]
    of_paths = centers_of_paths(pair, pair.first(1))["classes"]
    assert [centers.ravel().tolist() for centers in of_paths] == [[1], [1]]


def test_an_explanation_needs_a_set_to_explain_and_a_density(trained_run, folder):
    with pytest.raises(InputError, match="names no data set"):
        second_order.main(SecondOrderConfig(run_dir=trained_run(), out_dists=("ramps",), data_dir=folder))
    with pytest.raises(InputError, match="probabilities of 8-bit images and no density between them"):
        second_order.main(SecondOrderConfig(run_dir=trained_run("vae"), out_dists=("others",), data_dir=folder))
