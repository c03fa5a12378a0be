"""Derivatives of local maps: images [H, W, C] -> [H, W, F] whose output at a pixel depends on a window around it.

The Jacobian of such a map is a band matrix. A window has k = 2 reach + 1 rows and columns, so pixels that are k rows or
columns apart reach no common output. One derivative along all of them (a probe) holds the columns of the Jacobian of
all of them (Curtis, Powell and Reid 1974). With k k C probes the Jacobian is known, however many pixels there are.
Derivatives along other directions are then products with the band.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from glowjax.linalg import matmul

Tangents = Float[Array, "R H W C"]
Probed = Float[Array, "P H W F"]
"""The derivatives of a value of a local map along its probes."""

Products = Float[Array, "H W P P"]


def probes(shape: tuple[int, ...], reach: int) -> np.ndarray:
    """The directions [P, H, W, C]: for every channel and place in a window, ones at all pixels of that place."""
    height, width, channels = shape
    rows, columns = (np.arange(size) % _period(size, reach) for size in (height, width))
    of_row, of_column = (np.arange(places.max() + 1)[:, None] == places for places in (rows, columns))
    directions = np.einsum("ah,bw,cd->abchwd", of_row, of_column, np.eye(channels, dtype=bool), dtype=np.float32)
    return directions.reshape(-1, *shape)


def num_probes(shape: tuple[int, ...], reach: int) -> int:
    """The number of `probes`."""
    height, width, channels = shape
    return _period(height, reach) * _period(width, reach) * channels


def along(tangents: Tangents, probed: Probed, reach: int) -> Float[Array, "R H W F"]:
    """The derivatives of a local map along `tangents`, from those along its probes.

    The rows of the output are computed one by one, each from the rows of the input in its window.
    """
    num, height, width, channels = tangents.shape
    features = probed.shape[-1]
    periods = _period(height, reach), _period(width, reach)
    jacobian = probed.reshape(*periods, channels, height, width, features)
    columns = np.arange(width)
    near = np.abs(columns[:, None] - columns) <= reach  # [from, to]
    outputs = []
    for row in range(height):
        window = np.arange(max(0, row - reach), min(height, row + reach + 1))
        band = jacobian[window % periods[0], :, :, row][:, columns % periods[1]]  # [rows, from, C, to, F]
        band = jnp.where(near[:, None, :, None], band, 0).reshape(-1, width * features)
        outputs.append(matmul(tangents[:, window[0] : window[-1] + 1].reshape(num, -1), band))
    return jnp.stack(outputs, axis=1).reshape(num, height, width, features)


def products_in_windows(tangents: Tangents, weights: Float[Array, " R"], reach: int) -> Products:
    """For each pixel, sum_r weights_r t_r[p] t_r[q] of the values in its window for which probes p and q stand."""
    shape = tangents.shape[1:]
    flat = tangents.reshape(len(tangents), -1)
    products = matmul(flat.T, weights.astype(flat.dtype)[:, None] * flat)
    places = _places(shape, reach)
    return products[places[..., :, None], places[..., None, :]]


def mix(products: Products, probed: Probed) -> Probed:
    """For each pixel and probe p, sum_q products[p, q] b_q, in the dtype of the derivatives b."""
    mixed = jnp.einsum("hwpq,qhwf->phwf", products, probed.astype(products.dtype), precision=jax.lax.Precision.HIGHEST)
    return mixed.astype(probed.dtype)


def _period(size: int, reach: int) -> int:
    return min(2 * reach + 1, size)


def _places(shape: tuple[int, ...], reach: int) -> Integer[np.ndarray, "H W P"]:
    """The index of the value that each probe stands for in the window of each pixel; any index if there is none."""
    height, width, channels = shape
    rows, columns = (_in_window(size, reach) for size in (height, width))
    grid = (rows[:, None, :, None] * width + columns[None, :, None, :])[..., None] * channels + np.arange(channels)
    return grid.reshape(height, width, -1)


def _in_window(size: int, reach: int) -> Integer[np.ndarray, "size period"]:
    """For each row, the row of each place in its window; likewise for columns."""
    period = _period(size, reach)
    first = np.clip(np.arange(size) - reach, 0, size - period)[:, None]
    return first + (np.arange(period) - first) % period
