"""Reads what strangers send in a process of its own, which has little memory and little time."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from glowjax.checks import InputError

GIGABYTES = 6
"""The address space of a reader."""

SECONDS = 20
"""The time that a reader has."""


def outcome(read: Callable[[], object]) -> str:
    """What comes of a call: "accepted", "refused: ..." for an InputError, the error, "hung" or "died"."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
        signal.alarm(SECONDS)
        os.write(writing, _called(read).encode(errors="backslashreplace")[:4000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hung" if os.WTERMSIG(status) == signal.SIGALRM else f"died of signal {os.WTERMSIG(status)}"
    return said


def _called(read: Callable[[], object]) -> str:
    try:
        read()
    except InputError as error:
        return f"refused: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


class Trap:
    """A file that appears if something runs a program or a pickle that a stranger sent.

    Attributes:
        sprung: the file.
    """

    def __init__(self, folder: Path) -> None:
        self.sprung = folder / "sprung"
        programs = folder / "programs"
        programs.mkdir()
        for name in ("gs", "gswin32c", "gswin64c", "inkscape", "convert"):
            (programs / name).write_text(f"#!/bin/sh\ntouch '{self.sprung}'\nexit 1\n")
            (programs / name).chmod(0o755)
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        (folder / "trap_module.py").write_text(f"open({str(self.sprung)!r}, 'w').close()\n")
        sys.path.insert(0, str(folder))

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.system, (f"touch '{self.sprung}'",)

    def is_set(self) -> bool:
        """Whether nothing was run since the last look."""
        was_sprung = self.sprung.exists()
        self.sprung.unlink(missing_ok=True)
        return not was_sprung
