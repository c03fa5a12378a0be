"""Glow in JAX, and what its likelihoods mean: layers, flows, exact likelihoods, training and data."""

import importlib
from typing import TYPE_CHECKING, Any

from glowjax import data, layers, models, networks, testing
from glowjax._version import __version__
from glowjax.checks import InputError
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowParams, FlowTerms, ImageModel, PixelCNN, conv_vae, cv_glow, nvp_glow

if TYPE_CHECKING:
    from glowjax import analysis, ood, plots, train
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
    "testing",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports what is slow to import, or needs further packages, when it is first used."""
    if name in ("analysis", "ood", "plots", "train"):
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("load", "load_pretrained", "save"):
        return getattr(importlib.import_module(f"{__name__}.train"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
