"""Mean, variance and low-rank covariance of an image set, in one pass over batches of any size."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from glowjax.analysis.chunking import Count
from glowjax.analysis.density import as_points, check_finite
from glowjax.checks import InputError, is_count
from glowjax.linalg import at_least_float32

BATCH = 1_000


class Moments(NamedTuple):
    """Moments of N points of shape [*shape], each divided by N and not by N - 1, in the unit of the points.

    Attributes:
        num_points: N.
        mean: [*shape].
        variance: [*shape], of each value.
        covariance_factor: [*shape, rank], a matrix L for which L L' is the best approximation of the covariance of that
            rank. It equals the covariance, up to rounding, if the rank reaches N or D. Memory is O(D rank), never
            O(D^2).
    """

    num_points: Float[Array, ""]
    mean: Float[Array, "..."]
    variance: Float[Array, "..."]
    covariance_factor: Float[Array, "... rank"]


def moments(images: Any, *, rank: Count = 0) -> Moments:
    """The moments of `images` [N, *shape], or of an iterator over batches [n, *shape], of any dtype.

    They are computed in float32 or better. Batches are merged as in Chan, Golub and LeVeque (variance) and Ross et al.
    2008 (factor). A factor that was cut to `rank` after every batch is close to the best one if the covariance's
    spectrum decays.

    A low rank keeps the variance, but not the curvature: log p of a flow is most curved along the directions in which
    images vary least. At the mean of FashionMNIST, 50 components hold 86 % of the variance and 14 % of Tr(H S), 200
    hold 95 % and 36 %, and 700 hold 99.95 % and 94 %. For a trace use rank D, and cut by `curvature_components`.

    >>> import numpy as np
    >>> from glowjax import analysis as an
    >>> an.moments(np.array([[1.0, 2.0], [3.0, 2.0]])).variance.tolist()
    [1.0, 0.0]

    Args:
        images: an array, or anything that yields arrays; each is read once, and empty ones are skipped.
        rank: the number of columns of the factor; 0 for none.
    """
    if rank != 0 and not is_count(rank):
        raise InputError(f"rank must be 0 (no covariance factor) or a positive whole number, but is {rank!r}.")
    merged: Moments | None = None
    for batch in _batches(images):
        if merged is not None and batch.shape[1:] != merged.mean.shape:
            raise InputError(
                f"A batch of images of shape {list(batch.shape[1:])} came after {list(merged.mean.shape)}."
            )
        check_finite(batch, "images")
        part = _of_batch(batch, int(rank))
        merged = part if merged is None else _merge(merged, part, int(rank))
    if merged is None:
        raise InputError("moments got no images; pass [N, ...] with at least one, or an iterator that is not used up.")
    return merged


def _batches(images: Any) -> Iterator[Array]:
    whole = hasattr(images, "shape")
    for batch in (images[n : n + BATCH] for n in range(0, images.shape[0], BATCH)) if whole else images:
        array = as_points(batch, "images")
        if len(array):
            yield array.astype(at_least_float32(array.dtype))


def _of_batch(batch: Array, rank: int) -> Moments:
    mean = jnp.mean(batch, axis=0)
    deviations = batch - mean[None]
    count = jnp.asarray(len(batch), batch.dtype)
    return Moments(count, mean, jnp.mean(deviations**2, axis=0), _truncated(deviations / jnp.sqrt(count), rank))


def _merge(a: Moments, b: Moments, rank: int) -> Moments:
    count = a.num_points + b.num_points
    share_a, share_b = a.num_points / count, b.num_points / count
    shift = b.mean - a.mean
    variance = share_a * a.variance + share_b * b.variance + share_a * share_b * shift**2
    rows = [
        jnp.sqrt(share_a) * jnp.moveaxis(a.covariance_factor, -1, 0),
        jnp.sqrt(share_b) * jnp.moveaxis(b.covariance_factor, -1, 0),
        jnp.sqrt(share_a * share_b) * shift[None],
    ]
    return Moments(count, a.mean + share_b * shift, variance, _truncated(jnp.concatenate(rows), rank))


def _truncated(rows: Array, rank: int) -> Array:
    """[*shape, rank] the L whose L L' is the best approximation of that rank to rows' rows; `rows` is [n, *shape]."""
    if not rank:
        return jnp.zeros((*rows.shape[1:], 0), rows.dtype)
    _, singular, directions = jnp.linalg.svd(rows.reshape(len(rows), -1), full_matrices=False)
    columns = (singular[:rank, None] * directions[:rank]).T
    padded = jnp.pad(columns, ((0, 0), (0, rank - columns.shape[1])))  # fewer points than columns
    return padded.reshape(*rows.shape[1:], rank)
