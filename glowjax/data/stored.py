"""Images that stay in storage and are read batch by batch, so that a set may be larger than memory."""

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8

from glowjax.checks import InputError

MAX_IN_MEMORY = 2**30
"""The largest size, in bytes, of an image set that is read into memory."""

CHUNK_BYTES = 2**25
"""The size, in bytes, of the parts in which whole sets are read."""


@runtime_checkable
class Storage(Protocol):
    """A place from which images can be read in any order, such as a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C]."""

    def read(self, indices: Int[np.ndarray, " M"]) -> UInt8[np.ndarray, "M H W C"]:
        """The images at `indices`, which are between 0 and N - 1. Several threads may call this at the same time."""


class StoredImages:
    """uint8 images [N, H, W, C] in a storage. `images[indices]` reads some, `np.asarray(images)` reads all of them."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, storage: Storage, indices: Int[np.ndarray, " N"] | None = None) -> None:
        if len(storage.shape) != 4 or min(storage.shape) < 1:
            raise InputError(
                f"The storage has the shape {list(storage.shape)}; expected [N, H, W, C] without an empty axis."
            )
        self._storage = storage
        self._indices = np.arange(storage.shape[0]) if indices is None else indices

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C]."""
        return (len(self._indices), *self._storage.shape[1:])

    @property
    def size(self) -> int:
        """N H W C."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that an array of the images would take."""
        return self.size

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "H W C"]]:
        for chunk in chunks(self):
            yield from chunk

    def __repr__(self) -> str:
        return f"StoredImages(shape={self.shape})"

    def __getitem__(self, key: Any) -> UInt8[np.ndarray, "... H W C"]:
        """The images at an index, a slice, an array of indices or a mask, as with a NumPy array."""
        indices = self._indices[key]
        found = self._storage.read(indices.ravel())
        if found.dtype != np.uint8:
            raise InputError(f"The storage returned {found.dtype} images; expected uint8 grey levels 0 to 255.")
        return found.reshape(*indices.shape, *self.shape[1:])

    def select(self, key: Any) -> "StoredImages":
        """The images at `key`, without reading them."""
        return StoredImages(self._storage, self._indices[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found, start = np.empty(self.shape, np.uint8), 0
        for chunk in chunks(self):
            found[start : (start := start + len(chunk))] = chunk
        return found if dtype is None else found.astype(dtype, copy=False)


AnyImages: TypeAlias = np.ndarray | StoredImages
"""Images [N, H, W, C], in memory or stored."""


def chunks(images: AnyImages) -> Iterator[UInt8[np.ndarray, "M H W C"]]:
    """All images in their order, in parts of at most `CHUNK_BYTES`."""
    length = max(1, CHUNK_BYTES // math.prod(images.shape[1:]))
    return (images[start : start + length] for start in range(0, len(images), length))


def digest(images: AnyImages) -> str:
    """A hash of all images in their order, in hexadecimal."""
    found = hashlib.blake2b(digest_size=8)
    for chunk in chunks(images):
        found.update(np.ascontiguousarray(chunk).data.cast("B"))
    return found.hexdigest()


def is_equal(a: AnyImages, b: AnyImages) -> bool:
    """Whether two sets have the same images in the same order."""
    if a is b:
        return True
    return a.shape == b.shape and all(np.array_equal(*pair) for pair in zip(chunks(a), chunks(b), strict=True))
