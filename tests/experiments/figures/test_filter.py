"""The filter from end to end on tiny runs."""

import numpy as np
import pytest

from experiments.figures import filter as experiment
from experiments.figures.filter import FilterConfig, main
from glowjax.checks import InputError

LACKING = {("PixelCNN", "sitn"), ("VAE", "sitn")}
SCORES = ("likelihood", "typicality", "sitn", "null-neighbor")


def config(run_dirs, folder, **options):
    defaults = {
        "out_dists": ("others", "noise", "gaussian_noise-1"),
        "angles": (90,),
        "num_images": 30,
        "num_latent_draws": 2,
    }
    return FilterConfig(
        run_dirs=run_dirs, data_dir=folder, **{**defaults, "classifier_steps": 25, "scores": SCORES, **options}
    )


@pytest.fixture(scope="module")
def asked():
    """The sets that scores were fitted to and that the classifier was asked about, and whether they have classes."""
    return []


@pytest.fixture(scope="module")
def result(trained_run, folder, asked):
    answers, fit = experiment.answers, experiment.fit

    def recorded(detectors, images, has_classes):
        asked.append((images.name, has_classes))
        return answers(detectors, images, has_classes)

    def fitted(classifier, models, entries, training, *options):
        asked.append(training.name)
        return fit(classifier, models, entries, training, *options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "answers", recorded)
        patch.setattr(experiment, "fit", fitted)
        return main(config(tuple(map(trained_run, ("nvp", "pixelcnn", "vae"))), folder))


def test_the_classifier_and_every_detector_see_every_set(result):
    numbers = result.numbers
    assert list(numbers) == ["ramps:test", "rotated-90", "others:test", "noise", "gaussian_noise-1"]
    assert numbers["ramps:test"]["accuracy"]["value"] >= 0.5
    assert numbers["others:test"]["accuracy"]["value"] == 0
    assert numbers["gaussian_noise-1"]["accuracy"]["value"] >= 0.5  # a corrupted image keeps its class
    detectors = numbers["ramps:test"]["detectors"]
    kinds = ("NVP-Glow", "PixelCNN", "VAE")
    rules = [f"{kind}, {rule}" for kind in kinds for rule in SCORES[:3] if (kind, rule) not in LACKING]
    own = [f"classifier, {rule}" for rule in ("confidence", "energy", "mahalanobis")]
    assert list(detectors) == [*own, *rules, "images alone, null-neighbor"]
    for by_kept in detectors.values():
        accepted, wrong = by_kept["0.99"]["accepted"], by_kept["0.99"]["accepted_and_confidently_wrong"]
        assert accepted["value"] >= max(wrong["value"], by_kept["0.95"]["accepted"]["value"])
    assert numbers["noise"]["detectors"]["NVP-Glow, typicality"]["0.99"]["accepted"]["value"] == 0
    found = {name: detectors[name]["0.95"] for name in ("classifier, confidence", "VAE, likelihood")}
    accepted, by_classifier = (found[name]["accepted"]["value"] for name in reversed(found))
    change = found["VAE, likelihood"]["accepted_minus_classifier"]
    assert change["value"] == pytest.approx(accepted - by_classifier)
    assert change["low"] < change["value"] < change["high"]
    headers = [table.header[1:] for section in result.sections for table in section.tables]
    assert ["test images rotated by 90°"] in headers


def test_the_figures_show_the_numbers_of_the_tables(result):
    risk, rotated = [figure for section in result.sections for figure in section.figures]
    shares = rotated.data["accepted"]["VAE, likelihood"]
    assert [share.value for share in shares] == [
        result.numbers[name]["detectors"]["VAE, likelihood"]["0.95"]["accepted"]["value"]
        for name in ("ramps:test", "rotated-90")
    ]
    assert list(risk.data) == ["others test", "uniform noise", "gaussian noise, strength 1"]
    for curves in risk.data.values():
        ends = {name: curve[-1] for name, curve in curves.items() if name != "coverage"}
        assert list(ends.values()) == pytest.approx([ends["best"]] * 12)
        assert curves["best"][0] == 0


def test_scores_learn_from_training_images_and_thresholds_come_from_validation_images(result, asked):
    classes = {"others:test": False, "noise": False}
    names = ["ramps:train-validation", "ramps:test", "rotated-90", "others:test", "noise", "gaussian_noise-1"]
    assert asked == ["ramps:train-training", *((name, classes.get(name, True)) for name in names)]
    tables = {table.caption: table for section in result.sections for table in section.tables}
    lacking = tables["Scores that a model cannot give"].rows
    assert {(model, score) for model, score, _ in lacking} == LACKING


@pytest.mark.parametrize("out_dists", [("rotated-90",), ("ramps:test",)])
def test_a_filter_without_an_ood_set_is_refused_before_anything_is_trained(trained_run, folder, out_dists):
    with pytest.raises(InputError, match="these are the test images, possibly rotated; name an OOD set too"):
        main(config((trained_run(),), folder, out_dists=out_dists))


@pytest.mark.parametrize(
    ("labeled", "message"),
    [
        ((), "'ramps:train-training' has no labels, so no classifier can be trained"),
        (("train",), "'ramps:test' has no labels, so the classifier cannot be judged"),
    ],
)
def test_images_without_labels_are_refused(trained_run, folder, tmp_path, labeled, message):
    for split in ("train", "test"):
        archive = np.load(folder / f"ramps_{split}.npz")
        kept = ("image", "label") if split in labeled else ("image",)
        np.savez(tmp_path / f"ramps_{split}.npz", **{key: archive[key] for key in kept})
    with pytest.raises(InputError, match=message):
        main(config((trained_run(),), tmp_path, out_dists=("noise",), classifier_steps=2))
