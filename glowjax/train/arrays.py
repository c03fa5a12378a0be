"""Convert a pytree to named arrays, and compute their digests, by which damaged arrays are recognized.

A name is the path to the leaf, such as `layer.scales.0.2.log_scale`. The arrays do not depend on the classes of the
code that wrote them; the template of `from_named_arrays` has the classes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import tree_util

from glowjax.checks import InputError

SEAL = "blake2b"
"""The entry of a sealed description that holds its digests."""


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


def sealed(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """`content` with digests of itself and of each array. `content` must be JSON values."""
    digests = {name: digest(array) for name, array in arrays.items()}
    return {**content, SEAL: {"content": _digest_of_json(content), "arrays": digests}}


def unsealed(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The content that was sealed, and the digests of its arrays. Raises ValueError if the content has changed."""
    if not isinstance(content, Mapping) or not isinstance(seal := content.get(SEAL), Mapping):
        raise ValueError("the description has no digests")
    rest = {name: value for name, value in content.items() if name != SEAL}
    if seal.get("content") != _digest_of_json(rest) or not isinstance(digests := seal.get("arrays"), dict):
        raise ValueError("the description has another digest than when it was written")
    return rest, digests


def check_digests(arrays: Mapping[str, np.ndarray], digests: Mapping[str, str]) -> None:
    """Raises ValueError, which names the array, if an array does not have its digest."""
    for name in [*digests, *arrays]:
        if name not in arrays:
            raise ValueError(f"array {name} is missing")
        if name not in digests or digest(arrays[name]) != digests[name]:
            raise ValueError(f"array {name} has another digest than when it was written")


def digest(array: Any) -> str:
    """The BLAKE2b hash of an array's dtype, shape and bytes."""
    array = np.asarray(array)
    found = hashlib.blake2b(f"{array.dtype.name}{list(array.shape)}".encode(), digest_size=16)
    found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _digest_of_json(content: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _signature(leaf: Any) -> str:
    """A leaf's dtype and shape, such as `float32[3, 4]`."""
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _put(value: np.ndarray, like: Any) -> Any:
    """The value on the device of the template's leaf. It is committed only if that leaf is: jit would recompile."""
    if isinstance(like, np.ndarray):
        return value
    return jax.device_put(value, like.sharding if getattr(like, "committed", True) else None)
