"""Models that assign a likelihood to an image, one family a file; `base` states what they share."""

from glowjax.models.base import ImageModel, NetworkParams
from glowjax.models.flow import Flow, FlowParams, FlowTerms
from glowjax.models.glow import cv_glow, nvp_glow
from glowjax.models.pixelcnn import PixelCNN
from glowjax.models.pixels import Categorical, LogisticMixture, PixelDistribution
from glowjax.models.vae import VAE, conv_vae

__all__ = [
    "VAE",
    "Categorical",
    "Flow",
    "FlowParams",
    "FlowTerms",
    "ImageModel",
    "LogisticMixture",
    "NetworkParams",
    "PixelCNN",
    "PixelDistribution",
    "conv_vae",
    "cv_glow",
    "nvp_glow",
]
