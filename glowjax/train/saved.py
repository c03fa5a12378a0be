"""Trained models on disk: a run's folder, a `.safetensors` file, or one of the pretrained models.

A file holds the params by name and a JSON description in its header, so that it can be read without glowjax:
`safetensors.torch.load_file` gives the arrays.
"""

import dataclasses
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

from glowjax import pretrained
from glowjax.checks import InputError, expanded, writable_directory
from glowjax.files import as_json, in_one_step
from glowjax.models import ImageModel, build, config_of
from glowjax.train.arrays import SEAL, check_digests, from_named_arrays, named_leaves, sealed, unsealed
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.comparison import entries
from glowjax.train.log import Record, from_json, read, to_json
from glowjax.train.record import evaluations
from glowjax.train.saved_state import is_newer, not_understood
from glowjax.train.trained import Trained
from glowjax.typing import Params

T = TypeVar("T")

HEADER = "glowjax"
PRETRAINED = "pretrained:"

SAME_VALUES = ("memory", "convolution", "compute_dtype")
"""The fields of a model that change its speed, its memory or its rounding, but not the function that it computes."""

_Contents: TypeAlias = tuple[dict[str, Any], dict[str, np.ndarray], int, list[Record]]
"""The description, the params by name, their step, and the record of each evaluation."""


def load(source: str | Path, model: ImageModel | None = None) -> Trained[Any]:
    """The trained model of a run, of a saved `.safetensors` file, or of a name such as "pretrained:fashion-mnist".

    A run gives the params of its best step by validation or, without validation, those of its newest checkpoint.

    Args:
        source: the folder of the run, the file, or the name.
        model: the model of these params. By default it is rebuilt from the description. This imports and calls the
            `builder` that the description may name, so pass your own model to load a file of a stranger.

    Raises:
        InputError: if there is no such model, it is damaged, or it has other params than `model`.
    """
    if str(source).startswith(PRETRAINED):
        path = pretrained.file(str(source).removeprefix(PRETRAINED))
    else:
        path = expanded(source).absolute()
    description, arrays, step, history = _contents(path)
    given, model = model, model or _build(description, path)
    images = jax.ShapeDtypeStruct(_understood(_shape, description, path), jnp.uint8)
    template = jax.eval_shape(model.init, jax.random.key(0), images)
    params = from_named_arrays(template, arrays, str(path))
    if given is not None:
        _compare(description.get("model") or {}, given, path)
    return Trained(model, params, description, step, history)


def _compare(trained: Mapping[str, Any], model: ImageModel, path: Path) -> None:
    """Warns if a model computes something else than the one that was trained, although their arrays fit."""
    config = config_of(model)
    if config is None or "kind" not in trained:
        return  # a model of the user's own
    before, now = entries(trained), entries(as_json(dataclasses.asdict(config)))
    changes = [
        f"{name} {before.get(name)} (now {value})"
        for name, value in now.items()
        if before.get(name) != value and name not in SAME_VALUES
    ]
    if changes:
        warnings.warn(
            f"The params in {path} were trained with {', '.join(changes)}; pass the model that was trained.",
            stacklevel=3,
        )


def load_pretrained(name: str) -> tuple[Any, Params, dict[str, Any]]:
    """The pretrained model of a name, as `model, params, description`; `load` returns it as a `Trained`.

    The models invert real images to 0.13 grey levels, and black-and-white patterns to 0.1, with one exception:
    "fashion-mnist" is off by more than 100 grey levels on a checkerboard of single pixels.
    """
    trained = load(f"{PRETRAINED}{name}")
    return trained.model, trained.params, trained.description


def save(trained: Trained[Any], path: str | Path) -> Path:
    """Writes a trained model to a `.safetensors` file, and returns its path. `load` reads it.

    Raises InputError if the path has another suffix or cannot be written, or if a parameter is not finite.
    """
    path = expanded(path).absolute()
    if path.suffix != ".safetensors":
        raise InputError(f"Saved models end in .safetensors, but the path is {path}; rename it.")
    arrays = {name: _storable(leaf) for name, leaf in named_leaves(trained.params).items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"The parameter {name} is not finite, so the model is not saved; train it again.")
    writable_directory(path.parent)
    history = [to_json(record) for record in trained.history]
    description = as_json({**trained.description, "step": trained.step, "history": history})
    try:
        with in_one_step(path) as part:
            save_file(arrays, part, {HEADER: json.dumps(sealed(description, arrays))})
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} could not be written ({error}); free the disk or name another path.") from error
    return path


def _storable(leaf: Any) -> np.ndarray:
    """The array to write: real numbers in float32, in C order because safetensors ignores strides."""
    array = np.asarray(leaf)
    return np.array(array, np.float32 if jnp.issubdtype(array.dtype, jnp.floating) else array.dtype, order="C")


def _contents(path: Path) -> _Contents:
    if path.is_dir():
        return _contents_of_run(path)
    if path.is_file():
        return _contents_of_file(path)
    known = ", ".join(f"'{PRETRAINED}{name}'" for name in pretrained.HASHES)
    raise InputError(
        f"There is no trained model at {path}; give the folder of a run, a .safetensors file of glowjax.save, "
        f"or one of {known}."
    )


def _contents_of_run(directory: Path) -> _Contents:
    saved = Checkpoints(directory / "checkpoints", read_only=True).read_best()
    prefix = "ema_params."
    averaged = {name.removeprefix(prefix): one for name, one in saved.arrays.items() if name.startswith(prefix)}
    return saved.description, averaged, saved.step, evaluations(read(directory / "metrics.jsonl"))


def _contents_of_file(path: Path) -> _Contents:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            description = json.loads(file.metadata()[HEADER])
        arrays = load_file(path)
        if SEAL in description:  # the pretrained models have a hash of the whole file instead
            description, digests = unsealed(description)
            check_digests(arrays, digests)
        history = [from_json(record) for record in description.pop("history")]
        return description, arrays, description.pop("step"), history
    except PermissionError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
    except Exception as error:  # damaged files raise errors of many classes
        raise InputError(
            f"{path} is not a whole file of glowjax.save ({type(error).__name__}: {error}); "
            "give such a file, or the folder of a run."
        ) from error


def _build(description: dict[str, Any], path: Path) -> ImageModel:
    if description.get("model", "") is None:
        raise InputError(
            f"{path} does not say how to build its model; give it as well: glowjax.load(..., model=model)."
        )
    return _understood(lambda known: build(known["model"]), description, path)


def _shape(description: dict[str, Any]) -> tuple[int, ...]:
    """The shape of two images."""
    height, width, channels = (int(size) for size in description["image_shape"])
    return 2, height, width, channels


def _understood(read: Callable[[dict[str, Any]], T], description: dict[str, Any], path: Path) -> T:
    """What `read` finds in a description. Raises InputError if this version does not understand it."""
    try:
        return read(description)
    except Exception as error:  # a description of another version may hold anything
        version = (description.get("provenance") or {}).get("glowjax")
        if isinstance(error, InputError) and not is_newer(version):
            raise
        raise not_understood(str(path), version, error) from error
