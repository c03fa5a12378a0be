"""Checks of what users pass in: InputError, "did you mean" suggestions, counts, arrays, images and folders.

A public function checks and converts its arguments once, with at most a few lines of these; private code trusts them.
"""

import difflib
import numbers
import re
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding

SIMILAR = 0.6
"""The minimum `difflib` similarity for a suggestion; 1 means equal."""


CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that no page or terminal can show: controls, marks that reverse text, lone surrogates."""


class InputError(ValueError):
    """Invalid user input; the message says what was given, what was expected and how to fix it.

    The experiments print the message and exit with status 2; in the library it is an ordinary ValueError.
    """


def unknown(kind: str, name: str, known: Iterable[str], unlisted: Iterable[str] = ()) -> InputError:
    """An InputError for a name that is not among the known ones; it suggests the nearest if one is similar.

    Names that are `unlisted` may be suggested too.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, [*names, *unlisted], n=1, cutoff=SIMILAR)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    known_names = f"Known: {', '.join(names)}."
    space = " " if len(known_names) < 80 else "\n"  # a long list has a line of its own
    return InputError(f"Unknown {kind} '{name}'{hint}{space}{known_names}")


def as_names(names: Any) -> tuple[str, ...]:
    """Several names, or a single one, as a tuple. Raises InputError for anything that is no text."""
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    if bad := [one for one in found if not isinstance(one, str)]:
        raise InputError(f"Expected names, such as ('log_prob', 'png'), but got {bad[0]!r:.100}.")
    return found


def printable(text: str) -> str:
    """`text` with a replacement character for each of `CONTROLS`, except for tabs and line breaks."""
    return CONTROLS.sub(lambda found: found[0] if found[0] in "\t\n" else "\N{REPLACEMENT CHARACTER}", text)


def check_printable(text: str) -> None:
    """Raises InputError if `text`, a name or a path, contains one of `CONTROLS`."""
    if found := CONTROLS.search(text):
        raise InputError(
            f"{text[:200]!r} holds the character {found[0]!r}, which cannot be shown; rename the file or the folder."
        )


def expanded(path: Path | str) -> Path:
    """`path` with ~ expanded. Raises InputError if no file can have this path, or if there is no such home folder."""
    if re.search("[\0\ud800-\udfff]", text := str(path)):
        raise InputError(f"The path {text[:200]!r} is not UTF-8 or has a NUL in it; rename the file or the folder.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"There is no home folder for {path}; write ./{path} for a file of this name.") from error


def is_count(value: Any) -> bool:
    """Whether `value` is a positive whole number: a Python or NumPy integer."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def check_count(name: str, value: Any) -> int:
    """`value` as an int. Raises InputError unless it is a positive whole number, see `is_count`."""
    if not is_count(value):
        raise InputError(f"{name} must be a positive whole number, but is {value!r}.")
    return int(value)


def check_seed(name: str, seed: int) -> int:
    """`seed`. Raises InputError unless it is from 0 to 2**32 - 1, since `jax.random.key` would drop the other bits."""
    if not 0 <= seed < 2**32:
        raise InputError(f"{name} is {seed}, but a seed is a whole number from 0 to {2**32 - 1}; give another one.")
    return seed


def native_array(values: Any, name: str) -> np.ndarray:
    """`values` as a NumPy array in this machine's byte order; a list of arrays of one shape is stacked.

    Raises InputError for masked values, and for lists of different shapes.
    """
    if np.ma.is_masked(values):
        raise InputError(f"{name} have masked entries; fill them with .filled(...) or leave those entries out.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} cannot be made into one array ({error}); pass arrays of one shape.") from error
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def real_array(values: Any, name: str) -> np.ndarray:
    """`values` as `native_array` gives them. Raises InputError unless they are known real numbers or booleans."""
    if isinstance(values, jax.core.Tracer):
        raise InputError(f"{name}: the values are traced; call this outside of jax.jit and other transformations.")
    array = native_array(values, name)
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (np.bool_, np.integer, np.floating)):
        what = f"a {type(values).__name__}" if array.ndim == 0 else f"{array.dtype} of shape {list(array.shape)}"
        raise InputError(f"{name}: expected real numbers, but got {what}.")
    return array


def check_images(images: np.ndarray | jax.Array, name: str = "The images", batch: bool = False) -> None:
    """Raises InputError unless `images` is uint8 [..., H, W, C], or [N, H, W, C] if `batch`, and not empty."""
    right_rank = images.ndim == 4 if batch else images.ndim >= 3
    if images.dtype == np.uint8 and right_rank and images.size > 0:
        return
    raise InputError(
        f"{name} are {images.dtype} of shape {list(images.shape)}{_range(images)}; expected uint8 grey levels 0 to 255 "
        f"of shape [{'N' if batch else '...'}, H, W, C] with no empty axis; round to levels and cast with "
        ".astype(np.uint8), channels last, with an axis of length 1 for grey images."
    )


def as_array(value: Any, name: str) -> jax.Array | np.ndarray:
    """`value` as an array that JAX reads correctly: a JAX array as it is, a NumPy array as `native_array` gives it.

    Raises InputError for anything else, such as a list, and for arrays that hold no numbers.
    """
    if isinstance(value, jax.Array):
        return on_automatic_axes(value)
    if not isinstance(value, np.ndarray | np.generic):
        raise InputError(
            f"{name} must be a NumPy or JAX array, but is a {type(value).__name__}; convert it with numpy.asarray."
        )
    array = native_array(value, name)
    if not (jnp.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise InputError(f"{name} must hold numbers, but its dtype is {array.dtype}.")
    return array


def on_automatic_axes(array: jax.Array) -> jax.Array:
    """`array`, with the same placement on a mesh of automatic axes if its mesh has explicit ones.

    Under explicit axes, as `jax.make_mesh` gives by default, JAX refuses operations such as the reshape of a squeeze.
    """
    if isinstance(array, jax.core.Tracer) or not isinstance(array.sharding, NamedSharding):
        return array
    mesh = array.sharding.mesh
    if AxisType.Explicit not in mesh.axis_types:
        return array
    automatic = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))
    return jax.device_put(array, NamedSharding(automatic, array.sharding.spec))


def as_images(images: Any) -> jax.Array | np.ndarray:
    """`images` as `as_array` gives them, checked by `check_images`."""
    images = as_array(images, "images")
    check_images(images)
    return images


def as_grey_levels(x: Any) -> jax.Array | np.ndarray:
    """`x` as `as_array` gives it. Raises InputError unless it is floating-point [..., H, W, C].

    Warns if all values lie in [0, 1] and differ: the unit is grey levels. Only arrays in CPU memory are looked at.
    """
    x = as_array(x, "x")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(
            f"A density needs floating-point grey levels, but x is {x.dtype}; "
            "call dequantize(key, images), or log_likelihood for 8-bit images."
        )
    if x.ndim < 3:
        raise InputError(f"x must be an array [..., H, W, C], but its shape is {list(x.shape)}.")
    # NumPy, because operations of JAX on known arrays are traced inside a jit.
    if x.size and _is_in_cpu_memory(x) and 0 <= np.min(np.asarray(x)) < np.max(np.asarray(x)) <= 1:
        warnings.warn(
            "All values of x lie in [0, 1], but the unit of a model is grey levels in [0, 256); multiply images that "
            "were scaled to [0, 1] by 255.",
            stacklevel=4,
        )
    return x


def _is_in_cpu_memory(x: jax.Array | np.ndarray) -> bool:
    """Whether the values of `x` can be read without a copy from an accelerator."""
    if isinstance(x, np.ndarray):
        return True
    is_known = not isinstance(x, jax.core.Tracer) and x.is_fully_addressable
    return is_known and all(device.platform == "cpu" for device in x.devices())


def _range(images: np.ndarray | jax.Array) -> str:
    """The range of concrete numbers, for a message; empty under a transformation and for anything else."""
    if isinstance(images, jax.core.Tracer) or images.size == 0 or not np.issubdtype(images.dtype, np.number):
        return ""
    values = np.asarray(images, np.float64)
    if not np.isfinite(values).all():
        return " with NaN or infinity among them"
    return f" between {values.min():g} and {values.max():g}"


def writable_directory(directory: Path | str) -> Path:
    """The absolute path of `directory`, which is created if need be. Raises InputError if it cannot be written."""
    path = expanded(directory).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"Cannot write below {path!s:.200} ({error.strerror}); name another directory.") from error
    return path
