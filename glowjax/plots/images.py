"""Images and samples, pixel for pixel: no smoothing, no stretching of contrast."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from glowjax.checks import InputError
from glowjax.plots.style import PAGE_WIDTH, styled

GAP = 2  # pixels between images
MAX_CELL = 0.8  # inches: more would show pixels rather than images
TITLE_HEIGHT = 0.3  # inches
SCORE_HEIGHT = 0.17  # inches, for the number above an image


def image_grid(images: np.ndarray, num_columns: int = 10, title: str = "") -> Figure:
    """A grid of images, row by row.

    Args:
        images: [N, H, W, C] uint8, C = 1 (gray) or 3 (colour).
        num_columns: images in a row.
        title: above the grid.

    Raises:
        InputError: as for `samples`.
    """
    return samples({title: images}, num_columns)


@styled
def samples(images: Mapping[str, np.ndarray], num_columns: int = 10) -> Figure:
    """A grid of images for each title, from top to bottom: real images and samples, or one temperature each.

    Args:
        images: {title: [N, H, W, C] uint8}, C = 1 (gray) or 3 (colour).
        num_columns: images in a row.

    Raises:
        InputError: where images are not uint8 [N, H, W, C] with C = 1 or 3, or none, or num_columns is not
            positive.
    """
    if num_columns < 1:
        raise InputError(f"num_columns is {num_columns}; a grid needs at least 1.")
    grids = {title: _tile(title, np.asarray(array), num_columns) for title, array in images.items()}
    width = min(PAGE_WIDTH, MAX_CELL * num_columns)
    heights = [width * grid.shape[0] / grid.shape[1] + TITLE_HEIGHT * bool(title) for title, grid in grids.items()]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    panels = figure.subplots(len(grids), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, grid) in zip(panels, grids.items(), strict=True):
        shown = (
            _tile(title, np.zeros(np.shape(images[title]), np.uint8), num_columns).reshape(*grid.shape[:2], -1)[..., 0]
            == 0
        )
        axes.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest", alpha=shown.astype(float))
        axes.set_title(title)
        axes.set_axis_off()
    return figure


@styled
def scored_images(ranked: Mapping[str, tuple[np.ndarray, np.ndarray]], num_columns: int = 10) -> Figure:
    """A grid of images for each title, with the bits per dimension above each image.

    Args:
        ranked: {title: ([N, H, W, C] uint8 with C = 1 or 3, [N] bits/dim)}.
        num_columns: images in a row.

    Raises:
        InputError: where images are not uint8 [N, H, W, C], or there is not one number an image.
    """
    rows = [-(-len(images) // num_columns) for images, _ in ranked.values()]
    height = sum(rows) * (PAGE_WIDTH / num_columns + SCORE_HEIGHT) + TITLE_HEIGHT * len(ranked)
    figure = Figure(figsize=(PAGE_WIDTH, height))
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    parts = figure.subfigures(len(ranked), 1, squeeze=False, height_ratios=rows)[:, 0]
    for part, num_rows, (title, (images, bits)) in zip(parts, rows, ranked.items(), strict=True):
        if len(images) != len(bits):
            raise InputError(f"'{title}' has {len(images)} images and {len(bits)} scores; expected one an image.")
        part.suptitle(title, x=0.01, ha="left", fontsize="large")
        panels = part.subplots(num_rows, num_columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, image, value in zip(panels, images, bits, strict=False):
            axes.imshow(_tile(title, image[None], 1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(f"{value:.2f}", fontsize="small", loc="center", pad=2)
    return figure


def _tile(title: str, images: np.ndarray, num_columns: int) -> np.ndarray:
    """[rows, columns] or [rows, columns, 3] uint8: the images side by side on white."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or not len(images):
        raise InputError(
            f"The images of '{title}' are {images.dtype} of shape {images.shape}; expected uint8 "
            "[N, H, W, C] with N at least 1 and C of 1 or 3: convert them to grey levels 0..255 first."
        )
    num_images, height, width, num_channels = images.shape
    num_columns = min(num_columns, num_images)
    num_rows = -(-num_images // num_columns)
    sheet = np.full((num_rows * num_columns, height + GAP, width + GAP, num_channels), 255, np.uint8)
    sheet[:num_images, :height, :width] = images
    grid = sheet.reshape(num_rows, num_columns, height + GAP, width + GAP, num_channels).swapaxes(1, 2)
    tiled = grid.reshape(num_rows * (height + GAP), num_columns * (width + GAP), num_channels)[:-GAP, :-GAP]
    return tiled[..., 0] if num_channels == 1 else tiled
