from pathlib import Path

import numpy as np
import pytest
from matplotlib import get_data_path

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders import letters

FONTS = {file.name: file for file in letters.bundled_fonts()}


@pytest.fixture(scope="module")
def rendered():
    return letters.render(letters.bundled_fonts())


def test_every_font_gives_each_letter_once(rendered):
    num_fonts = rendered.num_images // 10
    assert num_fonts >= 20
    assert rendered.shape == (28, 28, 1)
    np.testing.assert_array_equal(rendered.labels, np.repeat(np.arange(10), num_fonts))
    for label in range(10):
        assert sorted(rendered.groups[rendered.labels == label]) == list(range(num_fonts))
    assert rendered.source == f"{num_fonts * 10} images: the letters ABCDEFGHIJ of {num_fonts} fonts"


def test_glyphs_are_white_on_black_and_fill_their_images(rendered):
    ink = rendered.images[..., 0] > 0
    assert ink.any(axis=1).all(axis=1).mean() > 0.95  # ink in every column ...
    assert ink.any(axis=2).all(axis=1).mean() > 0.95  # ... and in every row
    assert rendered.images.max(axis=(1, 2, 3)).min() > 200
    corners = rendered.images[rendered.labels == 0][:, :3, [0, -1]]  # beside the tip of an upright A
    assert (corners == 0).mean() > 0.8


def test_a_letter_is_the_glyph_of_its_font():
    sans = letters.render([FONTS["DejaVuSans.ttf"]]).images[..., 0]
    assert (sans[8][:, 1:-1] == 255).all()  # an I without serifs, stretched: a white square, as in notMNIST
    h = sans[7]
    assert (h[:, [1, -2]] == 255).all()  # the stems of an H
    assert (h[0, 8:20] == 0).all()
    assert (h[13, 1:-1] == 255).all()  # its bar


def test_the_same_fonts_give_the_same_images(rendered):
    np.testing.assert_array_equal(letters.render(letters.bundled_fonts()).images, rendered.images)


def test_fonts_without_the_letters_are_passed_over(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    symbols = [FONTS["STIXSizOneSymReg.ttf"], FONTS["LastResortHE-Regular.ttf"]]
    fonts = [FONTS["DejaVuSans.ttf"], *symbols, tmp_path / "broken.ttf"]
    assert letters.render(fonts).num_images == 10
    with pytest.raises(InputError, match="None of the 3 fonts has the letters ABCDEFGHIJ"):
        letters.render(fonts[1:])


def test_installed_fonts_include_those_of_matplotlib_once_each():
    names = [file.name for file in letters.installed_fonts()]
    assert set(FONTS) <= set(names)
    assert names == sorted(set(names))


def test_the_prepared_set_is_loaded_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)
    prepare("letters", tmp_path)
    train, test, whole = (load("letters", split, tmp_path) for split in ("train", "test", "all"))
    assert train.num_images + test.num_images == whole.num_images == 10 * len(set(whole.groups.tolist()))
    before = (tmp_path / "letters.npz").stat().st_mtime_ns
    prepare("letters", tmp_path)
    assert (tmp_path / "letters.npz").stat().st_mtime_ns == before


def test_matplotlib_has_fonts_where_we_look():
    assert Path(get_data_path(), "fonts", "ttf").is_dir()
