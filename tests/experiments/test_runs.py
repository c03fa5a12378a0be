"""The experiments from end to end on a tiny set: train, resume, evaluate, report; and what they say of bad input."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import demo, likelihoods, presets, train
from experiments.demo import DemoConfig
from experiments.likelihoods import LikelihoodsConfig
from experiments.presets import PRESETS, GlowConfig, TrainConfig, TrainingConfig
from glowjax.errors import InputError

ROOT = Path(__file__).parents[2]
TINY = TrainConfig(
    in_dist="ramps",
    watch=("noise",),
    model=GlowConfig(num_scales=1, num_steps=1, width=4),
    training=TrainingConfig(num_steps=6, batch_size=16, warmup_steps=2, evaluate_every=3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with a set of ramps, one of other images and one of another shape."""
    data = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 8)[:, None, None] * rng.uniform(50, 250, (200, 1, 1, 1)) * np.ones((1, 8, 8, 1))
    np.savez(data / "ramps_train.npz", image=ramps.astype(np.uint8))
    np.savez(data / "ramps_test.npz", image=ramps[:60].astype(np.uint8))
    photos = np.arange(40) // 2
    np.savez(data / "others_test.npz", image=(ramps[:40] / 8 + 100).astype(np.uint8), source_image=photos)
    np.savez(data / "large_test.npz", image=np.zeros((20, 16, 16, 1), np.uint8))
    return data


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "ramps"
    train.main(dataclasses.replace(TINY, data_dir=folder, output_dir=run_dir))
    return run_dir


def test_likelihoods_reports_every_set_and_writes_the_numbers_behind_each_figure(trained, folder):
    config = LikelihoodsConfig(trained, ("others", "noise", "constant"), num_images=40, data_dir=folder)
    numbers = likelihoods.main(config)
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test", "noise", "constant"]
    output = trained / "likelihoods"
    assert json.loads((output / "results.json").read_text()) == numbers
    for figure in ("log-likelihoods", "decomposition", "training", "samples"):
        assert (output / f"{figure}.png").stat().st_size > 1000
        assert json.loads((output / f"{figure}.json").read_text())
    page = (output / "report.html").read_text()
    assert "40 (20 photos)" in page
    assert page.count("data:image/png;base64,") == 4
    values = json.loads((output / "log-likelihoods.json").read_text())["ramps test"]
    mean = -np.mean(values) / (64 * np.log(2))
    assert numbers["ramps:test"]["bits_per_dim"]["mean"] == pytest.approx(mean, rel=1e-5)
    assert numbers["noise"]["bits_per_dim"]["mean"] > 8
    assert all(row["largest_inversion_error_grey_levels"] < 0.05 for row in numbers.values())


def test_a_set_of_another_shape_is_refused_and_never_resized(trained, folder):
    with pytest.raises(InputError, match=r"16x16x1.*8x8x1.*never resizes"):
        likelihoods.main(LikelihoodsConfig(trained, ("large",), data_dir=folder))


def test_a_run_is_not_resumed_as_another_model(trained, folder):
    other = dataclasses.replace(TINY.model, width=6)
    with pytest.raises(InputError, match=r"holds a run with model = .*another output folder"):
        train.main(dataclasses.replace(TINY, data_dir=folder, output_dir=trained, model=other))


def test_the_demo_leaves_a_report_on_both_models(tmp_path, monkeypatch):
    small = dataclasses.replace(PRESETS["demo"], model=GlowConfig(num_steps=1, width=4))
    monkeypatch.setitem(presets.PRESETS, "demo", small)
    monkeypatch.setattr(train, "NUM_EVALUATED", 20)
    numbers = demo.main(DemoConfig(output_dir=tmp_path, num_steps=3, num_images=20))
    assert set(numbers) == {"nvp", "cv"}
    assert numbers["cv"]["noise"]["log_det_nats"]["sem"] < 1e-3
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 12  # four a model, four on the curvature
    assert "10,000" in page  # the bundled images, whatever folder the environment names


@pytest.mark.parametrize("name", ["train", "likelihoods", "demo", "curvature", "moments", "contrast", "spectrum"])
def test_help_says_what_an_experiment_makes(name):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--output-dir" in done.stdout
    assert "figure" in done.stdout.split("options")[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--in-dist", "fashion_mnits"], "did you mean 'fashion_mnist'"),
        (["--in-dist", "fashion_mnist:train"], "must name a collected set without a split"),
        (["--in-dist", "noise"], "must name a collected set without a split"),
        (["--preset", "smal-28"], "did you mean 'small-28'"),
        (["--model.width", "0"], "width must be a positive whole number, but is 0"),
        (["--training.batch-size", "-1"], "batch_size must be at least 1, but is -1"),
        (["--output-dir", "setup.cfg/below-a-file"], "Cannot write below"),
    ],
)
def test_bad_options_end_in_one_sentence_and_status_2(arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        presets.run(train.main, lambda options: presets.parse_train_config(options, ""))
    assert exit_info.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert sentence in error


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=f"No checkpoint below {tmp_path}"):
        likelihoods.main(LikelihoodsConfig(tmp_path))
