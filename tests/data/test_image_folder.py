import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import load
from glowjax.data.folder import ImageFolders

RNG = np.random.default_rng(0)
BLACK = np.zeros((4, 4), np.uint8)


def write(file, pixels, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def test_color_files_come_back_in_the_order_of_their_names(tmp_path):
    pixels = RNG.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    for name, image in zip(["b.png", "c.PNG", "a.bmp"], pixels, strict=True):
        write(tmp_path / "mine/test" / name, image)
    (tmp_path / "mine/test/notes.txt").write_text("not an image")
    found = load("mine", data_dir=tmp_path)
    np.testing.assert_array_equal(found.images, pixels[[2, 0, 1]])
    assert found.name == "mine:test"
    assert found.source == f"3 images: the image files in {tmp_path / 'mine/test'}"


def test_grey_files_have_one_channel_and_palettes_are_read_as_colors(tmp_path):
    write(tmp_path / "grey/test/a.png", RNG.integers(0, 256, (5, 4), dtype=np.uint8))
    assert load("grey", data_dir=tmp_path).shape == (5, 4, 1)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = [255, 0, 0]
    write(tmp_path / "palette/test/a.gif", pixels)
    np.testing.assert_array_equal(load("palette", data_dir=tmp_path).images[0], pixels)


def test_a_folder_without_splits_is_split_by_hash(tmp_path):
    for i in range(50):
        write(tmp_path / f"mine/{i:03}.png", RNG.integers(0, 256, (4, 4), dtype=np.uint8))
    train, test, whole = (load("mine", split, tmp_path) for split in ("train", "test", "all"))
    assert train.num_images + test.num_images == whole.num_images == 50
    np.testing.assert_array_equal(load(str(tmp_path / "mine"), "test").images, test.images)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mine", r"no images for the split 'test', its splits are \['train'\]"),
        ("empty", "has no images for the split 'test'"),
        ("absent", r"There is nothing to load at .*absent; expected a folder"),
    ],
)
def test_a_path_without_the_images_asked_for_is_refused(tmp_path, path, message):
    write(tmp_path / "mine/train/a.png", BLACK)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        load(str(tmp_path / path), "test")


def test_another_shape_is_refused_with_both_files(tmp_path):
    write(tmp_path / "mine/test/a.png", BLACK)
    write(tmp_path / "mine/test/b.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png has the shape \[4, 4, 1\] and .*b\.png \[4, 5, 3\] .* never resizes"):
        load("mine", data_dir=tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path / "mine/test/a.png", RNG.integers(0, 256, (30, 30), dtype=np.uint8))
    whole = (tmp_path / "mine/test/a.png").read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2], whole[:60] + bytes(40) + whole[100:]):
        (tmp_path / "mine/test/a.png").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.png cannot be read as an image"):
            load("mine", data_dir=tmp_path)


def deep_color_png(side):
    """A black PNG of three channels with 16 bits each, which Pillow reads but does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    rows = (b"\0" + bytes(6 * side)) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"RGBA; expected 8-bit grey \(L\) or RGB"),
        (np.zeros((4, 4), np.uint16), "I"),
        (deep_color_png(4), "RGB with 16 bits; expected 8-bit"),
        (b"P6 4 4 65535\n" + bytes(96), "RGB with 16 bits; expected 8-bit"),
        (np.zeros((4, 4, 3), np.uint8), "RGB; expected .* without transparency"),
    ],
)
def test_transparency_and_16_bits_are_refused(tmp_path, content, mode):
    file = tmp_path / "mine/test/a.png"
    if isinstance(content, bytes):
        write(file, BLACK)
        file.write_bytes(content)
    else:
        write(file, content, **({"transparency": (0, 0, 0)} if content.shape[-1] == 3 else {}))
    with pytest.raises(InputError, match=rf"a\.png has the Pillow mode {mode}"):
        load("mine", data_dir=tmp_path)


def test_a_folder_that_may_not_be_read_holds_no_set_and_hides_none(tmp_path, monkeypatch):
    write(tmp_path / "mine/test/a.png", BLACK)
    (tmp_path / "lost+found").mkdir()
    iterate = Path.iterdir

    def refuse(path):
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return iterate(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert ImageFolders(tmp_path).names() == {"mine"}
    assert ImageFolders(tmp_path).find("lost+found") == ImageFolders(tmp_path).find("absent") == {}
    assert ImageFolders(tmp_path / "mine/test").find("a.png") == {}
