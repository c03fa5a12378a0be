"""Statistics of images under a model: the expensive part of every score, computed once, saved, and used by many scores.

Scores are fitted to a `Reference`, the statistics of in-distribution training or validation images. It is a type of its
own, so that no score can be fitted to the statistics of an OOD set by mistake.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from glowjax.checks import InputError, expanded, real_array, unknown
from glowjax.files import as_json, in_one_step

ABOUT = "about"
"""The entry of a saved file that has `Statistics.about` as JSON."""

PER_FAMILY = ("options", "params", "seconds")
"""The entries of `Statistics.about` that have one value per family."""

NAME = re.compile(r"[^\[\].]+(\.[^\[\].]+)*")
"""The form of the name of a statistic, "family" or "family.part"; brackets belong to columns, see `ood.column`."""

StatisticsT = TypeVar("StatisticsT", bound="Statistics")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Statistics:
    """Statistics of N images: `stats["log_prob"]` is [N], `stats["scales.log_pz"]` is [N, num_scales].

    Attributes:
        values: {name: array [N, ...]}, which are kept as NumPy arrays. A name is that of a family, or "family.part" if
            the family has several parts.
        about: where the numbers come from, as JSON can hold it: the set ("set"), the shape and a digest of the images
            ("image_shape", "digest"), the model ("model"); and of each family the options that it depends on
            ("options"), a digest of the model's params ("params"), and the seconds per image ("seconds").
    """

    values: Mapping[str, Any]
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping) or not self.values:
            raise InputError(f"Statistics are a dictionary of arrays, with one or more, but got {self.values!r:.100}.")
        values = {_checked_name(name): real_array(one, f"'{name}'") for name, one in self.values.items()}
        lengths = {name: len(one) if one.ndim else None for name, one in values.items()}
        if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
            raise InputError(
                f"Statistics have one row per image, of one image or more, but the arrays have the lengths {lengths}."
            )
        object.__setattr__(self, "values", {name: _widened(one) for name, one in values.items()})

    @property
    def num_images(self) -> int:
        """N."""
        return len(next(iter(self.values.values())))

    @property
    def families(self) -> tuple[str, ...]:
        """The families whose statistics these are."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.values))

    def __contains__(self, name: str) -> bool:
        return any(key == name or key.startswith(f"{name}.") for key in self.values)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.values:
            raise unknown("statistic", name, self.values)
        return self.values[name]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in self.values.items())
        return f"{type(self).__name__}({shapes})"

    def select(self: StatisticsT, indices: Int[np.ndarray, " M"] | Bool[np.ndarray, " N"] | slice) -> StatisticsT:
        """The statistics of some of the images."""
        about = {name: value for name, value in self.about.items() if name != "digest"}
        return type(self)({name: values[indices] for name, values in self.values.items()}, about)

    def is_about_the_images_of(self, other: "Statistics") -> bool:
        """Whether the images of `other` are the same, as far as their number and digests tell."""
        digests = [stats.about.get("digest") for stats in (self, other)]
        return self.num_images == other.num_images and (None in digests or len(set(digests)) == 1)

    def joined(self: StatisticsT, other: "Statistics") -> StatisticsT:
        """These statistics and those of `other`, of the same images in the same order, for example by another model."""
        if not isinstance(other, Statistics):
            raise InputError(f"Statistics are joined with others, but got a {type(other).__name__}.")
        if not self.is_about_the_images_of(other):
            raise InputError("The statistics are of different images; compute both for the same images.")
        if both := self.values.keys() & other.values.keys():
            raise InputError(f"Both have the statistic '{min(both)}'; rename one of them with `named`.")
        about = {**other.about, **self.about}
        about |= {key: {**other.about.get(key, {}), **self.about.get(key, {})} for key in PER_FAMILY}
        return type(self)({**self.values, **other.values}, about)

    def named(self: StatisticsT, prefix: str) -> StatisticsT:
        """These statistics with a prefix: "log_prob" becomes "<prefix>.log_prob"."""
        about = dict(self.about) | {
            key: {f"{prefix}.{name}": value for name, value in self.about.get(key, {}).items()} for key in PER_FAMILY
        }
        return type(self)({f"{prefix}.{name}": values for name, values in self.values.items()}, about)

    def as_reference(self) -> "Reference":
        """These statistics as those of in-distribution training or validation images, to which scores are fitted.

        Raises InputError for generated sets and for images of a test split, whose names say so.
        """
        return Reference(self.values, self.about)

    def save(self, path: Path | str) -> None:
        """Writes an .npz file in one step, without pickle; `load_statistics` reads it."""
        about = json.dumps({**as_json(self.about), "is_reference": isinstance(self, Reference)})
        path = expanded(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_one_step(path) as part, part.open("wb") as file:
                np.savez_compressed(file, **{ABOUT: np.array(about)}, **self.values)  # type: ignore[arg-type]
        except OSError as error:
            raise InputError(f"Cannot write {path!s:.200} ({error.strerror}); name another file.") from error


class Reference(Statistics):
    """Statistics of in-distribution training or validation images, see `Statistics.as_reference`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = str(self.about.get("set", ""))
        if self.about.get("generated") or name.endswith(":test"):
            raise InputError(
                f"'{name}' cannot be a reference: scores are fitted to training or validation images of the data set "
                "that the model was trained on, such as glowjax.data.training_and_validation gives."
            )


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in (ABOUT, "file"):
        raise InputError(
            f"A statistic cannot be called {name!r}; write 'family' or 'family.part', without brackets, and neither "
            "'about' nor 'file'."
        )
    return name


def _widened(array: np.ndarray) -> np.ndarray:
    """The array; half precision, which files may not hold, in float32."""
    is_half = jnp.issubdtype(array.dtype, np.floating) and array.dtype.itemsize < 4
    return array.astype(np.float32) if is_half else array


def load_statistics(path: Path | str) -> Statistics:
    """The statistics in a file of `Statistics.save`: a Reference if that was saved."""
    path = expanded(path)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop(ABOUT)))
        kind = Reference if about.pop("is_reference") else Statistics
        return kind(arrays, about)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; save statistics there with .save(path).") from None
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for damaged bytes
        raise InputError(
            f"{path} is not a file of statistics, or it is damaged ({error}); compute them again."
        ) from None
