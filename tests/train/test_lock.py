"""The lock of a run's folder: one process at a time, named to others, and free when its holder dies."""

import errno
import json
import os
import subprocess
import sys
import textwrap

import pytest

from glowjax.checks import InputError
from glowjax.train import lock
from glowjax.train.lock import locked

HOLD = """
    import pathlib, sys, time
    from glowjax.train.lock import locked
    with locked(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_second_process_is_refused_by_the_name_of_the_first_and_takes_over_when_that_is_killed(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "JAX_PLATFORMS": "cpu"}) as holder:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(InputError, match=rf"is in use by process {holder.pid} on .* since 20..-..-..T"),
            locked(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            assert json.loads((tmp_path / ".lock").read_bytes())["pid"] == os.getpid()


def test_the_lock_is_released_at_the_end_and_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path):
            raise KeyError


@pytest.mark.parametrize("content", ["", "null", "\xff", '{"pid": 1}'])
def test_a_holder_without_a_name_is_refused_too(tmp_path, content):
    with locked(tmp_path):
        (tmp_path / ".lock").write_text(content, encoding="latin-1")
        with pytest.raises(InputError, match="is in use by another process"), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_a_warning_and_windows_has_none(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", fail)
    with pytest.warns(UserWarning, match=r"cannot be locked \(No locks available\); make sure"), locked(tmp_path):
        pass
    monkeypatch.setattr(lock, "fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_a_folder_in_the_place_of_the_lock_is_refused(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock cannot be written"), locked(tmp_path):
        pass
