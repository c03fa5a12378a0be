from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from glowjax.checks import InputError
from glowjax.data import load, splits
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
        ("mine", r"no images for the split 'test' \(its splits: \['train'\]\)"),
        ("empty", "has no images for the split 'test'"),
        ("absent", r"There is nothing to load at .*absent; expected a folder"),
    ],
)
def test_a_path_without_the_images_asked_for_is_refused(tmp_path, path, message):
    write(tmp_path / "mine/train/a.png", BLACK)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        load(str(tmp_path / path), "test")


def test_the_path_of_a_folder_that_is_a_split_gives_it_whole_and_leads_to_the_others(tmp_path):
    for number in range(30):
        write(tmp_path / f"mine/train/{number}.png", np.full((4, 4), number, np.uint8))
    write(tmp_path / "mine/test/a.png", BLACK)
    path = str(tmp_path / "mine/train")
    assert (load(path).name, load(path).num_images, load(path, "all").num_images) == ("mine:train", 30, 30)
    assert load(path, "test").num_images == load(f"{path}/../test").num_images == 1
    with pytest.raises(InputError, match=r"no images for the split 'validation' \(its splits: \['test', 'train'\]\)"):
        load(path, "validation")


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


COLOR = RNG.integers(8, 256, (6, 5, 3), dtype=np.uint8)
OPAQUE = np.full((6, 5), 255, np.uint8)
PALETTE = Image.fromarray(COLOR).convert("P", palette=Image.Palette.ADAPTIVE)


@pytest.mark.parametrize(
    ("image", "options", "pixels"),
    [
        (Image.fromarray(np.dstack([COLOR, OPAQUE])), {}, COLOR),
        (Image.fromarray(np.dstack([COLOR[..., 0], OPAQUE])), {}, COLOR[..., :1]),
        (Image.fromarray(COLOR), {"transparency": (0, 0, 0)}, COLOR),
        (Image.fromarray(COLOR[..., 0]), {"transparency": 7}, COLOR[..., :1]),
        (PALETTE, {"transparency": bytes([255] * 200)}, np.asarray(PALETTE.convert("RGB"))),
    ],
    ids=["RGBA", "grey with alpha", "unused color", "unused grey level", "palette"],
)
def test_an_alpha_channel_that_is_opaque_is_left_out(tmp_path, image, options, pixels):
    (tmp_path / "mine/test").mkdir(parents=True)
    image.save(tmp_path / "mine/test/a.png", **options)
    np.testing.assert_array_equal(load("mine", data_dir=tmp_path).images[0], pixels)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_photographs_are_turned_upright_as_viewers_show_them(tmp_path, ending):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        write(tmp_path / f"{ending}-{orientation}/test/a.{ending}", COLOR, exif=exif)
        with Image.open(tmp_path / f"{ending}-{orientation}/test/a.{ending}") as image:
            upright = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(load(f"{ending}-{orientation}", data_dir=tmp_path).images[0], upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_photograph_with_damaged_exif_data_is_read_as_it_lies(tmp_path):
    for name, exif in (("a", b""), ("b", b"Exif\0\0rubbish"), ("c", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1")):
        write(tmp_path / f"mine/test/{name}.jpg", COLOR, exif=exif)
    found = load("mine", data_dir=tmp_path)
    np.testing.assert_array_equal(found.images, found.images[[0, 0, 0]])


def test_the_second_picture_of_a_phone_is_left_out(tmp_path):
    write(
        tmp_path / "mine/test/a.jpg", COLOR, format="MPO", save_all=True, append_images=[Image.fromarray(255 - COLOR)]
    )
    assert abs(load("mine", data_dir=tmp_path).images[0].astype(int) - COLOR).mean() < 60


def test_folders_that_programs_make_are_no_splits_and_no_sets(tmp_path):
    for number in range(30):
        write(tmp_path / f"cells/{number:02}.png", RNG.integers(0, 256, (4, 4), dtype=np.uint8))
    write(tmp_path / "split/train/a.png", BLACK)
    for helper in (".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN"):
        for folder in (tmp_path, tmp_path / "cells", tmp_path / "split"):
            write(folder / helper / "00.png", np.zeros((2, 2), np.uint8))
    assert load("cells", "all", tmp_path).num_images == load(str(tmp_path / "cells"), "all").num_images == 30
    assert set(splits("split", tmp_path)) == {"train"}
    assert ImageFolders(tmp_path).names() == {"cells", "split"}


def test_the_endings_of_jpegs_are_known_and_other_image_files_are_said_to_be_passed_over(tmp_path):
    for name in ("a.jpg", "b.JPG", "c.jfif", "d.jpe"):
        write(tmp_path / "pets/test" / name, BLACK, format="JPEG")
    assert load("pets", data_dir=tmp_path).num_images == 4
    for name in ("test/e.heic", "test/f.SVG", "g.png"):
        (tmp_path / "pets" / name).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"^3 image files are skipped, such as .*e\.heic: 'pets:test' consists"):
        assert load("pets", data_dir=tmp_path).num_images == 4


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
