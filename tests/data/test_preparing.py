import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders import letters


def test_the_environment_names_the_folder_to_write_to(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))
    prepare("letters")
    assert load("letters", "all").num_images >= 200


def test_a_folder_that_does_not_exist_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)
    prepare("letters", tmp_path / "new/data")
    assert (tmp_path / "new/data/letters.npz").is_file()


def test_an_interrupted_write_leaves_no_archive(tmp_path, monkeypatch):
    def interrupt(*arguments, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)
    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare("letters", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_to_write_to_is_told():
    with pytest.raises(InputError, match="'letters' needs a folder to be written to; name one in data_dir or GLOWJAX"):
        prepare("letters")


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write below"):
        prepare("letters", tmp_path / "file")


def test_an_unknown_set_suggests_the_nearest():
    with pytest.raises(InputError, match="Unknown data set to prepare 'cifar11'; did you mean 'cifar10'"):
        prepare("cifar11")
