"""Runs the notebooks and writes their outputs into them, for the site to show: `make notebooks`."""

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent / "notebooks").glob("*.ipynb"))


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook at `path` with new outputs; an error in a cell is raised.

    Times and the interpreter's version are left out, because they depend on the machine.
    """
    notebook = nbformat.read(path, as_version=4)
    metadata = notebook.metadata.copy()
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", record_timing=False, resources={"metadata": {"path": path.parent}}
    )
    client.execute()
    notebook.metadata = metadata
    return notebook


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=NOTEBOOKS, help="default: all")
    parser.add_argument("--into", type=Path, help="a folder to write into; default: each notebook itself")
    arguments = parser.parse_args()
    if arguments.into:
        arguments.into.mkdir(parents=True, exist_ok=True)
    for notebook_path in arguments.notebooks:
        nbformat.write(executed(notebook_path), (arguments.into or notebook_path.parent) / notebook_path.name)
