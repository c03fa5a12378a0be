"""F(n) = E f(mean of n images), from disjoint parts of one set, and its extrapolation to n = infinity.

The mean of n images is the mean mu of the distribution with a noise that falls as 1/n. F(n) goes from E f(x) at n = 1
to f(mu) at n = infinity, and F(N) - f(mu) is the bias of f(mean) over all N images. Differences F(n) - F(N) come from
random partitions of the N images into parts of n. The first order cancels within each partition, because the mean of
the parts is the mean of all.

Errors are from a jackknife that leaves out one block of images at a time. Each part consists of whole blocks or lies
within one, so leaving out a block changes one part of each partition. With groups, parts and blocks consist of whole
groups, and n and N count groups.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax.analysis.density import PointSet
from glowjax.analysis.second_order import log_probs_of
from glowjax.analysis.subject import Subject
from glowjax.linalg import matmul
from glowjax.stats import Estimate
from glowjax.typing import Key

NUM_BLOCKS = 32
"""The number of blocks of the jackknife, if there are as many images or groups."""

NUM_PARTITIONS = 4
"""The number of random partitions into parts of several blocks."""

MIN_GROUPS = 8
"""The smallest number of images, or of groups, from which a bias is extrapolated."""

NUM_HALVINGS = 6

BENDS = np.concatenate([[0], np.geomspace(0.02, 2, 40)])
"""The values of s in the form b/n + c/n^2 / (1 + s N/n) over which the extrapolation averages."""

MODEL_ERROR = 0.02
"""The relative error of that form, which counts as noise of each difference."""

TINY = 1e-12
"""A variance in squared nats that keeps the weights finite if a density is constant."""


class MeanCurve(NamedTuple):
    """f at means of parts of one set, in nats: first from all images, then without each of the R - 1 blocks.

    Attributes:
        center: f at the mean of all.
        ratio: N/n for each size n.
        difference: F(n) - f(mean of all) for each size.
        size: n of all images, for each size.
    """

    center: Float[Array, " R"]
    ratio: Float[Array, "R K"]
    difference: Float[Array, "R K"]
    size: Float[np.ndarray, " K"]


class Sums(NamedTuple):
    """Sums over parts of a set.

    Attributes:
        points: the sum of the points in each part.
        counts: the number of points in each part.
    """

    points: Float[Array, "M D"]
    counts: Float[Array, " M"]

    @property
    def means(self) -> Float[Array, "M D"]:
        """The mean of each part; zero if a part is empty."""
        return self.points / jnp.maximum(self.counts, 1)[:, None]


def halvings(num_groups: int) -> list[float]:
    """The sizes N/2, N/4, ... from which a bias is extrapolated, down to 2."""
    return [num_groups / 2**k for k in range(1, NUM_HALVINGS + 1) if num_groups / 2**k >= 2]


def parts_of(num_groups: int, size: float) -> int:
    """The number of parts into which a set is divided for a size; blocks of the jackknife are divided alike."""
    num_parts, groups = round(num_groups / size), groups_in_blocks(num_groups)
    return num_parts if num_parts < len(groups) else int(_pieces(groups, size).sum())


def groups_in_blocks(num_groups: int) -> np.ndarray:
    """The number of groups in each block."""
    num_blocks = min(NUM_BLOCKS, num_groups)
    return np.diff(-(-np.arange(num_blocks + 1) * num_groups // num_blocks))


def _pieces(groups: np.ndarray, size: float) -> np.ndarray:
    """The number of parts within each block."""
    return np.maximum(1, np.round(groups / size).astype(int))


def mean_curve(
    log_prob: Subject,
    points: PointSet,
    codes: np.ndarray,
    key: Key,
    sizes: Sequence[float],
    name: str,
    *,
    chunk_size: int | None,
) -> MeanCurve:
    """The values at the means of parts of about each of `sizes`. Every partition uses all images."""
    num_groups = int(codes.max()) + 1
    means, levels = _plan(points, codes, key, num_groups, tuple(sizes))
    at, what = means.reshape(-1, *points.shape[1:]), f"means of parts of {name}"
    values = log_probs_of(log_prob, at, what, chunk_size=chunk_size)
    center, *by_level = jnp.split(
        values, np.cumsum([1 + len(groups_in_blocks(num_groups)), *(w.shape[1] for _, w in levels)])[:-1]
    )
    rows = [matmul(weights, of_level) for (_, weights), of_level in zip(levels, by_level, strict=True)]
    ratio = jnp.stack([parts for parts, _ in levels], axis=1)
    return MeanCurve(
        center,
        ratio,
        jnp.stack(rows, axis=1) - center[:, None],
        np.array([num_groups / parts_of(num_groups, float(size)) for size in sizes]),
    )


Level: TypeAlias = tuple[Float[Array, " R"], Float[Array, "R _"]]
"""The parts of one size: their number, and the weight of the value at each of their means in the average."""


@functools.partial(jax.jit, static_argnums=(3, 4))
def _plan(
    points: PointSet, codes: Array, key: Key, num_groups: int, sizes: tuple[float, ...]
) -> tuple[Float[Array, "_ D"], list[Level]]:
    """The means of all images, of those without each block, and of the parts of each level; and the levels."""
    groups = groups_in_blocks(num_groups)
    num_blocks = len(groups)
    order_key, deal_key = jax.random.split(key)
    place = jnp.argsort(jax.random.bits(order_key, (num_groups,)))[codes]  # of each image, by its group
    dealt = jnp.argsort(jax.random.bits(deal_key, (NUM_PARTITIONS, num_blocks)), axis=1)
    blocks = _sums(points, np.repeat(np.arange(num_blocks), groups), place)
    total = Sums(blocks.points.sum(axis=0, keepdims=True), blocks.counts.sum(keepdims=True))
    left = Sums(total.points - blocks.points, total.counts - blocks.counts)
    means, levels = [total.means, left.means], []
    for size in sizes:
        if (num := round(num_groups / size)) < num_blocks:
            at, level = _of_blocks(blocks, jnp.asarray(np.arange(num_blocks) * num // num_blocks)[dealt], num)
        else:
            at, level = _within_blocks(points, place, blocks, _pieces(groups, size), groups)
        means.append(at)
        levels.append(level)
    return jnp.concatenate(means), levels


def _sums(points: PointSet, part_of_place: np.ndarray, place: Array) -> Sums:
    flat, part = points.reshape(len(points), -1), jnp.asarray(part_of_place)[place]
    num = int(part_of_place[-1]) + 1
    ones = jnp.ones(len(flat), flat.dtype)
    return Sums(*(jax.ops.segment_sum(values, part, num_segments=num) for values in (flat, ones)))


def _of_blocks(blocks: Sums, part: Array, num_parts: int) -> tuple[Array, Level]:
    """Parts that consist of blocks, then the part of each block without it; `part` [P, J] is that of each block."""
    num_partitions, num_blocks = part.shape
    dtype, dim = blocks.counts.dtype, blocks.points.shape[1]
    member = (part[:, None, :] == jnp.arange(num_parts)[None, :, None]).astype(dtype)  # [P, k, J]
    beside = matmul(jnp.swapaxes(member, 1, 2), member) - jnp.eye(num_blocks, dtype=dtype)[None]  # [P, J, J]
    sums = [Sums(matmul(of, blocks.points), matmul(of, blocks.counts)) for of in (member, beside)]
    means = [Sums(one.points.reshape(-1, dim), one.counts.ravel()).means for one in sums]
    parts, left = sums[0].counts[..., None], sums[1].counts
    whole = jnp.broadcast_to(parts, member.shape)
    others = jnp.concatenate([whole[..., :1], parts * (1 - member)], axis=2).reshape(-1, 1 + num_blocks)
    own = left[..., None] * jnp.eye(num_blocks, 1 + num_blocks, 1, dtype=dtype)[None]
    weights = jnp.concatenate([others, own.reshape(num_partitions * num_blocks, -1)]).T
    emptied = jnp.mean((left < 0.5).astype(dtype), axis=0)
    num = jnp.concatenate([jnp.full(1, num_parts, dtype), num_parts - emptied])
    return jnp.concatenate(means), (num, weights / weights.sum(axis=1, keepdims=True))


def _within_blocks(
    points: PointSet, place: Array, blocks: Sums, pieces: np.ndarray, groups: np.ndarray
) -> tuple[Array, Level]:
    """Parts that lie within blocks of so many `groups` [J], `pieces` [J] of them in each."""
    first = np.cumsum(pieces) - pieces
    part_of_place = np.concatenate([f + g * np.arange(n) // n for f, g, n in zip(first, pieces, groups, strict=True)])
    parts = _sums(points, part_of_place, place)
    elsewhere = np.repeat(np.arange(len(pieces)), pieces)[None] != np.arange(-1, len(pieces))[:, None]  # [R, M]
    weights = jnp.asarray(elsewhere, parts.counts.dtype) * parts.counts[None]
    num = jnp.asarray([pieces.sum(), *(pieces.sum() - pieces)], parts.counts.dtype)
    return parts.means, (num, weights / weights.sum(axis=1, keepdims=True))


@jax.jit
def bias_of(curve: MeanCurve) -> tuple[Float[Array, " R"], Float[Array, ""]]:
    """F(N) - f(mu), extrapolated from the sizes of a curve by b/n + c/n^2 / (1 + s N/n), and its variance over s.

    b and c are fitted by least squares with the noise of each difference, for each s of `BENDS`. The result is the mean
    over s, weighted by the likelihood of the fits, and the variance is that of this mean's terms. With s = 0 the form
    is b/n + c/n^2. With a larger s the curve flattens among the sizes: log p loses less and less by more noise.
    """
    v, d = curve.ratio[:, None, :], curve.difference[:, None, :]
    s = jnp.asarray(BENDS, d.dtype)[None, :, None]
    weight = 1 / (jackknife_variance(curve.difference) + (MODEL_ERROR * curve.difference[0]) ** 2 + TINY)

    def dot(a: Array, b: Array) -> Array:
        return jnp.sum(weight[None, None, :] * a * b, axis=-1)

    linear = v - 1 + jnp.zeros_like(s)
    bent = v**2 / (1 + s * v) - 1 / (1 + s)
    share = dot(linear, bent) / dot(linear, linear)
    bent = bent - share[..., None] * linear
    c = dot(bent, d) / dot(bent, bent)
    b = dot(linear, d) / dot(linear, linear)
    misfit = d - b[..., None] * linear - c[..., None] * bent
    likelihood = jax.nn.softmax(-dot(misfit, misfit) / 2, axis=1)
    bias = b + c * (1 / (1 + s[..., 0]) - share)
    mean = jnp.sum(likelihood * bias, axis=1)
    return mean, jnp.sum(likelihood[0] * (bias[0] - mean[0]) ** 2)


def jackknife(rows: Float[Array, "R ..."], form: Array | float = 0.0) -> Estimate:
    """The first row with its error from the others, each without one block; `form` is a variance to add."""
    return Estimate(rows[0], (jackknife_variance(rows) + form) ** 0.5, len(rows) - 1)


def jackknife_variance(rows: Float[Array, "R ..."]) -> Float[Array, "..."]:
    """The variance of the first row by the differences of the others, each without one block."""
    num = len(rows) - 1
    return (num - 1) / num * jnp.sum((rows[1:] - rows[1:].mean(axis=0)[None]) ** 2, axis=0)
