"""What all figures share: size, type, the look of each image set, and how a figure reaches the disk.

Figures are plain `matplotlib.figure.Figure` objects: no window, no global state, nothing to close.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glowjax.checks import InputError, unknown
from glowjax.plots.dark import save_dark
from glowjax.stats import Result

PAGE_WIDTH = 6.5  # inches, the text width of a printed page
DOTS_PER_INCH = 150

# Okabe and Ito's colours, which colour-blind readers can tell apart, less the yellow that vanishes on white.
# Seven colours against six dashes: 42 sets pass before two look alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (10, 3)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))

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
    """The plotting function, run under the shared style and leaving Matplotlib's settings as they were."""

    @wraps(plot)
    def run(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(_STYLE):
            return plot(*args, **kwargs)

    return run


def new_figure(height: float, num_columns: int = 1, num_rows: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure as wide as a page, `height` inches high, and its panels, row by row."""
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(num_rows, num_columns, squeeze=False).ravel())


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """{set: its colour and dashes}, in order; the first, blue and solid, is for the in-distribution set."""
    return {
        name: {"color": COLOURS[n % len(COLOURS)], "linestyle": DASHES[n % len(DASHES)]} for n, name in enumerate(names)
    }


def in_dist_first(values: Mapping[str, Any], in_dist: str) -> dict[str, np.ndarray]:
    """{set: [N] float64} with the in-distribution set first and the others in their given order.

    Raises:
        InputError: where `in_dist` is none of the sets, or a set is empty or holds a non-finite number.
    """
    if in_dist not in values:
        raise unknown("in-distribution set", in_dist, values)
    return finite_arrays({name: values[name] for name in {in_dist: None, **values}})


def finite_arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{set: [N] float64}. Raises InputError where a set is empty or holds a non-finite number."""
    arrays = {name: np.ravel(np.asarray(array, np.float64)) for name, array in values.items()}
    for name, array in arrays.items():
        num_bad = np.count_nonzero(~np.isfinite(array))
        if num_bad or not array.size:
            raise InputError(
                f"'{name}' holds {array.size} numbers, {num_bad} of them not finite; a plot needs some "
                "and all of them finite: leave the others out and say how many."
            )
    return arrays


def legend_below(figure: Figure, axes: Axes, num_columns: int | None = None) -> None:
    """Puts the legend of `axes` under the whole figure, where it can hide no data; in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    num_columns = num_columns or max(1, 90 // (max(map(len, labels)) + 8))  # 90 characters a line, 8 for the handle
    figure.legend(handles, labels, loc="outside lower center", ncols=num_columns)


def save(figure: Figure, path_without_suffix: str | Path, data: Mapping[str, Any]) -> Path:
    """Path of the PNG, written beside one for dark pages and a JSON file of the numbers; folders are made as needed.

    Arrays become lists, named tuples and dataclasses become objects, and non-finite numbers become null,
    since JSON has no word for them.

    Raises:
        InputError: where `data` holds something that is neither a number, a string, an array nor a container.
    """
    png, text = (Path(f"{path_without_suffix}{suffix}") for suffix in (".png", ".json"))
    encoded = json.dumps(_plain(data), indent=1, allow_nan=False)
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png, dpi=DOTS_PER_INCH)
    save_dark(figure, png, DOTS_PER_INCH)
    text.write_text(encoded + "\n", encoding="utf-8")
    return png


def _plain(value: Any) -> Any:
    """The value in the types that JSON knows."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Result):
        return value.as_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic) or hasattr(value, "__array__"):
        return _plain(np.asarray(value).tolist())
    raise InputError(
        f"The data of a figure holds a {type(value).__name__}; expected numbers, strings, arrays and "
        "containers of these: convert it first."
    )
