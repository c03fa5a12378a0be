"""Renders formulas as MathML, which browsers draw without scripts, fonts or the network."""

from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

CONVERTER = LatexToMathML()


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the renderer, for `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: nodes.Node) -> None:
    _add(translator, node, displaystyle=False)


def _display(translator: Any, node: nodes.Node) -> None:
    _add(translator, node, displaystyle=True)


def _add(translator: Any, node: nodes.Node, displaystyle: bool) -> None:
    latex = node.astext()
    try:
        translator.body.append(CONVERTER.convert_with_local_state(latex, displaystyle=displaystyle))
    except LatexError as error:
        raise ExtensionError(f"A formula cannot be read: {latex}", error) from error
    raise nodes.SkipNode
