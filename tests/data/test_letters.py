"""Sets that `prepare` makes: where it writes, and the letters themselves, of a few of matplotlib's fonts for speed."""

import sys

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders import letters

FONTS = {file.name: file for file in letters.bundled_fonts()}
FEW = [FONTS[name] for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf", "cmr10.ttf", "STIXGeneral.ttf")]


@pytest.fixture
def few_fonts(monkeypatch):
    monkeypatch.setattr(letters, "installed_fonts", lambda: FEW)


@pytest.fixture(scope="module")
def rendered():
    return letters.render(letters.bundled_fonts())


def test_every_font_gives_each_letter_once(rendered):
    num_fonts = rendered.num_images // 10
    assert num_fonts >= 20
    assert rendered.shape == (28, 28, 1)
    np.testing.assert_array_equal(rendered.labels, np.repeat(np.arange(10), num_fonts))
    np.testing.assert_array_equal(rendered.groups, np.tile(np.arange(num_fonts), 10))
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


def test_fonts_without_the_letters_are_skipped(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    others = [FONTS["STIXSizOneSymReg.ttf"], FONTS["LastResortHE-Regular.ttf"], tmp_path / "broken.ttf"]
    assert letters.render([FONTS["DejaVuSans.ttf"], *others]).num_images == 10
    with pytest.raises(InputError, match="None of the 3 fonts has the letters ABCDEFGHIJ"):
        letters.render(others)


def test_installed_fonts_include_those_of_matplotlib_once_each():
    names = [file.name for file in letters.installed_fonts()]
    assert set(FONTS) <= set(names)
    assert names == sorted(set(names))


@pytest.mark.parametrize("by_environment", [True, False])
def test_a_prepared_set_is_loaded_like_any_other_and_not_made_again(tmp_path, few_fonts, monkeypatch, by_environment):
    folder = tmp_path if by_environment else tmp_path / "new/data"  # a folder that does not exist is made
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))
    for _ in range(2):
        prepare("letters", None if by_environment else folder)
        made = (folder / "letters.npz").stat().st_mtime_ns
        monkeypatch.setattr(letters, "installed_fonts", lambda: pytest.fail("made again"))
    train, test, whole = (load("letters", split, folder) for split in ("train", "test", "all"))
    assert train.num_images + test.num_images == whole.num_images == 40
    assert (folder / "letters.npz").stat().st_mtime_ns == made


def test_an_interrupted_write_leaves_no_archive(tmp_path, few_fonts, monkeypatch):
    def interrupt(*arguments, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare("letters", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_prepared_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Unknown data set to prepare 'cifar11'; did you mean 'cifar10'"):
        prepare("cifar11")
    with pytest.raises(InputError, match="'letters' needs a folder to be written to; name one in data_dir or GLOWJAX"):
        prepare("letters")
    with pytest.raises(InputError, match="Cannot write below"):
        prepare("letters", tmp_path / "file")


def test_without_matplotlib_the_letters_are_refused(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, letters.__name__)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="Making 'letters' needs matplotlib, which is not installed"):
        prepare("letters", tmp_path)
