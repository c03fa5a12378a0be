"""Glow in JAX, and what its likelihoods mean: layers, flows, exact likelihoods, training and data."""

from glowjax import analysis, conditioners, data, layers, models, ood, testing
from glowjax._version import __version__
from glowjax.errors import InputError
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowParams, FlowTerms, ImageModel, PixelCNN, conv_vae, cv_glow, nvp_glow
from glowjax.pretrained import load_pretrained

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
    "conditioners",
    "conv_vae",
    "cv_glow",
    "data",
    "dequantize",
    "layers",
    "load_pretrained",
    "models",
    "nvp_glow",
    "ood",
    "testing",
]
