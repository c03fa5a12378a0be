"""The weights that come along: what they claim, and what is refused; and their making."""

import dataclasses

import jax
import numpy as np
import pytest
from tiny import TINY, write_ramps

import glowjax as gj
from experiments import export, train
from experiments.report.trained import load_flow
from glowjax import pretrained
from glowjax.checks import InputError


@pytest.fixture(scope="module", params=pretrained.names())
def loaded(request):
    return gj.load_pretrained(request.param)


def test_the_weights_are_a_few_megabytes_at_most():
    folder = pretrained.files(pretrained.__name__)
    assert sum(len(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".npz")) < 3e6


def test_a_loaded_model_has_the_likelihood_that_it_states(loaded):
    model, params, about = loaded
    images = gj.data.load("fashion_mnist", "test").take(300).images
    bits = gj.bits_per_dim(model.log_likelihood(params, jax.random.key(0), images), images[0].size)
    assert float(bits.mean()) == pytest.approx(about["bits_per_dim"], abs=4 * float(bits.std()) / len(images) ** 0.5)


def test_digits_are_likelier_than_the_clothes_that_were_learned(loaded):
    model, params, _ = loaded
    sets = [gj.data.load("fashion_mnist", "test"), gj.data.load("mnist", "train")]
    clothes, digits = (model.log_likelihood(params, jax.random.key(0), s.take(100).images).mean() for s in sets)
    assert float(digits) > float(clothes)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'fashion-mnist-small'"):
        gj.load_pretrained("fashion-mnist-smal")


def test_weights_of_another_hash_are_refused(monkeypatch, tmp_path):
    name = pretrained.names()[0]
    folder = pretrained.files(pretrained.__name__)
    for suffix in ("npz", "json"):
        (tmp_path / f"{name}.{suffix}").write_bytes((folder / f"{name}.{suffix}").read_bytes())
    with (tmp_path / f"{name}.npz").open("ab") as file:
        file.write(b"0")
    monkeypatch.setattr(pretrained, "files", lambda _: tmp_path)
    with pytest.raises(InputError, match="SHA-256"):
        gj.load_pretrained(name)


def test_arrays_of_another_model_are_refused(loaded):
    model, params, _ = loaded
    arrays = pretrained.packed(params)
    path = next(iter(arrays))
    with pytest.raises(InputError, match="missing"):
        pretrained.unpacked(model, params.image_shape, {key: arrays[key] for key in arrays if key != path})


def test_what_is_exported_is_loaded(tmp_path):
    write_ramps(tmp_path)
    config = dataclasses.replace(TINY, data_dir=tmp_path, output_dir=tmp_path / "run")
    train.main(config)
    numbers = export.main(export.ExportConfig(config.output_dir, tmp_path / "tiny.safetensors"))
    trained = load_flow(config.output_dir)
    exported = gj.load(numbers["path"], trained.model)
    jax.tree.map(np.testing.assert_array_equal, exported.params, trained.params)
    assert exported.description == trained.description
