"""Image sets: loaded, generated, split, and put in order for training. Models know nothing of this room."""

from glowjax.data.batching import batch_indices
from glowjax.data.generated import generate
from glowjax.data.image_set import ImageSet
from glowjax.data.loading import load
from glowjax.data.preparing import prepare
from glowjax.data.spec import load_spec, parse_spec, resolve
from glowjax.data.split import training_and_validation

__all__ = [
    "ImageSet",
    "batch_indices",
    "generate",
    "load",
    "load_spec",
    "parse_spec",
    "prepare",
    "resolve",
    "training_and_validation",
]
