"""Models that assign a likelihood to an image, one family per file; `base` states the contract."""

from glowjax.models.base import ImageModel, ModelParams
from glowjax.models.configs import BuilderConfig, GlowConfig, ModelConfig, PixelCNNConfig, VAEConfig
from glowjax.models.description import build, config_from, config_of, describe, likelihood
from glowjax.models.flow import Flow, FlowParams, FlowTerms
from glowjax.models.glow import cv_glow, nvp_glow
from glowjax.models.pixelcnn import PixelCNN
from glowjax.models.pixels import Categorical, LogisticMixture, PixelDistribution
from glowjax.models.vae import VAE, VAETerms, conv_vae

__all__ = [
    "VAE",
    "BuilderConfig",
    "Categorical",
    "Flow",
    "FlowParams",
    "FlowTerms",
    "GlowConfig",
    "ImageModel",
    "LogisticMixture",
    "ModelConfig",
    "ModelParams",
    "PixelCNN",
    "PixelCNNConfig",
    "PixelDistribution",
    "VAEConfig",
    "VAETerms",
    "build",
    "config_from",
    "config_of",
    "conv_vae",
    "cv_glow",
    "describe",
    "likelihood",
    "nvp_glow",
]
