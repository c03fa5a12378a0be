"""Uncertainty: estimates with standard errors and intervals, groups of images, resampling."""

from glowjax.stats.estimate import Estimate, difference, from_values, group_codes

__all__ = ["Estimate", "difference", "from_values", "group_codes"]
