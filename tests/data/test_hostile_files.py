"""Files from strangers are refused in one sentence that names them; nothing hangs and nothing is run."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from data import hostile
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import known_names, load, prepare, resolve


@pytest.fixture(autouse=True)
def _no_hang():
    def end(*_):
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _no_program(tmp_path_factory, monkeypatch):
    """A Ghostscript that leaves a mark; it must never be run."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {folder}/was-run\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield
    assert not (folder / "was-run").exists()


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def each(table):
    return pytest.mark.parametrize(("make", "expected"), table.values(), ids=table)


@each(hostile.IMAGES)
@pytest.mark.filterwarnings("ignore:Image size")
def test_image_files_are_refused_by_name(make, expected, tmp_path):
    (tmp_path / "mine/test").mkdir(parents=True)
    make(tmp_path / "mine/test/a.png")
    message = refusal(load, "mine", "test", tmp_path)
    assert expected in message
    assert "mine/test/a.png" in message


@each(hostile.ARCHIVES)
def test_archives_are_refused_by_name(make, expected, tmp_path):
    make(tmp_path / "mine_test.npz")
    with pytest.raises(InputError, match=expected):
        load("mine", "test", tmp_path)
    assert f"{tmp_path}/mine_test.npz" in refusal(load, "mine", "test", tmp_path)


NAMES = {
    "NUL": ("a\0b", r"'a\\x00b' holds the character"),
    "new line": ("a\nb", r"'a\\nb' holds the character"),
    "half of a surrogate pair": ("\ud800", r"'\\ud800' holds the character"),
    "not UTF-8": (os.fsdecode(b"caf\xe9"), r"'caf\\udce9' holds the character"),
    "clear screen": ("\x1b[2J", r"'\\x1b\[2J' holds the character"),
    "5,000 characters": ("x" * 5000, r"'x{200}\.\.\.' is no data set: a name has at most 255 bytes"),
    "path of 5,000 characters": ("/" + "x" * 5000, r"The path /x{199}\.\.\. cannot be read \(OSError"),
    "nobody's home": ("~nobody_such/x", "There is no home folder for ~nobody_such/x"),
    "device": ("/dev/zero", "There is nothing to load at /dev/zero; expected a folder"),
    "text file": ("/etc/passwd", "There is nothing to load at /etc/passwd; expected a folder"),
    "address": ("https://example.com/x.npz", "There is nothing to load at "),
}


@pytest.mark.parametrize(("name", "expected"), NAMES.values(), ids=NAMES)
def test_names_that_no_set_can_have_are_refused(name, expected, tmp_path):
    for call in (load, resolve):
        with pytest.raises(InputError, match=expected):
            call(name, data_dir=tmp_path)
    assert refusal(load, name).isprintable()


def test_a_set_whose_name_cannot_be_shown_is_not_listed(tmp_path):
    np.savez(tmp_path / os.fsdecode(b"caf\xe9.npz"), image=np.zeros((1, 2, 2, 1), np.uint8))
    (tmp_path / "plain\nname/test").mkdir(parents=True)
    Image.new("L", (4, 4)).save(tmp_path / "plain\nname/test/a.png")
    assert known_names(tmp_path) == known_names()


@pytest.mark.parametrize("folder", ["a\0b", "\ud800", os.fsdecode(b"caf\xe9"), "x" * 5000, "~nobody_such/x"])
def test_folders_that_cannot_be_are_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(load, "mnist", "train", folder).isprintable()
    assert refusal(prepare, "letters", folder).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert "(Permission denied)" in refusal(load, "mnist", "train", tmp_path)


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "link to nothing", "link to itself"])
def test_an_archive_that_is_no_regular_file_is_no_set(what, tmp_path):
    hostile.IMAGES[what][0](tmp_path / "mine_test.npz")
    with pytest.raises(InputError, match="Unknown data set 'mine'"):
        load("mine", "test", tmp_path)


@pytest.mark.parametrize("name", ["mine_test.npz", "mine_test.npy", "mine/test/a.png"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(name, tmp_path, monkeypatch):
    (tmp_path / "mine/test").mkdir(parents=True)
    (tmp_path / name).write_bytes(b"")
    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self == tmp_path / name:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr("PIL.Image.open", lambda file, **_: refuse(Path(file)))
    monkeypatch.setattr("zipfile.ZipFile", lambda file: refuse(Path(file)))
    message = refusal(load, "mine", "test", tmp_path)
    assert "Permission denied" in message
    assert not any(word in message for word in ("damaged", "replace", "copy"))
