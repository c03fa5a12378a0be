"""Saved models: every model of ours, and a user's own, comes back from a file or a run's folder, from any folder."""

import dataclasses
import json
import math
import random
import re
import shutil
from pathlib import Path

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file

import glowjax as gj
from glowjax import layers, pretrained
from glowjax.checks import InputError
from glowjax.train import Trained, fit
from glowjax.train.arrays import named_leaves

KEY = jax.random.key(0)


class Linear(nn.Module):
    """A conditioner of a user's own: one linear map to the requested number of channels."""

    num_outputs: int = 0

    @nn.compact
    def __call__(self, x, num_outputs):
        return nn.Dense(num_outputs, param_dtype=x.dtype)(x)


def build_mine():
    return gj.Flow(
        layers.Chain((layers.PixelScaling(), layers.Squeeze(), layers.ActNorm(), layers.AffineCoupling(Linear())))
    )


MODELS = {
    "nvp": gj.nvp_glow(1, 1, 4),
    "cv": gj.cv_glow(1, 1, 4),
    "pixelcnn": gj.PixelCNN(1, 4),
    "vae": gj.conv_vae(2, 4),
    "composed": build_mine(),
}


def trained(model, images, **description) -> Trained:
    about = {"model": gj.models.describe(model), "image_shape": [8, 8, 1], **description}
    history = [{"step": 3, "validation": math.nan, "train": 5.0}, {"step": 6, "validation": 4.5, "train": 4.0}]
    return Trained(model, model.init(KEY, images), about, 6, history)


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_comes_back_from_its_file_in_any_folder(tmp_path, images, monkeypatch, kind):
    model = MODELS[kind]
    saved = trained(model, images, in_dist="ramps")
    path = gj.save(saved, str(tmp_path / "folder" / "mine.safetensors"))
    monkeypatch.chdir(path.parent)
    found = gj.load("mine.safetensors")
    assert found.model == model
    assert (found.step, found.description, found.in_dist) == (6, saved.description, "ramps")
    chex.assert_trees_all_equal(found.params, saved.params)
    np.testing.assert_equal(found.history, saved.history)
    log_likelihoods = [one.model.log_likelihood(one.params, KEY, images) for one in (found, saved)]
    np.testing.assert_array_equal(*log_likelihoods)


def test_a_file_is_read_without_glowjax(tmp_path, images):
    saved = trained(MODELS["nvp"], images)
    path = gj.save(saved, tmp_path / "mine.safetensors")
    arrays = load_file(path)
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert sum(array.size for array in arrays.values()) == sum(leaf.size for leaf in jax.tree.leaves(saved.params))
    with safetensors.safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["glowjax"])
    assert description["model"]["kind"] == "nvp"
    assert description["history"][0]["validation"] is None


@pytest.mark.release
def test_pytorch_reads_a_file(tmp_path, images):
    torch = pytest.importorskip("safetensors.torch", reason="needs PyTorch")
    saved = trained(MODELS["nvp"], images)
    tensors = torch.load_file(gj.save(saved, tmp_path / "mine.safetensors"))
    chex.assert_trees_all_equal({name: one.numpy() for name, one in tensors.items()}, named_leaves(saved.params))


def test_a_models_own_builder_is_kept_with_the_run_and_rebuilds_it(tmp_path, images):
    options = {"key": KEY, "num_steps": 1, "batch_size": 4, "directory": tmp_path}
    builder = f"{__name__}:build_mine"
    run = fit(build_mine(), images, builder=builder, **options)
    found = gj.load(str(tmp_path))
    assert found.description["model"] == {"builder": builder}
    assert found.model == build_mine()
    assert found.summarize().startswith(f"build_mine, built by {builder}, trained on 8 images for 1 steps of 4")
    chex.assert_trees_all_equal(found.params, run.params)
    with pytest.raises(InputError, match="not equal to what"):
        fit(MODELS["nvp"], images, builder=builder, **options)


def test_a_model_that_cannot_be_described_is_loaded_with_the_model_itself(tmp_path, images):
    @dataclasses.dataclass(frozen=True)
    class Local(gj.PixelCNN):
        """A model that no other process can import."""

    model = Local(1, 4)
    run = fit(model, images, key=KEY, num_steps=1, batch_size=4, directory=tmp_path / "run")
    path = gj.save(run, tmp_path / "mine.safetensors")
    for source in (tmp_path / "run", path):
        with pytest.raises(InputError, match=r"does not say how to build its model; give it as well: .*model=model"):
            gj.load(source)
        chex.assert_trees_all_equal(gj.load(source, model).params, run.params)
        with pytest.raises(InputError, match=r"is of another model: array .* is absent there and float32"):
            gj.load(source, MODELS["vae"])


def test_a_model_that_computes_something_else_is_told(tmp_path, images):
    path = gj.save(trained(MODELS["nvp"], images), tmp_path / "mine.safetensors")
    gj.load(path, gj.nvp_glow(1, 1, 4, memory="invert"))
    with pytest.warns(UserWarning, match=r"were trained with activation relu \(now tanh\); pass the model"):
        gj.load(path, gj.nvp_glow(1, 1, 4, activation="tanh"))


def test_what_is_not_a_model_is_refused_in_a_sentence(tmp_path, images):
    saved = trained(MODELS["vae"], images)
    with pytest.raises(InputError, match=r"Saved models end in \.safetensors"):
        gj.save(saved, tmp_path / "mine.npz")
    with pytest.raises(InputError, match=r"There is no trained model at .*missing; give the folder of a run"):
        gj.load(tmp_path / "missing")
    with pytest.raises(InputError, match="No checkpoint in"):
        gj.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"could not be written|Cannot write below"):
        gj.save(saved, tmp_path / "file" / "mine.safetensors")
    path = gj.save(saved, tmp_path / "mine.safetensors")
    data = path.read_bytes()
    foreign = safetensors.numpy.save({"w": np.zeros(3, np.float32)})
    for damaged in (b"", b"PK\x03\x04 an archive", data[: len(data) // 2], data[:-1], foreign):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"mine\.safetensors is not a whole file of glowjax\.save"):
            gj.load(path)


def test_arrays_of_other_memory_layouts_are_saved_as_they_are(tmp_path, images):
    saved = trained(MODELS["cv"], images)
    transposed = jax.tree.map(lambda leaf: np.asfortranarray(np.asarray(leaf)), saved.params)
    path = gj.save(dataclasses.replace(saved, params=transposed), tmp_path / "mine.safetensors")
    chex.assert_trees_all_equal(gj.load(path).params, saved.params)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), saved.params)
    path = gj.save(dataclasses.replace(saved, params=half), tmp_path / "half.safetensors")
    assert {array.dtype.name for array in load_file(path).values()} == {"float32"}


def test_a_flipped_bit_in_a_file_is_never_read_as_another_value(tmp_path, images):
    saved = trained(MODELS["cv"], images)
    path = gj.save(saved, tmp_path / "mine.safetensors")
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    header = whole.index(b"}}") + 2
    places = [*rng.sample(range(8 * header), 60), *rng.sample(range(8 * header, 8 * len(whole)), 20)]
    for bit in places:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = gj.load(path, saved.model)
        except InputError:
            refused += 1
        else:
            chex.assert_trees_all_equal(found.params, saved.params)
            assert found.step == saved.step
            assert found.description.items() >= saved.description.items()
    assert refused > len(places) - 5


def test_params_that_are_not_finite_are_not_saved(tmp_path, images):
    saved = trained(MODELS["cv"], images)
    name, leaf = list(named_leaves(saved.params).items())[3]
    damaged = {**named_leaves(saved.params), name: leaf.at[(0,) * leaf.ndim].set(math.nan)}
    params = jax.tree.unflatten(jax.tree.structure(saved.params), damaged.values())
    with pytest.raises(InputError, match=rf"The parameter {re.escape(name)} is not finite"):
        gj.save(dataclasses.replace(saved, params=params), tmp_path / "mine.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "diffusion"},
        {"kind": "nvp", "depth": 3},
        {"kind": "nvp", "width": "four"},
        {},
        [1],
        {"class": 1},
        "nvp",
        "shape",
    ],
)
@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("99.1.0", r"was written by a newer glowjax \(99\.1\.0; this is .*\); install that version"),
        (gj.__version__, "."),
    ],
)
def test_a_model_that_this_version_does_not_know_is_told_in_a_sentence(tmp_path, images, model, version, message):
    saved = trained(MODELS["cv"], images, provenance={"glowjax": version})
    saved.description["image_shape" if model == "shape" else "model"] = model
    path = gj.save(saved, tmp_path / "mine.safetensors")
    with pytest.raises(InputError, match=message):
        gj.load(path)


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: (path.unlink(), path.mkdir())]
)
def test_a_pretrained_file_that_is_missing_or_damaged_is_told(tmp_path, monkeypatch, damage):
    shutil.copy(pretrained.FOLDER / "fashion-mnist-small.safetensors", tmp_path)
    damage(tmp_path / "fashion-mnist-small.safetensors")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"The weights of 'fashion-mnist-small' .*; .*install glowjax again"):
        gj.load("pretrained:fashion-mnist-small")


def test_a_run_is_read_though_its_metrics_and_its_config_are_lost(tmp_path, images):
    run = fit(MODELS["cv"], images, key=KEY, num_steps=2, batch_size=4, directory=tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "config.json").write_text("{")
    with pytest.warns(UserWarning, match="There are no metrics"):
        found = gj.load(tmp_path)
    chex.assert_trees_all_equal(found.params, run.params)
    assert (found.description, found.history) == (run.description, [])
    assert found.description["num_params"] == sum(leaf.size for leaf in jax.tree.leaves(run.params))
    assert found.summarize()
