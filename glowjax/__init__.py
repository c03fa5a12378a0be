"""Glow in JAX, and what its likelihoods mean: layers, flows, exact likelihoods, training and data."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from glowjax import data, layers, models, networks, testing
from glowjax._version import __version__
from glowjax.checks import InputError
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowParams, FlowTerms, ImageModel, PixelCNN, conv_vae, cv_glow, nvp_glow
from glowjax.pretrained import load_pretrained

if TYPE_CHECKING:
    from glowjax import analysis, ood

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
    "load_pretrained",
    "models",
    "networks",
    "nvp_glow",
    "ood",
    "testing",
]


def __getattr__(name: str) -> ModuleType:
    """`analysis` and `ood` are imported when they are first asked for: SciPy and scikit-learn take most of a second."""
    if name in ("analysis", "ood"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
