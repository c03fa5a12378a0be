"""Turns the marks of our docstrings into reStructuredText, and puts functions ahead of classes on the API pages.

In docstrings, text between single backticks is code. Asterisks and bars, as in [*shape] or |det J|, are literal.
"""

import itertools
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
MARKS = re.compile(r"[*|\\]|_(?!\w)")
ENTRY = (addnodes.index, addnodes.desc)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the hooks; the first must run before napoleon, which reads the sections of a docstring."""
    app.connect("autodoc-process-docstring", _process, priority=100)
    app.connect("autodoc-skip-member", _skip)
    app.connect("doctree-read", _functions_first)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = map(as_rst, lines)


def as_rst(line: str) -> str:
    """The line with its code in double backticks and everything else literal; an example's line as it is."""
    if line.lstrip().startswith(">>>"):
        return line
    words = CODE.split(line)  # text and code alternate
    return "".join(f"``{word}``" if place % 2 else MARKS.sub(r"\\\g<0>", word) for place, word in enumerate(words))


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out the fields of named tuples, which the docstring of the class explains, and Flax's `replace`."""
    return True if name == "replace" or str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def _functions_first(app: Sphinx, doctree: nodes.document) -> None:
    """Sorts each module's entries: functions, then classes and data, otherwise in their order."""
    parents = [part for part in doctree.findall() if any(isinstance(child, addnodes.desc) for child in part.children)]
    for parent in parents:
        if not isinstance(parent, nodes.section | nodes.document):
            continue
        runs = [list(run) for _, run in itertools.groupby(parent.children, lambda part: isinstance(part, ENTRY))]
        runs = [sorted(_entries(run), key=_is_no_function) if isinstance(run[0], ENTRY) else [run] for run in runs]
        parent.children = [node for run in runs for entry in run for node in entry]


def _entries(run: list[nodes.Node]) -> list[list[nodes.Node]]:
    """Each description with the index entries before it."""
    entries: list[list[nodes.Node]] = [[]]
    for node in run:
        entries[-1].append(node)
        if isinstance(node, addnodes.desc):
            entries.append([])
    return entries


def _is_no_function(entry: list[nodes.Node]) -> bool:
    return not entry or not isinstance(entry[-1], addnodes.desc) or entry[-1]["objtype"] != "function"
