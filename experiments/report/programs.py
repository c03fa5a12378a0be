"""Compiled programs that are kept from one start of a command to the next, in JAX's persistent compilation cache."""

import contextlib
import os
import re
import warnings
from pathlib import Path

import jax

FAILURE = re.compile(r"Error (reading|writing) persistent compilation cache entry for '(.+?)': (.*)", re.DOTALL)
"""JAX's warning about an entry in the cache. The groups are "reading" or "writing", the program, and the reason."""

_told: set[str] = set()


def keep_programs() -> None:
    """Keeps every compiled program, in ~/.cache/glowjax/xla unless JAX_COMPILATION_CACHE_DIR names another folder."""
    folder = os.path.expanduser("~/.cache/glowjax/xla")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and os.path.isabs(folder):  # some users have no home folder
        jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    warnings.filterwarnings("always", FAILURE.pattern)  # each entry counts, even if two warnings are equal


def about_programs(warning: str) -> str:
    """The text to print for a warning: "" for an entry that could be repaired, one sentence if the cache fails.

    JAX writes entries in place and never replaces one, so a kill or a full disk leaves an incomplete entry. This
    function deletes damaged entries; then JAX compiles the program and writes it again.
    """
    found = FAILURE.match(warning)
    if not found:
        return warning
    what, program, reason = found.groups()
    folder = Path(jax.config.values["jax_compilation_cache_dir"])
    is_repaired = _forget(folder, program)
    if what in _told or (what == "reading" and is_repaired):
        return ""
    _told.add(what)
    return (
        f"Compiled programs cannot be kept in {folder} ({reason.partition(chr(10))[0]}), so the next start compiles "
        "again; make room there, or name another folder: JAX_COMPILATION_CACHE_DIR"
    )


def _forget(folder: Path, program: str) -> bool:
    """Deletes all entries of a program, one or more per shape. Returns True if there were some and all are gone."""
    entries = [path for path in folder.glob("*-cache") if path.name.rpartition("-")[0].rpartition("-")[0] == program]
    for path in entries:
        with contextlib.suppress(OSError):
            path.unlink()
    return bool(entries) and not any(path.exists() for path in entries)
