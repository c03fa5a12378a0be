"""Models that assign a likelihood to an image, one family a file; `base` states what they share."""

from glowjax.models.base import ImageModel
from glowjax.models.flow import Flow, FlowParams, FlowTerms
from glowjax.models.glow import cv_glow, nvp_glow

__all__ = ["Flow", "FlowParams", "FlowTerms", "ImageModel", "cv_glow", "nvp_glow"]
