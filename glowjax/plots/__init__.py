"""All figures: one function per figure, from arrays to a Matplotlib figure; `save` writes a figure and its data."""

from glowjax.plots.curvature import along_paths, contrast_curves, curvature_by_scale, pixel_moments, spectrum
from glowjax.plots.detection import HeatRow, auroc_by_place, roc_curves, score_heat_map, score_histograms
from glowjax.plots.gaps import gap_by_part, gap_estimates
from glowjax.plots.images import image_table, samples, scored_images
from glowjax.plots.likelihoods import decomposition, likelihood_histograms, likelihood_panels
from glowjax.plots.selection import acceptance_by_angle, risk_coverage
from glowjax.plots.style import save
from glowjax.plots.training import bits_by_time, training_curve

__all__ = [
    "HeatRow",
    "acceptance_by_angle",
    "along_paths",
    "auroc_by_place",
    "bits_by_time",
    "contrast_curves",
    "curvature_by_scale",
    "decomposition",
    "gap_by_part",
    "gap_estimates",
    "image_table",
    "likelihood_histograms",
    "likelihood_panels",
    "pixel_moments",
    "risk_coverage",
    "roc_curves",
    "samples",
    "save",
    "score_heat_map",
    "score_histograms",
    "scored_images",
    "spectrum",
    "training_curve",
]
