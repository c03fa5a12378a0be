"""What the rest of glowjax means by a data set: named images that say where they came from."""

from dataclasses import dataclass

import numpy as np

from glowjax.checks import InputError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one shape, with what is known about them.

    Attributes:
        name: what tables and figures call the set, e.g. "fashion_mnist:train".
        images: [N, H, W, C] uint8, 256 grey levels.
        labels: [N] integers, or None where no classes are known.
        groups: [N] integers, or None: images of one group (digits cut from one photo) depend on one
            another, so a bootstrap resamples them together.
        source: where the images came from, with their number.

    Raises:
        InputError: the images are not uint8 [N, H, W, C] with N > 0, or labels or groups are not N integers.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    source: str = "given by the caller"

    def __post_init__(self) -> None:
        what = f"of the image set '{self.name}'"
        require_images(self.images, f"The images {what}")
        for field, values in (("labels", self.labels), ("groups", self.groups)):
            if values is not None:
                require_integers(values, len(self.images), f"The {field} {what}")

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
        """`num_images` images, or all where the set has no more, in a fixed random order; the set as it is for None.

        With one seed a smaller subset is the beginning of a larger one. Files are often sorted by class: no number of
        images gives their order away.

        Raises:
            InputError: `num_images` is not positive.
        """
        if num_images is None:
            return self
        if num_images < 1:
            raise InputError(f"Cannot take {num_images} images of '{self.name}'; expected at least 1, or None for all.")
        order = np.random.default_rng(seed).permutation(self.num_images)
        how = "drawn" if num_images < self.num_images else "in an order drawn"
        return self.select(order[:num_images], f"{how} with seed {seed}")

    def select(self, indices: np.ndarray, how: str, name: str | None = None) -> "ImageSet":
        """The images at `indices` ([M] integers or [N] booleans) with their labels and groups.

        Args:
            indices: which images, in the order wanted.
            how: how they were chosen; it goes into the new set's source.
            name: the new set's name; this set's name by default.
        """
        images = self.images[indices]
        return ImageSet(
            name=name or self.name,
            images=images,
            labels=None if self.labels is None else self.labels[indices],
            groups=None if self.groups is None else self.groups[indices],
            source=f"{len(images):,} images {how} from {self.source}",
        )


def require_images(images: np.ndarray, what: str) -> None:
    """Raise an InputError that begins with `what` unless `images` is uint8 [N, H, W, C] and not empty."""
    if images.dtype == np.uint8 and images.ndim == 4 and images.size > 0:
        return
    nan = " with NaN among them" if images.dtype.kind == "f" and np.isnan(images).any() else ""
    raise InputError(
        f"{what} are {images.dtype} of shape {list(images.shape)}{nan}; expected uint8 [N, H, W, C] with no "
        "axis empty; store grey levels 0 to 255 as np.uint8 (real numbers in [0, 1] times 255 and rounded), "
        "channels last, with an axis of length 1 for grey images."
    )


def require_integers(values: np.ndarray, num_images: int, what: str) -> None:
    """Raise an InputError that begins with `what` unless `values` is one integer an image."""
    if values.dtype.kind in "iu" and values.shape == (num_images,):
        return
    raise InputError(
        f"{what} are {values.dtype} of shape {list(values.shape)}; expected one integer for each of the "
        f"{num_images:,} images, or leave them out."
    )
