"""Trained models on disk: a run's folder, a `.safetensors` file, or one of the pretrained models.

A file holds the params by name and a JSON description in its header, so that it can be read without glowjax:
`safetensors.torch.load_file` gives the arrays.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from glowjax import pretrained
from glowjax.checks import InputError, writable_directory
from glowjax.models import ImageModel, build
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.log import from_json, read, to_json
from glowjax.train.named_arrays import from_named_arrays, named_leaves
from glowjax.train.record import as_json, evaluations, read_description
from glowjax.train.trained import Trained
from glowjax.typing import Params

HEADER = "glowjax"
PRETRAINED = "pretrained:"


class Pretrained(NamedTuple):
    """A pretrained model, to be unpacked as `model, params, description`."""

    model: Any
    params: Params
    description: dict[str, Any]


def load(source: str | Path, model: ImageModel | None = None) -> Trained[Any]:
    """The trained model of a run, of a saved `.safetensors` file, or of a name such as "pretrained:fashion-mnist".

    Args:
        source: the folder of the run, the file, or the name.
        model: the model whose params these are. By default it is rebuilt from the description; this imports and calls
            the `builder` that the description may name, so load files of strangers with a model of your own.

    Raises:
        InputError: if there is no such model, it is damaged, or it has other params than `model`.
    """
    if str(source).startswith(PRETRAINED):
        name = str(source).removeprefix(PRETRAINED)
        return _from_bytes(pretrained.read(name), f"The pretrained model '{name}'", model)
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        return load_run(path, model)
    if path.is_file():
        return _from_bytes(path.read_bytes(), str(path), model)
    known = ", ".join(f"'{PRETRAINED}{name}'" for name in pretrained.names())
    raise InputError(
        f"There is no trained model at {path}; give the folder of a run, a .safetensors file of glowjax.save, "
        f"or one of {known}."
    )


def load_pretrained(name: str) -> Pretrained:
    """The pretrained model of a name, as `model, params, description`; `load` returns it as a `Trained`."""
    trained = load(f"{PRETRAINED}{name}")
    return Pretrained(trained.model, trained.params, trained.description)


def load_run(directory: Path, model: ImageModel | None = None) -> Trained[Any]:
    """The trained model of a run's folder, at its best step by validation or, without validation, at its newest."""
    with Checkpoints(directory / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.best_step() or checkpoints.latest_step()
        if step is None:
            raise InputError(
                f"No checkpoint in {directory}; give the folder of a run that was trained to its first evaluation."
            )
        arrays = checkpoints.arrays(step)
    prefix = "ema_params."
    averaged = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    description = read_description(directory)
    model = model or _build(description, str(directory))
    params = _params(model, description, averaged, f"The checkpoint at step {step} in {directory}")
    return Trained(model, params, description, step, evaluations(read(directory / "metrics.jsonl")))


def save(trained: Trained[Any], path: str | Path) -> Path:
    """Writes a trained model to a `.safetensors` file, and returns its path. `load` reads it.

    Raises InputError if the path has another suffix, or cannot be written.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix != ".safetensors":
        raise InputError(f"Saved models end in .safetensors, but the path is {path}; rename it.")
    writable_directory(path.parent)
    path.write_bytes(_to_bytes(trained))
    return path


def _to_bytes(trained: Trained[Any]) -> bytes:
    description = {
        **trained.description,
        "step": trained.step,
        "history": [to_json(record) for record in trained.history],
    }
    arrays = {name: _storable(leaf) for name, leaf in named_leaves(trained.params).items()}
    return to_bytes(arrays, {HEADER: json.dumps(as_json(description))})


def _storable(leaf: Any) -> np.ndarray:
    """The array as a file holds it: real numbers in float32, in C order, since safetensors ignores strides."""
    array = np.asarray(leaf)
    return np.array(array, np.float32 if jnp.issubdtype(array.dtype, jnp.floating) else array.dtype, order="C")


def _from_bytes(data: bytes, source: str, model: ImageModel | None) -> Trained[Any]:
    description, arrays = _contents(data, source)
    step, history = description.pop("step"), [from_json(record) for record in description.pop("history")]
    model = model or _build(description, source)
    return Trained(model, _params(model, description, arrays, source), description, step, history)


def _contents(data: bytes, source: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the arrays of a file."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])["__metadata__"][HEADER]
        return json.loads(header), safetensors.numpy.load(data)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{source} is not a model that glowjax.save wrote ({type(error).__name__}: {error}); "
            "give such a file, or the folder of a run."
        ) from error


def _params(model: ImageModel, description: dict[str, Any], arrays: dict[str, np.ndarray], source: str) -> Params:
    """The model's params from arrays by name."""
    images = jax.ShapeDtypeStruct((2, *description["image_shape"]), jnp.uint8)
    template = jax.eval_shape(model.init, jax.random.key(0), images)
    return from_named_arrays(template, arrays, source)


def _build(description: dict[str, Any], source: str) -> ImageModel:
    """The model of a description."""
    if description["model"] is None:
        raise InputError(
            f"{source} does not say how to build its model; give it as well: glowjax.load(..., model=model)."
        )
    return build(description["model"])
