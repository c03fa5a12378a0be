"""Files of runs and of saved models: each is written in one step, and holds a pytree as named arrays, or text.

A name is the path to the leaf, such as `layer.scales.0.2.log_scale`. The arrays depend on no class of the code that
wrote them; the template of `from_named_arrays` brings the classes back.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import tree_util

from glowjax.checks import InputError


@contextlib.contextmanager
def in_one_step(path: Path) -> Iterator[Path]:
    """Yields the path of a file to write, which then takes the place of `path`.

    A kill at any moment leaves the old file or the new one.
    """
    part = path.with_name(f"{path.name}.part")
    yield part
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of `tree` by name, in the tree's order. Raises InputError if two leaves have one name."""
    leaves = tree_util.tree_leaves_with_path(tree)
    named = {tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
    if len(named) < len(leaves):
        raise InputError(
            f"{len(leaves)} arrays have only {len(named)} different names; rename params whose names contain a dot."
        )
    return named


def from_named_arrays(template: Any, arrays: Mapping[str, np.ndarray], source: str) -> Any:
    """The pytree of `arrays` with the template's classes, static fields and devices.

    Raises InputError, which begins with `source`, if the names, dtypes or shapes are not those of the template, a
    pytree of arrays or of `jax.ShapeDtypeStruct`.
    """
    expected = named_leaves(template)
    for name in [*expected, *arrays]:
        found, wanted = _signature(arrays.get(name)), _signature(expected.get(name))
        if found != wanted:
            raise InputError(
                f"{source} is of another model: array {name} is {found} there and {wanted} in this model; "
                "give the model whose params were saved."
            )
    leaves = [_put(arrays[name], like) for name, like in expected.items()]
    return tree_util.tree_unflatten(tree_util.tree_structure(template), leaves)


def as_json(description: Mapping[str, Any]) -> dict[str, Any]:
    """`description` as JSON returns it, with lists for tuples. Raises InputError if JSON cannot hold it."""
    try:
        return dict(json.loads(json.dumps(description, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The description cannot be written as JSON ({error}); "
            "use strings, finite numbers, booleans, lists and dictionaries."
        ) from error


def _signature(leaf: Any) -> str:
    """A leaf's dtype and shape, such as `float32[3, 4]`."""
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _put(value: np.ndarray, like: Any) -> Any:
    """The value on the device of the template's leaf; committed only if that leaf is, or else jit would recompile."""
    if isinstance(like, np.ndarray):
        return value
    return jax.device_put(value, like.sharding if getattr(like, "committed", True) else None)
