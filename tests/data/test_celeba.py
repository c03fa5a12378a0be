"""CelebA at 32x32 from the official files or TensorFlow Datasets, here with photographs of our own making."""

import importlib.util
import shutil

import numpy as np
import pytest
import tfds_on_disk
from data import hostile
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders.celeba import PARTITION, PHOTOGRAPHS, SPLITS, crop_and_reduce

NUMBERS = [0, 2, 0, 1, 0, 2]  # the partition of six photographs
PHOTOS = np.random.default_rng(0).integers(0, 256, (6, 218, 178, 3), dtype=np.uint8)
PHOTOS[:, :, :, 1] = 40 * np.arange(6, dtype=np.uint8)[:, None, None]  # so that its green tells each


@pytest.fixture
def official_files(tmp_path):
    (tmp_path / PHOTOGRAPHS).mkdir()
    for i, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / PHOTOGRAPHS / f"{i:06}.jpg", "PNG")
    lines = [f"{i:06}.jpg {number}\n" for i, number in enumerate(NUMBERS)]
    (tmp_path / PARTITION).write_text("".join(lines))
    return tmp_path


def greens(split, folder):
    return load("celeba32", split, folder).images[:, 0, 0, 1].tolist()


def test_the_middle_148_pixels_are_kept():
    photo = np.zeros((218, 178, 3), np.uint8)
    photo[35:183, 15:163] = [10, 100, 250]
    np.testing.assert_array_equal(crop_and_reduce(photo), np.broadcast_to([10, 100, 250], (32, 32, 3)))


def test_the_reduction_averages_rather_than_picks_pixels():
    reduced = crop_and_reduce(np.random.default_rng(1).integers(0, 256, (218, 178, 3), dtype=np.uint8))
    assert abs(reduced.mean() - 127.5) < 1
    assert reduced.std() < 255 / np.sqrt(12) / 4  # over 10 pixels each; picked ones would keep all of their spread


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"has the shape \[178, 218, 3\]; expected \[218, 178, 3\]"):
        crop_and_reduce(np.zeros((178, 218, 3), np.uint8))


@pytest.mark.parametrize("zipped", [False, True])
def test_official_files_give_the_official_splits_in_the_official_order(official_files, zipped):
    if zipped:
        shutil.make_archive(official_files / PHOTOGRAPHS, "zip", official_files, PHOTOGRAPHS)
        shutil.rmtree(official_files / PHOTOGRAPHS)
    prepare("celeba32", official_files)
    assert [greens(split, official_files) for split in SPLITS] == [[0, 80, 160], [120], [40, 200]]
    found = load("celeba32", "train", official_files)
    np.testing.assert_array_equal(found.images, [crop_and_reduce(PHOTOS[i]) for i in (0, 2, 4)])


def test_photographs_prepared_by_tfds_are_read_without_tensorflow(tmp_path):
    splits = {split: (PHOTOS[np.equal(NUMBERS, i)], None) for i, split in enumerate(SPLITS)}
    tfds_on_disk.write(tmp_path, "celeb_a", splits)
    prepare("celeba32", tmp_path)
    assert [sorted(greens(split, tmp_path)) for split in SPLITS] == [[0, 80, 160], [120], [40, 200]]


def test_what_is_there_is_left_alone_and_the_rest_made(official_files):
    np.savez(official_files / "celeba32_train.npz", image=np.zeros((1, 32, 32, 3), np.uint8))
    prepare("celeba32", official_files)
    assert load("celeba32", "train", official_files).num_images == 1
    assert load("celeba32", "test", official_files).num_images == 2


def test_without_photographs_the_error_names_both_ways_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"needs TensorFlow, .* Or put the official files list_eval_partition\.txt and img_align_celeba\.zip"
    with pytest.raises(InputError, match=message):
        prepare("celeba32", tmp_path)


def test_a_list_without_photographs_or_with_a_page_in_place_of_the_zip_file_is_refused(tmp_path):
    (tmp_path / PARTITION).write_text("000000.jpg 0\n\n1.jpg 1\n2.jpg 2")
    with pytest.raises(InputError, match=r"has list_eval_partition\.txt but neither img_align_celeba/ nor"):
        prepare("celeba32", tmp_path)
    (tmp_path / f"{PHOTOGRAPHS}.zip").write_text("<html>Quota exceeded</html>")
    with pytest.raises(InputError, match=r"img_align_celeba\.zip cannot be read as a zip file .*; fetch it again"):
        prepare("celeba32", tmp_path)


LIST = "".join(f"{i:06}.jpg {number}\n" for i, number in enumerate(NUMBERS)).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>Quota exceeded</title>\n", "Line 1 of .* is '<!DOCTYPE html>"),
        (LIST[:-3], r"Line 6 of .* is '000005\.jpg?'"),
        (b"image_id,partition\n" + LIST.replace(b" ", b","), "Line 1 of .* is 'image_id,partition'"),
        (LIST.replace(b" 2", b" 7"), r"Line 2 of .* is '000001\.jpg 7'"),
        (b"../" + LIST, r"Line 1 of .* is '\.\./000000\.jpg 0'"),
        (b"/etc/passwd 0\n" + LIST, "Line 1 of .* is '/etc/passwd 0'"),
        (LIST.decode().encode("utf-16"), "Line 1 of .* is '.*0\N{REPLACEMENT CHARACTER}'"),
        (b"", "names no photographs of the splits .*'train', 'validation', 'test'"),
        (LIST.replace(b" 1", b" 0"), r"names no photographs of the splits \['validation'\]"),
        (bytes(2**20), "Line 1 of"),
    ],
)
def test_another_list_is_refused_with_its_line(official_files, content, message):
    (official_files / PARTITION).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        prepare("celeba32", official_files)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("make", [lambda file: None, *(hostile.IMAGES[what][0] for what in ("EPS", "empty", "pipe"))])
def test_a_missing_or_damaged_photograph_is_refused(official_files, make):
    file = official_files / PHOTOGRAPHS / "000002.jpg"
    file.unlink()
    make(file)
    with pytest.raises(InputError, match=r"000002\.jpg cannot be read as"):
        prepare("celeba32", official_files)
    assert not (official_files / "celeba32_train.npz").exists()
