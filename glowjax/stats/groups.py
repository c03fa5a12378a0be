"""Groups of images that were not drawn independently, such as digits cut from one photo, and resampling by group."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError


def group_codes(groups: Any, num: int, name: str = "groups") -> np.ndarray:
    """[num] each image's group as an index from 0; every image is its own group if `groups` is None.

    Refused in an InputError: labels that are missing (None or NaN), not one per image, or all of one group.
    """
    if isinstance(groups, jax.core.Tracer):
        raise InputError(f"{name} are traced; pass labels that are known, such as a NumPy array outside of the jit.")
    labels = np.arange(num) if groups is None else np.asarray(groups)
    if labels.shape != (num,):
        raise InputError(
            f"{name} has shape {list(labels.shape)} for {num} images; expected one label per image: take the labels of "
            "the images that were scored."
        )
    missing = np.flatnonzero(_is_missing(labels))
    if missing.size:
        raise InputError(
            f"{name} has no label ({labels[missing[0]]}) for {missing.size} of {num} images, the first at index "
            f"{missing[0]}; give every image of unknown origin a label of its own, or leave it out."
        )
    if labels.dtype == object:  # of several types, which cannot be sorted
        known: dict[Any, int] = {}
        codes = np.array([known.setdefault(label, len(known)) for label in labels.tolist()])
    else:
        codes = np.unique(labels, return_inverse=True)[1]
    if not codes.size or codes.max() == 0:
        raise InputError(
            f"{name}: all {num} images form one group; a standard error or an interval needs two or more: add images."
        )
    return codes


def resample(rng: np.random.Generator | jax.Array, codes: np.ndarray, shape: tuple[int, ...] = ()) -> Any:
    """[*shape, N] how often each image appears when as many groups as there are get drawn with replacement.

    `rng` is a NumPy generator, or a JAX key, which may be traced; `codes` [N] are as from `group_codes`.
    """
    num_groups = int(codes.max()) + 1
    if isinstance(rng, np.random.Generator):
        picks = rng.integers(num_groups, size=(*shape, num_groups))
        return np.apply_along_axis(np.bincount, -1, picks, minlength=num_groups)[..., codes]
    count = jnp.vectorize(lambda row: jnp.bincount(row, length=num_groups), signature="(n)->(n)")
    return count(jax.random.randint(rng, (*shape, num_groups), 0, num_groups))[..., codes]


def _is_missing(labels: np.ndarray) -> np.ndarray:
    if labels.dtype == object:
        return np.array([label is None or label != label for label in labels.tolist()], bool)
    return labels != labels
