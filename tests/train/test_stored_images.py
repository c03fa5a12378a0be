"""Images that stay on disk train and evaluate a model as an array of them does."""

import chex
import jax
import numpy as np
import pytest

import glowjax as gj
from glowjax.checks import InputError
from glowjax.data import ImageSet, load
from glowjax.train import fit, log_likelihoods

MODEL = gj.nvp_glow(1, 1, 4)
KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """`IMAGES` in a file, which is not read into memory."""
    monkeypatch.setattr("glowjax.data.image_set.MAX_IN_MEMORY", 0)
    np.save(tmp_path / "mine_train.npy", IMAGES)
    return load("mine", "train", tmp_path)


def train(images, **options):
    return fit(MODEL, images, key=KEY, num_steps=9, batch_size=8, evaluate_every=4, validation=images, **options)


def numbers(trained):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in trained.history]


def test_training_on_a_file_gives_the_bits_of_training_on_an_array(on_disk, tmp_path):
    expected, found = train(ImageSet("mine:train", IMAGES)), train(on_disk, directory=tmp_path / "run")
    chex.assert_trees_all_equal(found.params, expected.params)
    assert numbers(found) == numbers(expected)
    assert found.description["images"] == expected.description["images"]


def test_images_of_a_file_have_the_likelihoods_of_an_array(on_disk):
    params = MODEL.init(KEY, IMAGES)
    expected, found = (log_likelihoods(MODEL, params, KEY, images, batch_size=7) for images in (IMAGES, on_disk.images))
    np.testing.assert_array_equal(found, expected)


def test_a_file_that_is_gone_during_training_is_told_in_one_sentence(on_disk, tmp_path):
    def remove(record):
        (tmp_path / "mine_train.npy").unlink()

    with pytest.raises(InputError, match=r"mine_train\.npy can no longer be read .*; bring it back and start again"):
        train(on_disk, log_every=2, on_metrics=remove)
