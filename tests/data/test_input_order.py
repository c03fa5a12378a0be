"""Whatever the source, a restarted run sees the images that an uninterrupted one would see."""

import numpy as np
import pytest
import tfds_on_disk
from PIL import Image

from glowjax.data import batch_indices, load, training_and_validation

IMAGES = np.random.default_rng(3).integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)


def as_archive(folder):
    np.savez_compressed(folder / "mine_train.npz", image=IMAGES)


def as_files(folder):
    (folder / "mine/train").mkdir(parents=True)
    for i in np.random.default_rng(0).permutation(200):  # the order in which files are created is not that of reading
        Image.fromarray(IMAGES[i, ..., 0]).save(folder / f"mine/train/{i:03}.png")


def as_tfds(folder):
    tfds_on_disk.write(folder, "mine", {"train": (IMAGES, range(200))})


def bundled(folder):
    pass


@pytest.mark.parametrize(
    ("write", "name"), [(as_archive, "mine"), (as_files, "mine"), (as_tfds, "mine"), (bundled, "mnist")]
)
def test_the_input_goes_on_where_it_stopped(tmp_path, write, name):
    write(tmp_path)

    def batches(steps):
        images = training_and_validation(load(name, "train", tmp_path))[0].images  # loaded again, as by a new process
        return [images[batch_indices(7, step, len(images), 16)] for step in steps]

    np.testing.assert_array_equal(batches(range(5, 30)), batches(range(30))[5:])


@pytest.mark.parametrize("write", [as_archive, as_files])
def test_sources_that_keep_an_order_agree_on_it(tmp_path, write):
    write(tmp_path)
    np.testing.assert_array_equal(load("mine", "train", tmp_path).images, IMAGES)


def test_another_source_holds_the_same_images(tmp_path):
    as_tfds(tmp_path)
    found = load("mine", "train", tmp_path)
    np.testing.assert_array_equal(found.images, IMAGES[found.labels])
    assert sorted(found.labels) == list(range(200))
