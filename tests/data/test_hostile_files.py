"""Files from strangers are refused in one sentence that names them; nothing hangs and nothing is run."""

import os
import signal

import pytest
from data import hostile

from glowjax.checks import InputError
from glowjax.data import load


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
