"""Shared by all figures: size, type, the color of each data set, and how a figure is saved.

Figures are plain `matplotlib.figure.Figure` objects: no window, no global state, nothing to close.
"""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Real
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from glowjax.checks import InputError, unknown
from glowjax.files import in_one_step, write_text
from glowjax.stats import Estimate

Vector: TypeAlias = Real[jax.Array | np.ndarray, " _"] | Sequence[float | int]
"""[N] numbers; each figure converts them to float64."""

PAGE_WIDTH = 6.5  # inches, the text width of a printed page
DOTS_PER_INCH = 150

# The palette of Okabe and Ito, which color-blind readers can tell apart, without the yellow that is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (10, 3)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))

UNLABELED = re.compile(r"_(child|container)\d+|_nolegend_")
"""The labels that Matplotlib gives to artists without a label."""

_SPLITS = ("", "train", "validation", "test")
_SETS_BY_COLOR = (
    ("fashionmnist", "cifar10"),
    ("mnist", "svhn"),
    ("notmnist", "notmnistsmall", "cifar100"),
    ("letters", "celeba", "celeba32"),
    ("imagenet", "imagenet32"),
)
_COLOR_OF_SET = {name: color for color, names in zip(COLORS, _SETS_BY_COLOR, strict=False) for name in names}

_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "lines.linewidth": 1.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.facecolor": "white",
    "savefig.dpi": DOTS_PER_INCH,
}

P = ParamSpec("P")


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Runs a plotting function under the shared style and restores Matplotlib's settings afterwards.

    A $ in a name is shown as it is and begins no formula.
    """

    @wraps(plot)
    def run(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(_STYLE):
            figure = plot(*args, **kwargs)
        for text in figure.findobj(Text):
            if isinstance(text, Text) and "$" in text.get_text():  # not yet of logarithmic ticks
                text.set_parse_math(False)
        return figure

    return run


def new_figure(height: float, num_panels: int = 1, num_columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """An empty figure as wide as a page, `height` inches high, and its panels, in one row or row by row."""
    num_columns = num_columns or num_panels
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    cells = figure.subplots(-(-num_panels // num_columns), num_columns, squeeze=False).ravel()
    for unused in cells[num_panels:]:
        unused.set_visible(False)
    return figure, list(cells[:num_panels])


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """{set: its color and dashes}. A well-known data set has the same color in every figure; dashes follow the order.

    The first set, usually the in-distribution one, is solid. Names are matched as "MNIST", "MNIST test" or
    "mnist:test". A second split of a data set, a derived set and an unknown set get the colors that are left.
    """
    names = list(names)
    colors: dict[str, str] = {}
    for name in names:
        stem, _, split = name.replace(":", " ").partition(" ")
        color = _COLOR_OF_SET.get(re.sub(r"[^a-z0-9]", "", stem.lower())) if split in _SPLITS else None
        if color is not None and color not in colors.values():
            colors[name] = color
    left = itertools.cycle([color for color in COLORS if color not in colors.values()])
    return {
        name: {"color": colors.get(name) or next(left), "linestyle": DASHES[n % len(DASHES)]}
        for n, name in enumerate(names)
    }


def in_dist_first(values: Mapping[str, Vector], in_dist: str) -> dict[str, Float[np.ndarray, " _"]]:
    """{set: [N] float64} with the in-distribution set first; refuses an unknown set and what `finite_arrays` does."""
    if in_dist not in values:
        raise unknown("in-distribution set", in_dist, values)
    return finite_arrays({name: values[name] for name in {in_dist: None, **values}})


def finite_arrays(values: Mapping[str, Vector]) -> dict[str, Float[np.ndarray, " _"]]:
    """{set: [N] float64}; refuses an empty set and a number that is not finite."""
    arrays = {name: np.ravel(np.asarray(array, np.float64)) for name, array in values.items()}
    for name, array in arrays.items():
        num_bad = np.count_nonzero(~np.isfinite(array))
        if num_bad or not array.size:
            raise InputError(
                f"'{name}' holds {array.size} numbers, {num_bad} of them not finite. A plot needs at least one number "
                "and only finite ones: leave out the others and report how many they are."
            )
    return arrays


def values_and_errors(estimates: Iterable[Estimate]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Values and standard errors of the estimates, as arrays."""
    pairs = [(float(estimate.value), float(estimate.sem)) for estimate in estimates]
    values, errors = np.asarray(pairs, np.float64).T
    return values, errors


def finished(figure: Figure, legend_of: Axes | None = None, title: str = "", num_columns: int | None = None) -> Figure:
    """The figure with a title above all panels, and the legend of one panel below them, where it hides no data.

    The legend has as many columns as fit, unless `num_columns` is given.
    """
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    if legend_of:
        handles, labels = legend_entries(legend_of)
        num_columns = num_columns or max(1, 90 // (max(map(len, labels)) + 8))  # 90 characters per line, 8 per handle
        figure.legend(handles, labels, loc="outside lower center", ncols=num_columns)
    return figure


def legend_entries(axes: Axes) -> tuple[list[Any], list[str]]:
    """The artists with a label, and their labels, also if a label begins with "_", which Matplotlib would skip."""
    drawn = [artist for artist in axes.get_children() if isinstance(artist, Line2D | Patch)]
    entries = [(artist, str(artist.get_label() or "")) for artist in (*drawn, *axes.containers)]
    entries = [(artist, label) for artist, label in entries if label and not UNLABELED.fullmatch(label)]
    return [artist for artist, _ in entries], [label for _, label in entries]


def save(figure: Figure, path_without_suffix: str | Path, data: Mapping[str, Any]) -> Path:
    """Writes the figure as PNG and its numbers as JSON beside it, and returns the path of the PNG.

    Missing folders are made. The numbers are written as `json_text` gives them.
    """
    png, text = (Path(f"{path_without_suffix}{suffix}") for suffix in (".png", ".json"))
    encoded = json_text(data)
    png.parent.mkdir(parents=True, exist_ok=True)
    with in_one_step(png) as part:
        figure.savefig(part, dpi=DOTS_PER_INCH, format="png")
    write_text(text, encoded)
    return png


def json_text(data: Mapping[str, Any]) -> str:
    """`data` as JSON, one number per line.

    Arrays become lists, named tuples and dataclasses become objects, and non-finite numbers become null, because JSON
    cannot express them.
    """
    return json.dumps(_plain(data), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """The value in JSON's types."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "as_dict"):
        return _plain(value.as_dict())
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__array__"):
        return _plain(np.asarray(value).tolist())
    raise InputError(
        f"The data of a figure holds a {type(value).__name__}; expected numbers, strings, arrays and "
        "containers of these: convert it first."
    )
