"""ImageSet: named images with their labels, groups and source."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int64, UInt8

from glowjax.checks import InputError, check_count, check_images, native_array
from glowjax.data.stored import MAX_IN_MEMORY, AnyImages, StoredImages


@dataclass(frozen=True, eq=False, repr=False, init=False)
class ImageSet:
    """Images of one shape, with their name, labels, groups and source.

    Arrays of other libraries, and lists of arrays, are converted to NumPy arrays in native byte order. Stored images of
    at most `MAX_IN_MEMORY` bytes are read into memory; larger sets are read batch by batch.

    Attributes:
        name: the set's name in tables and figures, e.g. "fashion_mnist:train".
        images: [N, H, W, C] uint8, 256 grey levels, in memory or stored. `images[indices]` is an array in both cases.
        labels: [N] integers, or None if no classes are known.
        groups: [N] integers, or None. Images of one group, such as digits cut from one photo, depend on one another,
            so a bootstrap resamples them together.
        source: the origin of the images, and their number.
        generated: whether the set was made here as a reference, such as "noise" or "contrast-0.5".
        derived_from: the name of the set whose images these are after a change, one by one and in the same order; None
            for other sets.
    """

    name: str
    images: UInt8[AnyImages, "N H W C"]
    labels: Int64[np.ndarray, " N"] | None
    groups: Int64[np.ndarray, " N"] | None
    source: str
    generated: bool
    derived_from: str | None

    def __init__(
        self,
        name: str,
        images: Any,
        labels: Any = None,
        groups: Any = None,
        source: str = "given by the caller",
        generated: bool = False,
        derived_from: str | None = None,
    ) -> None:
        what = f"of the image set '{name}'"
        images = checked(images, f"The images {what}")
        if isinstance(images, StoredImages) and images.nbytes <= MAX_IN_MEMORY:
            images = np.asarray(images)
        labels = _one_integer_per_image(labels, len(images), f"The labels {what}")
        groups = _one_integer_per_image(groups, len(images), f"The groups {what}")
        fields = (name, images, labels, groups, source, generated, derived_from)
        vars(self).update(zip(self.__dataclass_fields__, fields, strict=True))

    def __repr__(self) -> str:
        return f"ImageSet('{self.name}', {self.num_images:,} of {'x'.join(map(str, self.shape))})"

    @property
    def num_images(self) -> int:
        """N, the number of images."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C), the shape of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def take(self, num_images: int | None, seed: int = 0) -> "ImageSet":
        """A random subset of `num_images` images, or all images in a random order if there are no more.

        The order is random because files are often sorted by class. If `num_images` is None, the set is returned as it
        is. With the same seed, a larger subset begins with the smaller one.
        """
        if num_images is None:
            return self
        check_count("num_images", num_images)
        order = np.random.default_rng(seed).permutation(self.num_images)
        how = "drawn" if num_images < self.num_images else "in an order drawn"
        return self.select(order[:num_images], f"{how} with seed {seed}")

    def select(
        self, indices: Int[np.ndarray, " M"] | Bool[np.ndarray, " N"] | slice, how: str, name: str | None = None
    ) -> "ImageSet":
        """The images at `indices`, with their labels and groups. `how` says how they were chosen, for the source."""
        images = self.images.select(indices) if isinstance(self.images, StoredImages) else self.images[indices]
        return replace(
            self,
            name=name or self.name,
            images=images,
            labels=None if self.labels is None else self.labels[indices],
            groups=None if self.groups is None else self.groups[indices],
            source=f"{len(images):,} images {how} from {self.source}",
            derived_from=None,
        )


def checked(images: Any, name: str) -> UInt8[AnyImages, "N H W C"]:
    """`images` as an array in native byte order; stored images as they are. Raises InputError for anything else."""
    if isinstance(images, StoredImages):
        return images
    array = native_array(images, name)
    check_images(array, name, batch=True)
    return array


def _one_integer_per_image(values: Any, num_images: int, name: str) -> Int64[np.ndarray, " N"] | None:
    if values is None:
        return None
    values = native_array(values, name)
    if values.dtype.kind not in "iu" or values.shape != (num_images,):
        raise InputError(
            f"{name} are {values.dtype} of shape {list(values.shape)}; expected one integer for each of the "
            f"{num_images:,} images, or leave them out."
        )
    return values.astype(np.int64)
