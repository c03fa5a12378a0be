"""A set prepared here, as array_record and without TensorFlow, is read back."""

import importlib.util
import json
import shutil
import sys

import numpy as np
import pytest
import tfds_on_disk

from glowjax.checks import InputError
from glowjax.data import load, prepare, tfds

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A TFDS folder with the set `tiny_digits`."""
    folder = tmp_path_factory.mktemp("prepared")
    splits = {"train": (IMAGES[:8], range(8)), "test": (IMAGES[8:], range(8, 12))}
    tfds_on_disk.write(folder, "tiny_digits", splits)
    return folder


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of the prepared folder to damage, and the set's own folder in it."""
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy", tmp_path / "copy/tiny_digits/1.2.0"


@pytest.mark.parametrize(("split", "indices"), [("train", range(8)), ("test", range(8, 12))])
def test_a_prepared_set_comes_back_whole(prepared, split, indices):
    found = load("tiny_digits", split, prepared)
    assert sorted(found.labels) == list(indices)
    np.testing.assert_array_equal(found.images, IMAGES[found.labels])
    assert found.name == f"tiny_digits:{split}"
    assert found.source == f"{len(indices)} images: TensorFlow Datasets, {prepared / 'tiny_digits/1.2.0'}"


def test_tfds_own_folder_is_searched(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert load("tiny_digits").num_images == 4


def test_our_names_stand_for_theirs_and_the_validation_split_of_imagenet_for_its_test_split(tmp_path):
    splits = {"train": (IMAGES[:8], None), "validation": (IMAGES[8:], None)}
    tfds_on_disk.write(tmp_path, "downsampled_imagenet", splits, config="32x32")
    found = load("imagenet32", "test", tmp_path)
    assert sorted(image.tobytes() for image in found.images) == sorted(image.tobytes() for image in IMAGES[8:])
    assert found.labels is None
    assert load("imagenet32", "train", tmp_path).num_images == 8
    with pytest.raises(InputError, match=r"has no split 'validation' here, only 'train' \(in TensorFlow .*, 'test'"):
        load("imagenet32", "validation", tmp_path)


def test_the_newest_version_is_read(copy):
    folder, directory = copy
    for older in ("1.0.9", "0.10.0"):
        shutil.copytree(directory, directory.parent / older)
    shutil.copytree(directory, directory.parent / "1.10.0")
    assert load("tiny_digits", data_dir=folder).source.endswith("1.10.0")


def test_a_tfrecord_copy_is_skipped_in_loading_and_refused_in_preparing(copy):
    folder, directory = copy
    directory.parent.rename(folder / "mnist")
    info = folder / "mnist/1.2.0/dataset_info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "fileFormat": "tfrecord"}))
    assert "bundled" in load("mnist", "train", folder).source
    with pytest.raises(InputError, match="has 'mnist' in a format that needs TensorFlow to read; expected array_rec"):
        prepare("mnist", folder)


def test_preparing_twice_does_nothing(copy):
    folder, directory = copy
    directory.parent.rename(folder / "cifar10")
    prepare("cifar10", folder)


@pytest.mark.parametrize(("file", "num_bytes"), [("*test*", 100), ("features.json", 1)])
def test_a_damaged_shard_or_description_is_refused(copy, file, num_bytes):
    folder, directory = copy
    damaged = next(directory.glob(file))
    damaged.write_bytes(damaged.read_bytes()[:num_bytes])
    with pytest.raises(InputError, match=r"1\.2\.0 cannot be read .*seems damaged; delete that folder and prepare"):
        load("tiny_digits", data_dir=folder)


def test_preparing_without_tensorflow_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed; run `pip install \"\.\[tfds\]\"` in a checkout"):
        prepare("svhn")


def test_prepared_data_is_refused_without_tensorflow_datasets(prepared, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"is not installed; run `pip install \"\.\[data\]\"` in a checkout"):
        load("tiny_digits", data_dir=prepared)
    assert "bundled" in load("mnist", "train", prepared).source  # of which nothing is prepared


def test_our_names_are_registered_with_tfds():
    import tensorflow_datasets

    known = set(tensorflow_datasets.list_builders(with_community_datasets=False))
    assert {name.partition("/")[0] for name in tfds.TFDS_NAMES.values()} <= known
