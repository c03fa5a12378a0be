"""Invertible layers, one per file; `base` states the contract."""

from glowjax.layers.actnorm import ActNorm
from glowjax.layers.base import Layer, Visit, visit
from glowjax.layers.compose import Chain, Inverse, MultiScale
from glowjax.layers.conv1x1 import Conv1x1, FullConv1x1
from glowjax.layers.coupling import AdditiveCoupling, AffineCoupling
from glowjax.layers.pixel_scaling import PixelScaling
from glowjax.layers.repeat import Repeat
from glowjax.layers.split import Split, SplitPrior
from glowjax.layers.squeeze import Squeeze

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "Chain",
    "Conv1x1",
    "FullConv1x1",
    "Inverse",
    "Layer",
    "MultiScale",
    "PixelScaling",
    "Repeat",
    "Split",
    "SplitPrior",
    "Squeeze",
    "Visit",
    "visit",
]
