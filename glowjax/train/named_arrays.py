"""Pytrees as flat dictionaries of named arrays, the form in which checkpoints and saved files hold them.

A name is the path to the leaf, such as `layer.scales.0.2.log_scale`. The arrays depend on no class of the code that
wrote them; the template of `from_named_arrays` brings the classes back.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import tree_util

from glowjax.checks import InputError


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

    Args:
        template: a pytree of arrays or `jax.ShapeDtypeStruct`; its values are not used.
        arrays: by the names that `named_leaves` gives.
        source: where the arrays come from, for the error message.

    Raises:
        InputError: if the names, dtypes or shapes are not those of the template.
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


def _signature(leaf: Any) -> str:
    """A leaf's dtype and shape, such as `float32[3, 4]`."""
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _put(value: np.ndarray, like: Any) -> Any:
    """The value on the device of the template's leaf; committed only if that leaf is, or else jit would recompile."""
    if isinstance(like, np.ndarray):
        return value
    return jax.device_put(value, like.sharding if getattr(like, "committed", True) else None)
