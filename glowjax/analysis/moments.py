"""Mean, variance and low-rank covariance of an image set, in one pass over batches of any number."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp

from glowjax.analysis.density import check_finite
from glowjax.checks import InputError
from glowjax.typing import Array

BATCH = 1_000


class Moments(NamedTuple):
    """Moments of N points of shape [*shape], each divided by N and not by N - 1, in the unit of the points.

    Attributes:
        num_points: N.
        mean: [*shape].
        variance: [*shape], of each value.
        factor: [*shape, rank] with L L' the best approximation of the covariance of that rank. Up to rounding
            L L' is the covariance itself where the rank reaches N or D; it takes D x rank numbers, never D x D.
    """

    num_points: Array
    mean: Array
    variance: Array
    factor: Array


def moments(images: Array | Iterable[Any], rank: int = 0) -> Moments:
    """The moments of `images` [N, *shape], or of an iterator over batches [n, *shape], of whatever dtype.

    They are counted in float32 or better. Empty batches are passed over.

    Batches are merged as Chan, Golub and LeVeque do (variance) and Ross et al. 2008 (factor); a factor that was cut to
    `rank` after every batch is close to the best one where the covariance's spectrum decays.

    Args:
        images: an array, or anything that yields arrays; each is read once.
        rank: columns of the factor; 0 for none.

    Raises:
        InputError: where there are no images, batches differ in shape, a value is not finite, or the rank is negative.
    """
    if rank < 0:
        raise InputError(f"rank must be 0 (no covariance factor) or more, but is {rank}.")
    merged: Moments | None = None
    for batch in _batches(images):
        if merged is not None and batch.shape[1:] != merged.mean.shape:
            raise InputError(
                f"A batch of images of shape {list(batch.shape[1:])} came after {list(merged.mean.shape)}."
            )
        check_finite("images", batch)
        part = _of_batch(batch, rank)
        merged = part if merged is None else _merge(merged, part, rank)
    if merged is None:
        raise InputError("moments got no images; pass [N, ...] with at least one, or an iterator that is not used up.")
    return merged


def _batches(images: Any) -> Iterator[Array]:
    whole = hasattr(images, "shape")
    for batch in (images[n : n + BATCH] for n in range(0, images.shape[0], BATCH)) if whole else images:
        batch = jnp.asarray(batch)
        if len(batch):
            yield batch.astype(jnp.promote_types(batch.dtype, jnp.float32))


def _of_batch(batch: Array, rank: int) -> Moments:
    mean = jnp.mean(batch, axis=0)
    deviations = batch - mean
    count = jnp.asarray(len(batch), batch.dtype)
    return Moments(count, mean, jnp.mean(deviations**2, axis=0), _truncated(deviations / jnp.sqrt(count), rank))


def _merge(a: Moments, b: Moments, rank: int) -> Moments:
    count = a.num_points + b.num_points
    share_a, share_b = a.num_points / count, b.num_points / count
    shift = b.mean - a.mean
    variance = share_a * a.variance + share_b * b.variance + share_a * share_b * shift**2
    rows = [
        jnp.sqrt(share_a) * jnp.moveaxis(a.factor, -1, 0),
        jnp.sqrt(share_b) * jnp.moveaxis(b.factor, -1, 0),
        jnp.sqrt(share_a * share_b) * shift[None],
    ]
    return Moments(count, a.mean + share_b * shift, variance, _truncated(jnp.concatenate(rows), rank))


def _truncated(rows: Array, rank: int) -> Array:
    """[*shape, rank] L with L L' the best rank-`rank` approximation of rows' rows, for `rows` [n, *shape]."""
    if not rank:
        return jnp.zeros((*rows.shape[1:], 0), rows.dtype)
    _, singular, directions = jnp.linalg.svd(rows.reshape(len(rows), -1), full_matrices=False)
    columns = (singular[:rank, None] * directions[:rank]).T
    padded = jnp.pad(columns, ((0, 0), (0, rank - columns.shape[1])))  # fewer points than columns
    return padded.reshape(*rows.shape[1:], rank)
