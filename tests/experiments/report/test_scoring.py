"""Models that diverged are refused or named, and sets that would look alike are refused."""

import dataclasses

import jax
import numpy as np
import pytest

import glowjax as gj
from experiments.figures.likelihoods import LikelihoodsConfig
from experiments.report.scoring import evaluate, image_sets, score
from experiments.report.trained import TITLES, load
from glowjax.checks import InputError
from glowjax.data import StoredImages


@pytest.fixture
def trained(trained_run):
    return load(trained_run())


@pytest.fixture
def config(trained_run, folder):
    return LikelihoodsConfig(run_dir=trained_run(), num_images=20, data_dir=folder)


def test_a_model_whose_params_are_not_finite_is_neither_scored_nor_saved(trained, config, tmp_path):
    diverged = dataclasses.replace(trained, params=jax.tree.map(lambda leaf: leaf * np.float32(np.nan), trained.params))
    test, _ = image_sets(trained, (), config)
    with pytest.raises(
        InputError, match="log P is not finite for 20 of the 20 images of ramps test: the model diverged"
    ):
        score(diverged, test, 1, 0)
    with pytest.raises(InputError, match="is not finite, so the model is not saved"):
        gj.save(diverged, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bits", [9.0, np.nan, np.inf])
def test_a_model_that_is_worse_than_no_model_is_named_when_it_is_loaded(trained, monkeypatch, bits):
    history = [record | {"validation": bits} for record in trained.history]
    monkeypatch.setattr(gj, "load", lambda _: dataclasses.replace(trained, history=history), raising=False)
    with pytest.warns(UserWarning, match=r"in runs/a needs (9\.0|nan|inf) bits/dim .*: its training diverged"):
        load("runs/a")


def test_two_sets_of_one_title_are_refused(trained, config, monkeypatch):
    monkeypatch.setitem(TITLES, "others", "ramps")
    with pytest.raises(InputError, match="'others' would be called 'ramps test' in tables"):
        image_sets(trained, ("others",), config)


def test_a_set_with_only_one_split_needs_no_name_of_it(trained, config, folder, tmp_path):
    for name in ("ramps_test", "ramps_train"):
        (tmp_path / f"{name}.npz").symlink_to(folder / f"{name}.npz")
    (tmp_path / "alone_train.npz").symlink_to(folder / "others_train.npz")
    _, (alone,) = image_sets(trained, ("alone",), dataclasses.replace(config, data_dir=tmp_path))
    assert alone.name == "alone:train"


def test_sets_on_disk_are_scored_as_those_in_memory(trained, config, monkeypatch, folder, tmp_path):
    specs = ("others", "contrast-0.5", "ramps:train")
    expected = evaluate(trained, specs, dataclasses.replace(config, num_images=None))
    for file in folder.glob("*.npz"):
        with np.load(file) as archive:
            np.save(tmp_path / f"{file.stem}.npy", archive["image"])
            if "source_image" in archive:
                np.save(tmp_path / f"{file.stem}.source_image.npy", archive["source_image"])
    monkeypatch.setattr("glowjax.data.image_set.MAX_IN_MEMORY", 0)
    found = evaluate(trained, (*specs, "others"), dataclasses.replace(config, num_images=None, data_dir=tmp_path))
    assert all(isinstance(scored.images.images, StoredImages) for scored in found.sets.values())
    for name, scored in found.sets.items():
        np.testing.assert_array_equal(scored.log_likelihood, expected.sets[name].log_likelihood)
        assert str(scored.mean()) == str(expected.sets[name].mean())
