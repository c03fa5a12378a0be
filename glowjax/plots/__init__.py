"""Every figure, one function each, from arrays to a Matplotlib figure; `save` writes it beside its data."""

from glowjax.plots.detection import bits_per_dim_means, roc_curves
from glowjax.plots.images import image_grid, samples
from glowjax.plots.likelihoods import decomposition, likelihood_histograms
from glowjax.plots.style import save
from glowjax.plots.training import training_curve

__all__ = [
    "bits_per_dim_means",
    "decomposition",
    "image_grid",
    "likelihood_histograms",
    "roc_curves",
    "samples",
    "save",
    "training_curve",
]
