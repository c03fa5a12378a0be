"""The filter from end to end on tiny runs."""

import numpy as np
import pytest

from experiments.figures import filter as experiment
from experiments.figures.filter import FilterConfig, main
from glowjax.checks import InputError


def config(run_dirs, folder, **options):
    defaults = {"out_dists": ("others", "noise"), "angles": (90,), "num_images": 30, "num_latent_draws": 2}
    return FilterConfig(run_dirs=run_dirs, data_dir=folder, **{**defaults, "classifier_steps": 25, **options})


@pytest.fixture(scope="module")
def asked():
    """The names of the sets that the classifier was asked about."""
    return []


@pytest.fixture(scope="module")
def result(trained_run, folder, asked):
    answer = experiment.answer

    def recorded(config, models, classifier, images, has_classes):
        asked.append(images.name)
        return answer(config, models, classifier, images, has_classes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "answer", recorded)
        return main(config(tuple(map(trained_run, ("nvp", "pixelcnn", "vae"))), folder))


def test_the_classifier_and_every_detector_see_every_set(result):
    numbers = result.numbers
    assert list(numbers) == ["ramps:test", "rotated-90", "others:test", "noise"]
    assert numbers["ramps:test"]["accuracy"]["value"] >= 0.5
    assert numbers["others:test"]["accuracy"]["value"] == 0
    detectors = numbers["ramps:test"]["detectors"]
    rules = [f"{kind}, {rule}" for kind in ("NVP-Glow", "PixelCNN", "VAE") for rule in ("likelihood", "typicality")]
    assert list(detectors) == ["classifier, confidence", *rules]
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
    rotated, risk = [figure for section in result.sections for figure in section.figures]
    shares = rotated.data["accepted"]["VAE, likelihood"]
    assert [share.value for share in shares] == [
        result.numbers[name]["detectors"]["VAE, likelihood"]["0.95"]["accepted"]["value"]
        for name in ("ramps:test", "rotated-90")
    ]
    assert list(risk.data) == ["others test", "uniform noise"]
    for curves in risk.data.values():
        ends = {name: curve[-1] for name, curve in curves.items() if name != "coverage"}
        assert list(ends.values()) == pytest.approx([ends["best"]] * 8)
        assert curves["best"][0] == 0


def test_thresholds_come_from_validation_images(result, asked):
    assert asked == ["ramps:train-validation", "ramps:test", "rotated-90", "others:test", "noise"]


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
