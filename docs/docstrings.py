"""Docstrings are written as people read them in the source; here their few marks become reStructuredText's.

What stands between single backticks is code; asterisks and bars, as in [*shape] or |det J|, are no markup.
"""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
MARKS = re.compile(r"[*|\\]|_(?!\w)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Runs ahead of napoleon, which reads the sections of a docstring."""
    app.connect("autodoc-process-docstring", _process, priority=100)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = map(as_rst, lines)


def as_rst(line: str) -> str:
    """The line with code in double backticks and everything else taken literally."""
    words = CODE.split(line)  # text and code alternate
    return "".join(f"``{word}``" if place % 2 else MARKS.sub(r"\\\g<0>", word) for place, word in enumerate(words))


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out the fields of named tuples, of which the class's own docstring says more."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None
