"""Uncertainty: estimates with standard errors and intervals, heavy tails, groups of images, resampling."""

from glowjax.stats.estimate import CONFIDENCE, Estimate, Result
from glowjax.stats.few import FewImagesWarning, warn_of_few_images
from glowjax.stats.groups import group_codes, resample
from glowjax.stats.means import difference, gap, mean, share, share_difference, standard_error
from glowjax.stats.robust import RobustGap, robust_gap
from glowjax.stats.tails import HeavyTailWarning, Tail

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "FewImagesWarning",
    "HeavyTailWarning",
    "Result",
    "RobustGap",
    "Tail",
    "difference",
    "gap",
    "group_codes",
    "mean",
    "resample",
    "robust_gap",
    "share",
    "share_difference",
    "standard_error",
    "warn_of_few_images",
]
