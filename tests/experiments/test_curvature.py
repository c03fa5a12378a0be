"""The curvature experiments from end to end on a tiny run."""

import dataclasses
import json

import numpy as np
import pytest

from experiments import contrast, curvature, moments, spectrum, train
from experiments.architectures import GlowConfig
from experiments.contrast import ContrastConfig
from experiments.curvature import CurvatureConfig
from experiments.moments import MomentsConfig
from experiments.presets import TrainConfig, TrainingConfig
from experiments.spectrum import SpectrumConfig
from glowjax.errors import InputError

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
