"""Small trained Glows that come with glowjax, to try likelihoods and curvature on in seconds."""

import hashlib
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError, unknown
from glowjax.models import Flow, FlowParams, build
from glowjax.typing import Params


class Pretrained(NamedTuple):
    """A trained flow.

    Attributes:
        model: the flow.
        params: its learned arrays, float32.
        description: what it learned and how: the model's sizes, in_dist, num_images, num_training_steps, bits_per_dim
            (of the validation images), command, sha256 of the file of weights.
    """

    model: Flow
    params: FlowParams
    description: dict[str, Any]


def names() -> list[str]:
    """What `load_pretrained` knows."""
    return sorted(file.name.removesuffix(".json") for file in files(__name__).iterdir() if file.name.endswith(".json"))


def load_pretrained(name: str) -> Pretrained:
    """The trained flow of a name, as `model, params, description`.

    The weights are a NumPy archive, read without pickle, and must have the hash that their description states.

    Raises:
        InputError: for an unknown name, or weights that are not those described.
    """
    if name not in names():
        raise unknown("pretrained model", name, names())
    description = json.loads((files(__name__) / f"{name}.json").read_text())
    weights = (files(__name__) / f"{name}.npz").read_bytes()
    if (found := hashlib.sha256(weights).hexdigest()) != description["sha256"]:
        raise InputError(
            f"The weights of '{name}' have the SHA-256 hash {found}, but their description says "
            f"{description['sha256']}: the file is damaged or another one; install glowjax anew."
        )
    model = build(description["model"])
    with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
        return Pretrained(model, unpacked(model, tuple(description["image_shape"]), arrays), description)


def packed(params: FlowParams) -> dict[str, np.ndarray]:
    """The arrays of `params` by their paths in the pytree, such as "['scales'][0][2][0]['shift']"."""
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in _leaves(params.arrays)[0]}


def unpacked(model: Flow, image_shape: tuple[int, int, int], arrays: Mapping[str, np.ndarray]) -> FlowParams:
    """The params of a model for images of a shape, from what `packed` gave.

    Raises InputError where arrays are missing, left over or of other shapes than the model's.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    expected, tree = _leaves(jax.eval_shape(model.layer.init, jax.random.key(0), images))
    shapes = {jax.tree_util.keystr(path): leaf.shape for path, leaf in expected}
    found = {path: array.shape for path, array in arrays.items()}
    if found != shapes:
        odd = sorted(path for path in shapes.keys() | found.keys() if shapes.get(path) != found.get(path))
        raise InputError(
            f"The arrays are not those of this model: {odd[0]} is {found.get(odd[0], 'missing')}, but the model's is "
            f"{shapes.get(odd[0], 'none')}; build the model that they were made by."
        )
    return FlowParams(jax.tree.unflatten(tree, [jnp.asarray(arrays[path]) for path in shapes]), image_shape)


def _leaves(layer: Params) -> tuple[list[tuple[Any, Any]], Any]:
    return jax.tree_util.tree_flatten_with_path(layer)
