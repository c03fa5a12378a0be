"""A set prepared here, as array_record and without TensorFlow, is read back."""

import importlib.util
import io
import json
import shutil
import sys

import numpy as np
import pytest
import tfds_on_disk
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import StoredImages, load, prepare, tfds

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


@pytest.mark.parametrize("folder", ["downsampled_imagenet/16x16", "downsampled_imagenet/16x16/1.2.0"])
def test_a_set_with_a_configuration_is_named_by_its_path(tmp_path, folder):
    tfds_on_disk.write(tmp_path, "downsampled_imagenet", {"train": (IMAGES, range(12))}, config="16x16")
    found = load(str(tmp_path / folder), "train")
    assert found.name == "downsampled_imagenet-16x16:train"
    np.testing.assert_array_equal(found.images, IMAGES[found.labels])
    with pytest.raises(InputError, match=r"has no split 'test' as array_record; expected one of \['train'\]"):
        load(str(tmp_path / folder))


def test_a_large_set_stays_on_disk(prepared, monkeypatch):
    monkeypatch.setattr("glowjax.data.image_set.MAX_IN_MEMORY", 0)
    found = load("tiny_digits", "train", prepared)
    assert isinstance(found.images, StoredImages)
    order = np.random.default_rng(0).permutation(8)
    np.testing.assert_array_equal(found.images[order], IMAGES[found.labels[order]])
    several = found.select(order[:5], "chosen")
    np.testing.assert_array_equal(several.images[[4, 0]], IMAGES[several.labels[[4, 0]]])


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
    with pytest.raises(InputError, match="has 'mnist' in a format that only TensorFlow reads; expected array_record"):
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
    with pytest.raises(InputError, match=r"1\.2\.0 cannot be read .*seems damaged; move that folder away and prepare"):
        load("tiny_digits", data_dir=folder)


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_the_module_of_a_foreign_class_is_not_imported(copy, monkeypatch, key):
    folder, directory = copy
    (folder / "their_module.py").write_text("raise SystemExit('this code was run')")
    monkeypatch.syspath_prepend(folder)
    features = json.loads((directory / "features.json").read_text())
    image = features["featuresDict"]["features"]["image"]
    del image["pythonClassName"]
    image[key] = "their_module.Theirs"
    (directory / "features.json").write_text(json.dumps(features))
    with pytest.raises(InputError, match=r"has a feature of the class their_module\.Theirs; expected TFDS's own"):
        load("tiny_digits", data_dir=folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("features.json", "null"),
        ("features.json", "[1]"),
        ("features.json", "[" * 100_000),
        ("dataset_info.json", "{"),
        ("dataset_info.json", "[]"),
    ],
)
def test_a_description_that_describes_nothing_is_refused(copy, file, content):
    folder, directory = copy
    (directory / file).write_text(content)
    with pytest.raises(InputError, match=r"1\.2\.0 cannot be read .*seems damaged"):
        load("tiny_digits", data_dir=folder)


def test_more_images_than_there_are_bytes_are_refused(copy):
    folder, directory = copy
    info = json.loads((directory / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["shardLengths"] = [str(10**12)]
    (directory / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"cannot be read \(ValueError: 1,000,000,000,000 images in"):
        load("tiny_digits", data_dir=folder)


def test_no_decoder_that_runs_a_program_is_used(tmp_path, monkeypatch):
    def postscript(image):
        Image.fromarray(image[..., 0]).save(file := io.BytesIO(), "EPS")
        file.seek(0)
        return file

    def run(*arguments, **options):
        raise SystemExit("a program was run")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    monkeypatch.setattr(tfds_on_disk, "png", postscript)
    tfds_on_disk.write(tmp_path, "mine", {"test": (IMAGES, None)})
    with pytest.raises(InputError, match="Image 0 of 'mine:test' cannot be read as an image"):
        load("mine", "test", tmp_path)


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
