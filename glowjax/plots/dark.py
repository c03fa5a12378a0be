"""The same figure for a dark page: paper and ink change places, data keep their colours, images stay as they are."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure

PAPER, INK = np.array([0x17, 0x17, 0x1A]) / 255, np.array([0xE8, 0xE8, 0xEA]) / 255
PROPERTIES = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def dark_path(png: Path) -> Path:
    """Where the dark version of the figure at `png` stands: "gap-dark.webp", half the size, beside "gap.png"."""
    return png.with_name(f"{png.stem}-dark.webp")


def save_dark(figure: Figure, png: Path, dots_per_inch: int) -> None:
    """Writes the dark version of the figure at `png`; the figure itself stays as it is."""
    with _darkened(figure):
        figure.savefig(dark_path(png), dpi=dots_per_inch, pil_kwargs={"lossless": True})


@contextlib.contextmanager
def _darkened(figure: Figure) -> Iterator[Figure]:
    """The figure in dark colours, until the context ends."""
    undo: list[Callable[[], Any]] = []
    try:
        for artist in figure.findobj():
            for name in PROPERTIES:
                before, change = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
                if before and change and (dark := _dark(before())) is not None:
                    undo.append(functools.partial(change, before()))
                    change(dark)
        yield figure
    finally:
        for restore in reversed(undo):
            restore()


def _dark(colour: Any) -> np.ndarray | None:
    """The colour with its greys turned round, [4] or [N, 4]; None where it has none, or is no colour."""
    try:
        rgba = to_rgba_array(colour)
    except (TypeError, ValueError):
        return None
    grey = np.ptp(rgba[:, :3], axis=1) == 0
    if not grey.any():
        return None
    rgba[grey, :3] = INK + rgba[grey, :1] * (PAPER - INK)
    return rgba if np.ndim(colour) > 1 else rgba[0]
