"""The cache of compiled programs repairs itself, and is no reason for more than one warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, sys, warnings
import jax, numpy as np
from pathlib import Path
from experiments.report.experiment import show
from experiments.report.programs import keep_programs

keep_programs()
warnings.showwarning = lambda message, *_: show(str(message))
first, second = jax.jit(lambda x: x + 1), jax.jit(lambda x: x * 2)
for damage in sys.argv[1:]:
    jax.clear_caches()
    for entry in Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob("*-cache"):
        half = entry.read_bytes()[: entry.stat().st_size // 2]
        entry.write_bytes({"half": half, "empty": b"", "zeros": bytes(99)}[damage])
    first(np.ones(3)), second(np.ones(3)), first(np.ones(4))
"""


def used(folder, *damages):
    """The process that compiles a few programs, again after each damage to what it has kept."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", PROGRAM, *damages]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


def test_damaged_entries_are_written_again_without_a_word_and_a_folder_that_refuses_gets_one_warning(tmp_path):
    whole = used(tmp_path / "cache", "half")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "cache").glob("*-cache")}
    assert (whole.stderr, len(sizes) > 2) == ("", True)
    repaired = used(tmp_path / "cache", "half", "empty", "zeros", "half")
    assert repaired.stderr == ""
    for path in (tmp_path / "cache").glob("*-cache"):
        assert path.stat().st_size == pytest.approx(sizes[path.name], rel=0.1)
    (tmp_path / "file").touch()
    refused = used(tmp_path / "file", "half")
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith(f"warning: Compiled programs cannot be kept in {tmp_path}/file (")
