"""Every figure, one function each, from arrays to a Matplotlib figure; `save` writes it beside its data."""

from glowjax.plots.curvature import along_paths, contrast_curves, gap_estimates, pixel_moments, spectrum
from glowjax.plots.detection import bits_per_dim_means, roc_curves
from glowjax.plots.filtering import by_angle, risk_coverage
from glowjax.plots.images import image_grid, samples, scored_images
from glowjax.plots.likelihoods import decomposition, likelihood_histograms, likelihood_panels
from glowjax.plots.scales import gap_by_part
from glowjax.plots.style import save
from glowjax.plots.training import bits_by_time, training_curve

__all__ = [
    "along_paths",
    "bits_by_time",
    "bits_per_dim_means",
    "by_angle",
    "contrast_curves",
    "decomposition",
    "gap_by_part",
    "gap_estimates",
    "image_grid",
    "likelihood_histograms",
    "likelihood_panels",
    "pixel_moments",
    "risk_coverage",
    "roc_curves",
    "samples",
    "save",
    "scored_images",
    "spectrum",
    "training_curve",
]
