"""The experiments from end to end on a tiny set: train, resume, evaluate, report; and what they say of bad input."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import chex
import numpy as np
import pytest
from PIL import Image
from tiny import TINY, write_ramps

import experiments.filter
from experiments import (
    command_line,
    contrast,
    curvature,
    demo,
    likelihoods,
    model_classes,
    own_samples,
    spectrum,
    train,
)
from experiments.demo import DemoConfig
from experiments.filter import FilterConfig
from experiments.likelihoods import LikelihoodsConfig
from experiments.model_classes import ModelClassesConfig
from experiments.presets import PRESETS
from experiments.report.trained import load, name_each
from experiments.scoring import collected, image_sets
from glowjax.checks import InputError
from glowjax.models import GlowConfig, PixelCNNConfig, VAEConfig
from glowjax.train import loop

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with a set of ramps, one of other images and one of another shape."""
    data = tmp_path_factory.mktemp("data")
    write_ramps(data)
    return data


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "ramps"
    train.main(dataclasses.replace(TINY, data_dir=folder, output_dir=run_dir))
    return run_dir


def test_likelihoods_reports_every_set_and_writes_the_numbers_behind_each_figure(trained, folder):
    numbers = likelihoods.main(LikelihoodsConfig(trained, ("others",), num_images=40, data_dir=folder))
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test", "contrast-0.5", "constant", "noise"]
    output = trained / "likelihoods"
    assert json.loads((output / "results.json").read_text()) == numbers
    for figure in ("log-likelihoods", "decomposition", "training", "samples"):
        assert (output / f"{figure}.png").stat().st_size > 1000
        assert json.loads((output / f"{figure}.json").read_text())
    page = (output / "report.html").read_text()
    assert "40 (20 groups)" in page
    assert page.count("data:image/png;base64,") == 4
    values = json.loads((output / "log-likelihoods.json").read_text())["ramps test"]
    mean = -np.mean(values) / (64 * np.log(2))
    assert numbers["ramps:test"]["bits_per_dim"]["mean"] == pytest.approx(mean, rel=1e-5)
    assert numbers["noise"]["bits_per_dim"]["mean"] > 8
    assert all(row["largest_inversion_error_grey_levels"] < 0.05 for row in numbers.values())


def test_a_set_of_another_shape_is_refused_and_never_resized(trained, folder):
    with pytest.raises(InputError, match=r"16x16x1.*8x8x1.*never resizes"):
        likelihoods.main(LikelihoodsConfig(trained, ("large",), data_dir=folder))


def test_two_sets_of_one_name_are_refused_and_one_that_is_named_twice_comes_once(trained, folder, tmp_path):
    elsewhere = tmp_path / "ramps" / "test"
    elsewhere.mkdir(parents=True)
    for n in range(3):
        Image.fromarray(np.full((8, 8), 80 * n, np.uint8)).save(elsewhere / f"{n}.png")
    with pytest.raises(InputError, match="would be called 'ramps:test' in tables and figures, and so would another"):
        likelihoods.main(LikelihoodsConfig(trained, (f"{elsewhere.parent}:test",), data_dir=folder))
    for n in range(2):
        (tmp_path / f"{n}/set").mkdir(parents=True)
        np.savez(tmp_path / f"{n}/set/own.npz", image=np.full((40, 8, 8, 1), n, np.uint8))
    with pytest.raises(InputError, match="would be called 'own:all'"):
        image_sets(load(trained), [f"{tmp_path}/{n}/set/own.npz:all" for n in range(2)], folder, 20, seed=0)
    sets = image_sets(load(trained), ("others", "others:test", "ramps"), folder, 20, seed=0)
    assert [one.name for one in sets] == ["ramps:test", "others:test"]


def test_a_set_of_ones_own_may_be_called_like_a_generated_one(trained, folder, tmp_path):
    own = tmp_path / "rotated-ramps.npz"
    np.savez(own, image=np.load(folder / "others_test.npz")["image"])
    sets = {one.name: None for one in image_sets(load(trained), (f"{own}:all", "rotated-90"), folder, None, seed=0)}
    assert list(collected(sets)) == ["ramps:test", "rotated-ramps:all"]


def test_a_run_is_not_resumed_as_another_model(trained, folder):
    other = dataclasses.replace(TINY.model, width=6)
    with pytest.raises(InputError, match=r"holds a run with model.width = 4, but this one has 6; .*another directory"):
        train.main(dataclasses.replace(TINY, data_dir=folder, output_dir=trained, model=other))


def test_the_demo_leaves_a_report_on_both_models(tmp_path, monkeypatch):
    for kind in ("nvp", "cv"):
        small = dataclasses.replace(PRESETS[kind]["demo"], model=GlowConfig(kind, num_steps=1, width=4))
        monkeypatch.setitem(PRESETS[kind], "demo", small)
    monkeypatch.setattr(train, "NUM_EVALUATED", 20)
    numbers = demo.main(DemoConfig(output_dir=tmp_path, num_steps=3, num_images=20))
    assert set(numbers) == {"nvp", "cv"}
    assert numbers["cv"]["noise"]["log_det_nats"]["sem"] < 1e-3
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 12  # four a model, four on the curvature
    assert "10,000" in page  # the bundled images, whatever folder the environment names


OTHERS = {
    "pixelcnn": PixelCNNConfig(num_layers=1, width=4, head_width=4),
    "vae": VAEConfig(num_latents=2, width=4),
}


@pytest.fixture(scope="module")
def others(folder, tmp_path_factory):
    """Runs of the models that are no flows, by kind."""
    run_dirs = {kind: tmp_path_factory.mktemp("runs") / kind for kind in OTHERS}
    for kind, run_dir in run_dirs.items():
        config = dataclasses.replace(TINY, model=OTHERS[kind], data_dir=folder, output_dir=run_dir)
        assert train.main(config)["num_steps"] == 6
    return run_dirs


@pytest.fixture(params=OTHERS)
def other(request, others):
    """One of those."""
    return others[request.param]


def test_another_model_is_trained_and_evaluated_by_the_same_commands(other, folder):
    config = LikelihoodsConfig(other, ("others",), ("noise",), 40, num_draws=2, data_dir=folder)
    numbers = likelihoods.main(config)
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test", "noise"]
    assert "log_det_nats" not in numbers["noise"]
    page = (other / "likelihoods" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert ("log P(image) is exact" if other.name == "pixelcnn" else "importance-weighted over 2 draws") in page


def test_another_model_resumes_with_the_same_bits(other, folder, tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, model=OTHERS[other.name], data_dir=folder, output_dir=tmp_path)
    evaluate, calls = loop.evaluate, []

    def stopped_once(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(loop, "evaluate", stopped_once)
    with pytest.raises(KeyboardInterrupt):
        train.main(config)
    train.main(config)
    chex.assert_trees_all_equal(load(tmp_path).params, load(other).params)


def test_samples_of_a_model_that_is_no_flow_have_likelihoods_but_no_terms(others, folder):
    config = own_samples.OwnSamplesConfig(others["vae"], ("others",), (), (0.5,), 12, 2, folder)
    results = own_samples.main(config)
    assert list(results) == ["ramps:test", "samples, temperature 0.5", "others:test"]
    assert "as drawn" not in (others["vae"] / "own-samples" / "report.html").read_text()


@pytest.mark.parametrize("experiment", [curvature, contrast, spectrum], ids=["curvature", "contrast", "spectrum"])
def test_input_curvature_of_a_discrete_likelihood_is_refused(other, folder, experiment):
    config = {
        curvature: lambda: curvature.CurvatureConfig(other, ("others",), data_dir=folder),
        contrast: lambda: contrast.ContrastConfig(other, data_dir=folder),
        spectrum: lambda: spectrum.SpectrumConfig(other, "others", data_dir=folder),
    }[experiment]()
    with pytest.raises(InputError, match="probabilities of 8-bit images and no density between them"):
        experiment.main(config)


def test_more_draws_of_the_latents_bring_a_vae_nearer_to_the_likelihood(others, folder, tmp_path):
    def bits(num_draws):
        config = ModelClassesConfig(
            (others["vae"],), ("others",), (), 30, 1, num_draws, folder, tmp_path / str(num_draws)
        )
        return model_classes.main(config)["VAE"]["others:test"]["bits_per_dim"]["mean"]

    assert bits(200) < bits(1)


def test_model_classes_compares_runs_on_the_same_images(trained, others, folder, tmp_path):
    config = ModelClassesConfig((trained, *others.values()), ("others",), ("noise",), 30, 1, 2, folder, tmp_path)
    numbers = model_classes.main(config)
    assert list(numbers) == ["NVP-Glow", "PixelCNN", "VAE"]
    assert numbers["NVP-Glow"]["noise"]["bits_per_dim"]["mean"] > 8
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 1
    assert json.loads((tmp_path / "results.json").read_text()) == numbers


def test_the_filter_asks_a_classifier_and_every_gate(trained, others, folder, tmp_path):
    config = FilterConfig(
        (trained, *others.values()),
        ("others", "noise"),
        angles=(90,),
        num_images=30,
        num_latent_draws=2,
        classifier_steps=25,
        data_dir=folder,
        output_dir=tmp_path,
    )
    results = experiments.filter.main(config)
    assert list(results) == ["ramps:test", "rotated-90", "others:test", "noise"]
    assert results["ramps:test"]["accuracy"]["value"] >= 0.5
    assert results["others:test"]["accuracy"]["value"] == 0
    gates = results["ramps:test"]["gates"]
    assert list(gates) == [
        "classifier, confidence",
        *(f"{kind}, {rule}" for kind in ("NVP-Glow", "PixelCNN", "VAE") for rule in ("likelihood", "typicality")),
    ]
    for values in gates.values():
        assert values["0.99"]["passing"]["value"] >= values["0.95"]["passing"]["value"]
        assert values["0.99"]["passing_and_confidently_wrong"]["value"] <= values["0.99"]["passing"]["value"]
    assert results["noise"]["gates"]["NVP-Glow, typicality"]["0.99"]["passing"]["value"] == 0
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 2
    assert json.loads((tmp_path / "results.json").read_text()) == results


def test_gates_are_set_on_validation_images_alone(trained, folder, tmp_path, monkeypatch):
    asked, answer = [], experiments.filter.answer

    def noted(config, models, classifier, images, has_classes):
        asked.append(images.name)
        return answer(config, models, classifier, images, has_classes)

    set_on, numbers = [], experiments.filter.numbers
    monkeypatch.setattr(experiments.filter, "answer", noted)
    monkeypatch.setattr(experiments.filter, "numbers", lambda *a: set_on.append(a[1]) or numbers(*a))
    config = FilterConfig((trained,), ("others",), (90,), num_images=20, classifier_steps=2, data_dir=folder)
    experiments.filter.main(dataclasses.replace(config, output_dir=tmp_path))
    assert asked == ["ramps:train-validation", "ramps:test", "rotated-90", "others:test"]
    (held_out,) = {id(one): one for one in set_on}.values()
    assert len(held_out.right) < 20  # the validation images are fewer than the test images


def test_a_classifier_wants_labels(trained, folder, tmp_path):
    for split in ("train", "test"):
        np.savez(tmp_path / f"ramps_{split}.npz", image=np.load(folder / f"ramps_{split}.npz")["image"])
    with pytest.raises(InputError, match="'ramps:train-training' has no labels to train a classifier with"):
        experiments.filter.main(FilterConfig((trained,), ("noise",), data_dir=tmp_path, output_dir=tmp_path / "out"))


def test_a_filter_without_a_foreign_set_is_refused_before_anything_is_trained(trained, folder, tmp_path):
    for none_foreign in (("rotated-90",), ("ramps:test",)):
        config = FilterConfig((trained,), none_foreign, angles=(90,), data_dir=folder, output_dir=tmp_path)
        with pytest.raises(InputError, match="the test images, or these turned; name a foreign set too"):
            experiments.filter.main(config)


def test_a_test_set_without_labels_is_refused_and_not_counted_as_wrong(trained, folder, tmp_path):
    for split in ("train", "test"):
        kept = ("image", "label") if split == "train" else ("image",)
        archive = np.load(folder / f"ramps_{split}.npz")
        np.savez(tmp_path / f"ramps_{split}.npz", **{key: archive[key] for key in kept})
    config = FilterConfig((trained,), ("noise",), num_images=20, classifier_steps=2, data_dir=tmp_path)
    with pytest.raises(InputError, match="'ramps:test' has no labels to judge the classifier by"):
        experiments.filter.main(dataclasses.replace(config, output_dir=tmp_path / "out"))


def test_models_of_one_kind_are_told_apart(trained):
    assert list(name_each([load(trained)] * 2)) == [
        "NVP-Glow (1 scales x 1 steps, conv conditioners of width 4 (relu))",
        "NVP-Glow (1 scales x 1 steps, conv conditioners of width 4 (relu)), no. 2",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "train",
        "likelihoods",
        "demo",
        "curvature",
        "moments",
        "contrast",
        "spectrum",
        "model_classes",
        "filter",
        "paper",
    ],
)
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
        (["--training.batch-size", "-1"], "batch_size must be a positive whole number, but is -1"),
        (["--output-dir", "setup.cfg/below-a-file"], "Cannot write below"),
    ],
)
def test_bad_options_end_in_one_sentence_and_status_2(arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        command_line.run(train.main, lambda options: command_line.parse_train_config(options, ""))
    assert exit_info.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert sentence in error


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=f"No checkpoint in {tmp_path}"):
        likelihoods.main(LikelihoodsConfig(tmp_path))
