"""The likelihood report: every set, its numbers, the figures and what they conclude."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny import evaluation

import glowjax as gj
from experiments.figures import likelihoods
from experiments.figures.likelihoods import LikelihoodsConfig, summarize
from experiments.report.experiment import run
from experiments.report.options import Data
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained, load
from glowjax.checks import InputError


def report(source, folder, output_dir, **options):
    options = {"out_dists": ("others",), "num_images": 40, "data_dir": folder} | options
    return run(likelihoods.main, LikelihoodsConfig(run_dir=source, output_dir=output_dir, **options))


def test_every_set_is_reported_with_the_numbers_behind_each_figure(trained_run, folder, tmp_path):
    numbers = report(trained_run(), folder, tmp_path).numbers
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test", "contrast-0.5", "constant", "noise"]
    assert json.loads((tmp_path / "results.json").read_text()) == numbers
    assert {path.stem for path in tmp_path.glob("*.png")} == {
        "log-likelihoods",
        "decomposition",
        "training",
        "samples",
    }
    page = (tmp_path / "report.html").read_text()
    assert "40 (20 groups)" in page
    assert page.count("data:image/png;base64,") == 4
    values = json.loads((tmp_path / "log-likelihoods.json").read_text())["ramps test"]
    mean = -np.mean(values) / (64 * np.log(2))
    assert numbers["ramps:test"]["bits_per_dim"]["value"] == pytest.approx(mean, rel=1e-5)
    assert numbers["noise"]["bits_per_dim"]["value"] > 8
    assert all(row["largest_inversion_error_grey_levels"] < 0.05 for row in numbers.values())


@pytest.mark.parametrize(
    ("kind", "sentence"), [("pixelcnn", "log P(image) is exact"), ("vae", "importance-weighted over 2 draws")]
)
def test_a_model_that_is_no_flow_has_likelihoods_and_no_terms(trained_run, folder, tmp_path, kind, sentence):
    numbers = report(trained_run(kind), folder, tmp_path, references=("noise",), num_draws=2).numbers
    assert list(numbers) == ["ramps:test", "ramps:train", "others:test", "noise"]
    assert "log_det_nats" not in numbers["noise"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert sentence in page


def test_a_saved_file_is_read_like_its_run(trained_run, folder, tmp_path):
    path = gj.save(gj.load(trained_run()), tmp_path / "saved.safetensors")
    options = {"out_dists": (), "references": ()}
    saved, own = (report(source, folder, tmp_path / "out", **options).numbers for source in (path, trained_run()))
    assert saved == own


def test_a_set_of_another_shape_is_refused_and_never_resized(trained_run, folder, tmp_path):
    with pytest.raises(InputError, match=r"\[16, 16, 1\].*\[8, 8, 1\].*never resizes"):
        report(trained_run(), folder, tmp_path, out_dists=("large",))


def test_two_sets_of_one_name_are_refused_and_one_that_is_named_twice_comes_once(trained_run, folder, tmp_path):
    elsewhere = tmp_path / "ramps" / "test"
    elsewhere.mkdir(parents=True)
    for n in range(3):
        Image.fromarray(np.full((8, 8), 80 * n, np.uint8)).save(elsewhere / f"{n}.png")
    with pytest.raises(InputError, match="would be called 'ramps test' in tables and figures, and so would another"):
        report(trained_run(), folder, tmp_path / "out", out_dists=(f"{elsewhere.parent}:test",))
    for n in range(2):
        (tmp_path / f"{n}/set").mkdir(parents=True)
        np.savez(tmp_path / f"{n}/set/own.npz", image=np.full((40, 8, 8, 1), n, np.uint8))
    trained, few = load(trained_run()), Data(num_images=20, data_dir=folder)
    with pytest.raises(InputError, match="would be called 'own all'"):
        image_sets(trained, [f"{tmp_path}/{n}/set/own.npz:all" for n in range(2)], few)
    test, others = image_sets(trained, ("others", "others:test", "ramps"), few)
    assert [test.name, *(one.name for one in others)] == ["ramps:test", "others:test"]


def test_a_real_set_may_be_called_like_a_generated_one(trained_run, folder, tmp_path):
    own = tmp_path / "rotated-ramps.npz"
    np.savez(own, image=np.load(folder / "others_test.npz")["image"])
    config = LikelihoodsConfig(run_dir=trained_run(), num_images=20, data_dir=folder)
    evaluation = likelihoods.evaluate(load(config.run_dir), (f"{own}:all", "rotated-90"), config)
    assert list(evaluation.real) == ["rotated-ramps:all"]
    assert list(evaluation.references) == ["rotated-90"]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("log_likelihood", "more_likely"), [(-10.0, True), (-90.0, False)])
def test_fewer_bits_are_an_auroc_of_zero_and_the_summary_says_so(log_likelihood, more_likely):
    found = evaluation(log_likelihood)
    assert found.detection("theirs:test").auroc.value == (0 if more_likely else 1)
    trained = Trained(None, None, {"in_dist": "mine", "model": {"builder": "a:b"}}, 0, [])
    assert ("these are more likely under the model" in summarize(trained, found)) == more_likely
