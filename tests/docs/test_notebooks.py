"""The notebooks run from the first cell to the last, and the outputs in them are those of their cells."""

import subprocess
import sys

import nbformat
import pytest
from docs.documents import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 250_000  # bytes of a notebook with its outputs


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The folder that fresh notebooks go to, and {notebook: the process that runs it}: all at once."""
    folder = tmp_path_factory.mktemp("notebooks") / "fresh"
    command = [sys.executable, ROOT / "docs" / "run_notebooks.py", "--into", folder]
    processes = {path: subprocess.Popen([*command, path], cwd=ROOT, stderr=subprocess.PIPE) for path in NOTEBOOKS}
    yield folder, processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.mark.release
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, running):
    folder, processes = running
    _, errors = processes[path].communicate(timeout=600)
    assert processes[path].returncode == 0, errors.decode()
    fresh, kept = nbformat.read(folder / path.name, as_version=4), nbformat.read(path, as_version=4)
    for now, then in zip(fresh.cells, kept.cells, strict=True):
        if now.cell_type == "code":
            assert kinds(now) == kinds(then), f"the outputs are not of this cell, run make notebooks:\n{now.source}"


def kinds(cell):
    """What a cell puts out, values apart: those depend on the machine."""
    text = "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")
    return text.count("\n"), [sorted(output.data) for output in cell.outputs if "data" in output]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_tell_nothing_of_the_machine(path):
    text = path.read_text()
    assert len(text) < LARGEST
    assert str(ROOT) not in text
    assert all("execution" not in cell.metadata for cell in nbformat.read(path, as_version=4).cells)
