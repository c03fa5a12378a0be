"""Uncertainty: estimates with standard errors and intervals, groups of images, resampling."""

from glowjax.stats.estimate import CONFIDENCE, Estimate, Result, difference, gap, mean, share, standard_error
from glowjax.stats.groups import group_codes, resample

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "Result",
    "difference",
    "gap",
    "group_codes",
    "mean",
    "resample",
    "share",
    "standard_error",
]
