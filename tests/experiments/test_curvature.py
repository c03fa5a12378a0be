"""The curvature experiments from end to end on a tiny run."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import contrast, curvature, moments, spectrum, train
from experiments.contrast import ContrastConfig
from experiments.curvature import CurvatureConfig
from experiments.explained import _class_centers
from experiments.moments import MomentsConfig
from experiments.presets import TrainConfig, TrainingConfig
from experiments.report.trained import load_flow
from experiments.scoring import image_sets
from experiments.spectrum import SpectrumConfig
from glowjax.checks import InputError
from glowjax.likelihood import dequantize
from glowjax.models import GlowConfig

TINY = TrainConfig(
    in_dist="ramps",
    watch=("noise",),
    model=GlowConfig(num_scales=1, num_steps=1, width=4),
    training=TrainingConfig(num_steps=6, batch_size=16, warmup_steps=2, evaluate_every=3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with two labelled classes of ramps, and images cut from photos, two a photo."""
    data = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 4)[:, None, None] * rng.uniform(50, 250, (200, 1, 1, 1)) * np.ones((1, 4, 4, 1))
    np.savez(data / "ramps_train.npz", image=ramps.astype(np.uint8), label=np.arange(200) % 2)
    np.savez(data / "ramps_test.npz", image=ramps[:60].astype(np.uint8), label=np.arange(60) % 2)
    others = np.clip(ramps[:40] / 8 + 100 + rng.normal(0, 5, (40, 4, 4, 1)), 0, 255)
    np.savez(data / "others_test.npz", image=others.astype(np.uint8), source_image=np.arange(40) // 2)
    return data


@pytest.fixture(scope="module", params=["nvp", "cv"])
def trained(request, folder, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / request.param
    model = dataclasses.replace(TINY.model, kind=request.param, memory="invert")  # analysed in another mode
    train.main(dataclasses.replace(TINY, model=model, data_dir=folder, output_dir=run_dir))
    return run_dir


def test_every_explanation_stands_beside_the_measured_gap(trained, folder):
    config = CurvatureConfig(trained, ("others",), num_paths=16, num_nodes=8, data_dir=folder)
    (numbers,) = curvature.main(config).values()
    exact = numbers["location_spread"]
    parts = exact["location"]["mean"] + exact["spread_out"]["value"]["mean"] - exact["spread_in"]["value"]["mean"]
    assert exact["gap"]["mean"] == pytest.approx(parts, abs=1e-2)
    assert set(numbers["expansions"]) == {"midpoint", "in_dist", "classes"}
    for expansion in numbers["expansions"].values():
        explained = expansion["predicted"]["mean"] + expansion["remainder"]["total"]["mean"]
        assert expansion["gap"]["mean"] == pytest.approx(explained, rel=1e-3, abs=0.05)
        if expansion["terms"]:
            assert expansion["terms"]["total"]["mean"] == pytest.approx(
                expansion["predicted"]["mean"], rel=1e-3, abs=0.05
            )
    forms = {"published", "diagonal", "linear", "jacobian"}
    assert set(numbers["closed_forms"]) == (forms if trained.name == "cv" else set())
    output = trained / "curvature"
    assert json.loads((output / "results.json").read_text())
    assert (output / "report.html").read_text().count("data:image/png;base64,") == 4


@pytest.fixture(scope="module")
def explained(trained, folder):
    """The model, the two sets, all of whose images are looked at, and every number about them."""
    run = load_flow(trained)
    config = CurvatureConfig(trained, ("others",), num_paths=60, num_nodes=4, data_dir=folder)
    (numbers,) = curvature.main(config).values()
    return run, image_sets(run, ("others",), folder, config.num_images, config.seed), numbers


def test_each_centre_is_the_one_that_it_is_called(explained):
    """By the mean curvature, which cancels midway between the means."""
    run, _, numbers = explained
    expansions = numbers["expansions"]
    around_midpoint, around_mean = (abs(e["terms"]["mean_curvature"]["mean"]) for e in list(expansions.values())[:2])
    assert around_midpoint < 0.05 * around_mean
    # Around the training mean that set's own prediction is of its covariance alone, as the closed form's is.
    if run.architecture.kind == "cv":
        covariance = expansions["in_dist"]["terms"]["covariance"]["mean"]
        assert numbers["closed_forms"]["jacobian"]["mean"] == pytest.approx(covariance, rel=1e-2)


def test_the_papers_version_leaves_the_means_out(explained):
    published = explained[2]["published"]
    assert published["first_order"]["mean"] == published["mean_curvature"]["mean"] == 0
    assert published["total"]["mean"] == published["covariance"]["mean"] != 0


def test_the_gap_is_of_the_other_set_less_the_training_set(explained):
    run, (own, other), numbers = explained
    key = jax.random.split(jax.random.key(0))
    own, other = (dequantize(k, one.images) for k, one in zip(key, (own, other), strict=True))
    gap = run.model.log_prob(run.params, other).mean() - run.model.log_prob(run.params, own).mean()
    assert abs(gap) > 1
    assert numbers["location_spread"]["gap"]["mean"] == pytest.approx(float(gap), abs=1e-2)
    assert numbers["expansions"]["midpoint"]["gap"]["mean"] == pytest.approx(float(gap), abs=1e-2)


def test_class_centres_are_the_means_of_classes_and_the_nearest_of_these():
    points = jnp.asarray([0.0, 2.0, 10.0, 14.0]).reshape(4, 1, 1, 1)
    own, nearest = _class_centers(
        points, np.array([7, 7, 3, 3]), points[:3], jnp.asarray([5.0, 8.0]).reshape(2, 1, 1, 1)
    )
    assert own.ravel().tolist() == [1, 1, 12]
    assert nearest.ravel().tolist() == [1, 12]


def test_full_contrast_is_the_images_themselves(trained, folder):
    every = contrast.main(ContrastConfig(trained, ("others",), factors=(1.0, 0.5, 0.0), data_dir=folder))
    rows = every["mean"]
    assert rows["ramps:test"][0] == every["black"]["ramps:test"][0] == every["grey"]["ramps:test"][0]
    assert len({curves["ramps:test"][2]["mean"] for curves in every.values()}) == 3
    numbers = curvature.main(CurvatureConfig(trained, ("others",), num_paths=8, num_nodes=2, data_dir=folder))
    gap = numbers["others:test"]["location_spread"]["gap"]["mean"]
    # Other dequantisation draws: within a few nats.
    assert rows["others:test"][0]["mean"] - rows["ramps:test"][0]["mean"] == pytest.approx(gap, abs=3)
    assert (trained / "contrast" / "contrast.png").stat().st_size > 1000


def test_the_extreme_eigenvalues_bound_the_mean_one(trained, folder):
    results = spectrum.main(SpectrumConfig(trained, ("others",), num_low=3, num_high=2, data_dir=folder))
    values = results["eigenvalues"]
    assert values == sorted(values)
    assert values[0] < results["trace"] / 16 < values[-1]
    assert len(results["variance along, others test"]) == 5
    assert (trained / "spectrum" / "spectrum.png").stat().st_size > 1000


def test_moments_are_numpys_in_units_of_0_to_1(folder, tmp_path):
    results = moments.main(MomentsConfig("ramps:train", "others", data_dir=folder, output_dir=tmp_path))
    images = np.load(folder / "others_test.npz")["image"] / 256
    expected = images.var(axis=0).sum(axis=(0, 1))
    np.testing.assert_allclose(results["others:test"]["summed_variance_by_channel"], expected, rtol=1e-4)
    assert (tmp_path / "moments.png").stat().st_size > 1000
    with pytest.raises(InputError, match="Both sets are called 'others:test'; name two"):
        moments.main(MomentsConfig("others", "others:test", data_dir=folder, output_dir=tmp_path))


def test_an_explanation_needs_a_set_to_explain(trained, folder):
    with pytest.raises(InputError, match="names no data set"):
        curvature.main(CurvatureConfig(trained, ("ramps",), data_dir=folder))
