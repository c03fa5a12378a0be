"""Runs an experiment, or lists all of them.

python -m experiments                lists every experiment
python -m experiments NAME --help    describes one and its options
python -m experiments NAME ...       runs it
"""

import ast
import importlib
import sys
from pathlib import Path

from experiments import process

HERE = Path(__file__).parent
FOLDERS = {
    "": "Start here",
    "figures": "The paper's figures and claims",
    "beyond": "Beyond the paper",
    "tools": "Tools",
}


def modules() -> dict[str, Path]:
    """{name of an experiment: its file}."""
    files = [file for folder in FOLDERS for file in sorted((HERE / folder).glob("*.py"))]
    return {
        file.stem.replace("_", "-"): file for file in files if "\ndef main(config" in file.read_text(encoding="utf-8")
    }


def listing() -> str:
    """Every experiment with the first line of its docstring, by folder."""
    found = modules()
    width = max(map(len, found))
    lines = ["usage: python -m experiments NAME [OPTIONS]; options: python -m experiments NAME --help"]
    for folder, heading in FOLDERS.items():
        lines += ["", heading]
        for name, file in found.items():
            if file.parent == HERE / folder:
                first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]
                lines.append(f"  {name:{width}}  {first}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Runs the experiment that the first argument names, or prints the list."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing())
        return
    name, *rest = arguments
    found = modules()
    name = name.replace("_", "-")
    try:
        importlib.import_module("jax")
    except ValueError as error:  # a setting in the environment that JAX does not understand
        print(f"error: JAX cannot be imported: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from experiments.report.experiment import from_command_line
    from glowjax.checks import unknown

    if name not in found:
        print(f"error: {unknown('experiment', name, found)}", file=sys.stderr)
        raise SystemExit(2)
    path = found[name].relative_to(HERE.parent).with_suffix("")
    from_command_line(importlib.import_module(".".join(path.parts)), rest)


if __name__ == "__main__":
    process.run(lambda: main(sys.argv[1:]))
