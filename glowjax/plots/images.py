"""Images and samples, pixel for pixel, without smoothing and without stretching the contrast."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from glowjax.checks import InputError, check_count
from glowjax.plots.style import PAGE_WIDTH, Vector, styled

GAP = 2  # pixels between images
MAX_CELL = 0.8  # inches per image: more would show pixels rather than images
TITLE_HEIGHT = 0.3  # inches
CHARACTER_WIDTH = 0.07  # inches, in the name of a row
SCORE_HEIGHT = 0.17  # inches, for the number above an image


@styled
def samples(images: Mapping[str, np.ndarray], num_columns: int = 10) -> Figure:
    """One grid of images per title, from top to bottom: real images and samples, or one temperature each.

    `images` is {title: [N, H, W, C] uint8} with C = 1 (grey) or 3 (color); a row has `num_columns` of them.
    """
    check_count("num_columns", num_columns)
    grids = {title: _tile(title, np.asarray(array), num_columns) for title, array in images.items()}
    width = min(PAGE_WIDTH, MAX_CELL * num_columns)
    heights = [width * len(grid) / grid.shape[1] + TITLE_HEIGHT * bool(title) for title, grid in grids.items()]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    panels = figure.subplots(len(grids), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, grid) in zip(panels, grids.items(), strict=True):
        axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    return figure


@styled
def image_table(images: Mapping[str, np.ndarray], columns: Sequence[str]) -> Figure:
    """A row of images per name, with the names at the left and the titles of the columns above.

    `images` is {name: [N, H, W, C] uint8} with C = 1 (grey) or 3 (color), as many in each row as there are `columns`.
    """
    for name, row in images.items():
        if len(row) != len(columns):
            raise InputError(f"'{name}' has {len(row)} images for {len(columns)} columns; expected one per column.")
    rows = [_tile(name, np.asarray(row), len(columns)) for name, row in images.items()]
    heights = [len(row) + GAP for row in rows]
    grid = np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])[:-GAP]
    label = CHARACTER_WIDTH * max(map(len, images)) / PAGE_WIDTH  # as a share of the width
    height = PAGE_WIDTH * (1 - label) * len(grid) / grid.shape[1]
    title = TITLE_HEIGHT * any(columns)
    figure = Figure(figsize=(PAGE_WIDTH, height + title))
    axes = figure.add_axes((label, 0, 1 - label, height / (height + title)))
    axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    step = (grid.shape[1] + GAP) / len(columns)
    axes.xaxis.tick_top()
    axes.set_xticks((np.arange(len(columns)) + 0.5) * step - (GAP + 1) / 2, columns)
    axes.set_yticks(np.cumsum(heights) - np.array(heights) / 2 - (GAP + 1) / 2, list(images))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def scored_images(ranked: Mapping[str, tuple[np.ndarray, Vector]], num_columns: int = 10) -> Figure:
    """One grid of images per title, with the bits per dimension above each image.

    `ranked` is {title: ([N, H, W, C] uint8 with C = 1 or 3, [N] bits/dim)}.
    """
    check_count("num_columns", num_columns)
    rows = [-(-len(images) // num_columns) for images, _ in ranked.values()]
    height = sum(rows) * (PAGE_WIDTH / num_columns + SCORE_HEIGHT) + TITLE_HEIGHT * len(ranked)
    figure = Figure(figsize=(PAGE_WIDTH, height))
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    parts = figure.subfigures(len(ranked), 1, squeeze=False, height_ratios=rows)[:, 0]
    for part, num_rows, (title, (images, bits)) in zip(parts, rows, ranked.items(), strict=True):
        if len(images) != len(bits):
            raise InputError(f"'{title}' has {len(images)} images and {len(bits)} scores; expected one per image.")
        part.suptitle(title, x=0.01, ha="left", fontsize="large")
        panels = part.subplots(num_rows, num_columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, image, value in zip(panels, images, bits, strict=False):
            axes.imshow(_tile(title, image[None], 1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(f"{value:.2f}", fontsize="small", loc="center", pad=2)
    return figure


def _tile(title: str, images: np.ndarray, num_columns: int) -> UInt8[np.ndarray, "rows columns C"]:
    """The images side by side on white."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or not len(images):
        raise InputError(
            f"The images of '{title}' are {images.dtype} of shape {images.shape}; expected uint8 [N, H, W, C] with N "
            "at least 1 and C of 1 or 3: convert them to grey levels 0..255 first."
        )
    num_images, height, width, num_channels = images.shape
    num_columns = min(num_columns, num_images)
    num_rows = -(-num_images // num_columns)
    cells = np.full((num_rows * num_columns, height + GAP, width + GAP, num_channels), 255, np.uint8)
    cells[:num_images, :height, :width] = images
    grid = cells.reshape(num_rows, num_columns, height + GAP, width + GAP, num_channels).swapaxes(1, 2)
    return grid.reshape(num_rows * (height + GAP), num_columns * (width + GAP), num_channels)[:-GAP, :-GAP]
