"""Models as JSON and back: `describe` and `build`, for runs, saved files and pretrained models alike.

A description has one of three forms:

    {"kind": "nvp", "num_scales": 2, ...}      a configuration of `glowjax.models.configs`
    {"builder": "package.module:function"}     a function of the user's that returns the model
    {"class": "package.module:Name", ...}      any other model, as its class and the fields of its dataclass

Building imports the modules that a description names: build only descriptions that you trust.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from glowjax.checks import InputError, unknown
from glowjax.layers import AffineCoupling
from glowjax.models.base import ImageModel
from glowjax.models.configs import (
    CONFIGS,
    PIXELS,
    BuilderConfig,
    GlowConfig,
    ModelConfig,
    PixelCNNConfig,
    VAEConfig,
)
from glowjax.models.flow import Flow
from glowjax.models.glow import CONDITIONERS
from glowjax.models.pixelcnn import PixelCNN
from glowjax.models.vae import VAE
from glowjax.networks.conditioners import ACTIVATIONS
from glowjax.references import reference, resolve

SCALARS = (str, bool, int, type(None))


def describe(model: ImageModel, builder: str | None = None) -> dict[str, Any]:
    """A description of `model` that JSON can hold and `build` turns into an equal model.

    With `builder`, "package.module:function", the description is that name, and `build` calls the function. Raises
    InputError if the model holds something that another process could not import, or if the builder returns another.
    """
    if builder is not None:
        if BuilderConfig(builder).build() != model:
            raise InputError(f"The model is not equal to what {builder}() returns; pass that model.")
        return {"builder": builder}
    config = config_of(model)
    try:
        return _encode(dataclasses.asdict(config) if config else model)
    except InputError as error:
        raise InputError(
            f"The model cannot be described: {error} Or give builder='package.module:function', which returns the "
            "model, and model= where it is loaded."
        ) from error


def build(description: Mapping[str, Any]) -> Any:
    """The model of a description. Raises InputError if it describes no model."""
    if "class" in description:
        model = _decode(description)
        if not isinstance(model, ImageModel):
            raise InputError(f"The description is of a {type(model).__name__}, which is not an image model.")
        return model
    return config_from(description).build()


def config_from(description: Mapping[str, Any]) -> ModelConfig:
    """The configuration in a description of the form "kind" or "builder"; missing options have their defaults."""
    if "builder" in description:
        return BuilderConfig(description["builder"])
    kind = description.get("kind")
    if kind not in CONFIGS:
        raise unknown("kind of model", str(kind), CONFIGS)
    options = {name: _decode(value) for name, value in description.items()}
    fields = {field.name for field in dataclasses.fields(CONFIGS[kind])}
    if not options.keys() <= fields:
        raise unknown(f"option of the kind '{kind}'", min(options.keys() - fields), fields)
    return CONFIGS[kind](**options)


def config_of(model: Any) -> ModelConfig | None:
    """The configuration that builds a model equal to `model`, or None."""
    try:
        config = _read(model)
        return config if config.build() == model else None
    except (AttributeError, IndexError, KeyError, TypeError, StopIteration, InputError):
        return None  # the model has parts that no configuration builds


def likelihood(model: Any, num_draws: int) -> str:
    """A sentence that says what the model's log P(image) is, with `num_draws` draws."""
    draws = "one draw" if num_draws == 1 else f"{num_draws:,} draws"
    if isinstance(model, Flow):
        noise = f"{draws} of dequantization noise"
        return f"log P(image) is the log of the mean density over {noise}: on average a lower bound."
    if isinstance(model, PixelCNN):
        return "log P(image) is exact."
    if isinstance(model, VAE):
        return f"log P(image) is importance-weighted over {draws} of the latents: on average a lower bound."
    return f"log P(image) is what {type(model).__name__}.log_likelihood gives with num_draws={num_draws:,}."


def _read(model: Any) -> ModelConfig:
    """A configuration with the sizes of `model`. Raises an error if the model has other parts."""
    if isinstance(model, PixelCNN):
        head_width = model.head_width or model.width
        return PixelCNNConfig("pixelcnn", model.num_layers, model.width, head_width, _key(PIXELS, model.pixels))
    if isinstance(model, VAE):
        return VAEConfig("vae", model.num_latents, model.encoder.width, _key(PIXELS, model.pixels))
    steps = model.layer.scales[0].layers[-1]
    coupling = steps.layer.layers[-1]
    network = coupling.conditioner
    is_affine = isinstance(coupling, AffineCoupling)
    if network.activation not in ACTIVATIONS:
        raise KeyError(network.activation)
    return GlowConfig(
        kind="nvp" if is_affine else "cv",
        num_scales=len(model.layer.scales),
        num_steps=steps.num_steps,
        width=network.width,
        conditioner=_key(CONDITIONERS, type(network)),
        activation=network.activation,
        compute_dtype=network.compute_dtype or "float32",
        convolution=network.convolution,
        memory=steps.memory,
        **({"log_scale_bound": coupling.log_scale_bound} if is_affine else {}),
    )


def _key(values: Mapping[str, Any], value: Any) -> Any:
    return next(key for key, known in values.items() if known == value)


def _encode(value: Any) -> Any:
    """`value` as JSON. Raises InputError for what `_decode` could not construct again."""
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {name: _encode(item) for name, item in value.items()}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"class": reference(type(value)), "fields": _fields(value)}
    if callable(value):
        return {"function": reference(value)}
    raise InputError(
        f"It holds a {type(value).__name__}, but a description holds numbers, strings, dataclasses, linen modules and "
        "functions."
    )


def _fields(value: Any) -> dict[str, Any]:
    """The fields by name, except for defaults that cannot be encoded, such as an initializer of a linen module."""
    skipped = {"parent", "name"} if isinstance(value, nn.Module) else set()
    encoded = {}
    for field in dataclasses.fields(value):
        if field.init and field.name not in skipped:
            try:
                encoded[field.name] = _encode(getattr(value, field.name))
            except InputError:
                if getattr(value, field.name) is not field.default:
                    raise
    return encoded


def _decode(value: Any) -> Any:
    """What `_encode` encoded. Only dataclasses and linen modules are constructed."""
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    if "class" in value:
        constructor = resolve(value["class"])
        if not (isinstance(constructor, type) and dataclasses.is_dataclass(constructor)):
            raise InputError(f"'{value['class']}' is not a dataclass or linen module, so build does not construct it.")
        return constructor(**{name: _decode(item) for name, item in value["fields"].items()})
    for form, decode in (("function", resolve), ("float", float), ("dtype", np.dtype)):
        if form in value:
            return decode(value[form])
    raise InputError(f"A description of a model has no entry like {dict(value)}.")
