"""Start a run with the params of a trained model."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError
from glowjax.models import ImageModel
from glowjax.train.arrays import digest, from_named_arrays, named_leaves
from glowjax.train.saved import load
from glowjax.train.trained import Trained
from glowjax.typing import Params


def warm_start(model: ImageModel, image_shape: Sequence[int], source: Trained[Any] | str | Path) -> Params:
    """The params of a trained model. Raises InputError if they are not those of `model` for images [H, W, C]."""
    trained = source if isinstance(source, Trained) else load(source, model)
    name = f"The model of init_from ({trained!r})" if isinstance(source, Trained) else str(source)
    shape = list(trained.description["image_shape"])
    if shape != list(image_shape):
        raise InputError(
            f"{name} was trained on images of shape {shape}, but these are {list(image_shape)}; start from a model of "
            "images of the same shape."
        )
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.uint8)
    template = jax.eval_shape(model.init, jax.random.key(0), images)
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(trained.params).items()}
    return from_named_arrays(template, arrays, name)


def digest_of(params: Params) -> str:
    """A digest of the name, the dtype, the shape and the bytes of each array in `params`."""
    digests = {name: digest(leaf) for name, leaf in named_leaves(params).items()}
    return hashlib.blake2b(json.dumps(digests).encode(), digest_size=8).hexdigest()
