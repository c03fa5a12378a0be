"""Disks: full, without inodes, and calls to the operating system that fail."""

import contextlib
import errno
import functools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial


@contextlib.contextmanager
def small_disk(folder: Path, size: str, **options: str) -> Iterator[Callable[[], object] | None]:
    """A file system of this size on the folder; yields a function that enlarges it, or None if it is not allowed."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *(f"{k}={v}" for k, v in options.items())])]
    try:
        is_made = subprocess.run([*words, "none", str(folder)], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_made = False
    enlarge = ["mount", "-o", "remount,size=100m,nr_inodes=100000", str(folder)]
    try:
        yield functools.partial(subprocess.run, enlarge, check=True, capture_output=True) if is_made else None
    finally:
        if is_made:
            subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


@row(
    "A full disk, no inodes, a limit on the size of files", "a sentence, exit 0 or 2; the same bits with space again", 8
)
def full_disk(lab: Lab) -> Iterator[Trial]:
    """A small tmpfs if this process may mount one (root), and in any case a limit on the size of files."""
    for name, size, options in (
        *((size, size, {}) for size in ("60k", "200k", "400k", "800k")),
        ("no inodes", "50m", {"nr_inodes": "40"}),
    ):
        out = lab.path("disk")
        with small_disk(out, size, **options) as enlarge:
            if enlarge is None:
                break
            done = runs.run(lab, runs.words(out))
            enlarge()
            yield _with_space_again(lab, f"tmpfs, {name}", out, done)
    for kilobytes in (4, 20):
        out = lab.path("limit")
        done = runs.run(lab, limited(runs.words(out), "RLIMIT_FSIZE", kilobytes * 1024))
        yield _with_space_again(lab, f"files of at most {kilobytes} kB", out, done)


def limited(command: list[str], limit: str, value: int) -> list[str]:
    """The command under a limit of the operating system."""
    set_limit = f"resource.setrlimit(resource.{limit}, ({value}, {value}))"
    code = f"import os, resource, sys; {set_limit}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", code, *command]


def _with_space_again(lab: Lab, name: str, out: Path, done: runs.Ended) -> Trial:
    again = runs.run(lab, runs.words(out))
    claims = {
        "exit 0 or 2": done.code in (0, 2),
        "no traceback": done.is_orderly,
        f"exit 0 afterwards ({again})": again.code == 0,
        f"the same bits afterwards ({runs.bits(out)})": runs.bits(out) == runs.bits(lab.shared / "base"),
    }
    return trial(name, claims, done)


CALLS = {
    "fsync fails (EIO)": (("fsync",), errno.EIO, 1),
    "every rename fails (ESTALE)": (("rename", "replace"), errno.ESTALE, 1),
    "every second rename fails (ESTALE)": (("rename", "replace"), errno.ESTALE, 2),
    "every third rename fails (EXDEV)": (("rename", "replace"), errno.EXDEV, 3),
    "deleting a folder fails (ENOTEMPTY)": (("rmdir",), errno.ENOTEMPTY, 1),
    "deleting a folder fails (EBUSY)": (("rmdir",), errno.EBUSY, 1),
    "deleting a file fails (EACCES)": (("unlink", "remove"), errno.EACCES, 1),
}
"""Functions of `os`, the error that they raise, and how often: at each call, at every second one, ..."""


@contextlib.contextmanager
def failing(functions: tuple[str, ...], code: int, every: int) -> Iterator[None]:
    """Makes calls to the operating system fail, as network file systems do."""
    calls = 0

    def wrapped(original: Callable) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls % every == 0:
                raise OSError(code, os.strerror(code), str(args[0]))
            return original(*args, **options)

        return call

    originals = {name: getattr(os, name) for name in functions}
    try:
        for name, original in originals.items():
            setattr(os, name, wrapped(original))
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


@row("fsync, renames and deletions that fail", "a warning, and training goes on; the same bits afterwards")
def failing_calls(lab: Lab) -> Iterator[Trial]:
    """Trains while calls fail, and again when they do not; with errors that are injected into Python's `os`."""
    from glowjax.checks import InputError

    base = _fit(lab, lab.path("base"))
    for name, (functions, code, every) in CALLS.items():
        out = lab.path("failing")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                with failing(functions, code, every):
                    _fit(lab, out)
                claims = {"a warning": bool(told) or every > 1}
                seen = "trained to its end"
            except InputError as error:
                claims, seen = {"deletions end no run": "delet" not in name}, str(error)
            except Exception as error:
                claims, seen = {"a sentence": False}, f"{type(error).__name__}: {error}"[:300]
            again = _fit(lab, out)
        yield trial(name, claims | {f"the same bits afterwards ({again})": again == base}, seen)


def _fit(lab: Lab, out: Path) -> str:
    """The bits of a training in this process; it resumes what is there."""
    import jax

    import glowjax as gj

    images = gj.data.load("tiny", "train", lab.shared / "data").images
    schedule: Any = {"num_steps": 10, "evaluate_every": 2, "log_every": 1, "batch_size": 16, "warmup_steps": 2}
    gj.train.fit(
        gj.nvp_glow(1, 1, 8),
        images[:100],
        key=jax.random.key(0),
        directory=out,
        validation=np.asarray(images[100:120]),
        **schedule,
    )
    return runs.bits(out)
