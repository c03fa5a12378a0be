"""Glow in JAX, for the study of its likelihoods: layers, flows, exact likelihoods, training, data and analysis."""

import importlib
from typing import TYPE_CHECKING, Any

from glowjax import layers, models, networks
from glowjax._version import __version__
from glowjax.checks import InputError
from glowjax.cores import cores_as_devices
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowParams, FlowTerms, ImageModel, PixelCNN, conv_vae, cv_glow, nvp_glow

if TYPE_CHECKING:
    from glowjax import analysis, data, ood, plots, stats, testing, train
    from glowjax.train import load, load_pretrained, save

__all__ = [
    "VAE",
    "Flow",
    "FlowParams",
    "FlowTerms",
    "ImageModel",
    "InputError",
    "PixelCNN",
    "__version__",
    "analysis",
    "bits_per_dim",
    "conv_vae",
    "cv_glow",
    "data",
    "dequantize",
    "layers",
    "load",
    "load_pretrained",
    "models",
    "networks",
    "nvp_glow",
    "ood",
    "plots",
    "save",
    "stats",
    "testing",
    "train",
]

SUBPACKAGES = ("analysis", "data", "ood", "plots", "stats", "testing", "train")
"""Modules that are slow to import or need other packages; each is imported when it is first used."""


cores_as_devices()


def __getattr__(name: str) -> Any:
    if name in SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("load", "load_pretrained", "save"):
        return getattr(importlib.import_module(f"{__name__}.train"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
