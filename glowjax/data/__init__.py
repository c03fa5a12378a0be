"""Image sets: loaded, generated, split and put in order for training. Models do not depend on this package."""

from glowjax.data.batching import batch_indices, read_ahead
from glowjax.data.builders import prepare
from glowjax.data.generated import generate
from glowjax.data.image_set import ImageSet
from glowjax.data.loading import known_names, load, parse_spec, resolve, splits
from glowjax.data.split import training_and_validation
from glowjax.data.stored import StoredImages

__all__ = [
    "ImageSet",
    "StoredImages",
    "batch_indices",
    "generate",
    "known_names",
    "load",
    "parse_spec",
    "prepare",
    "read_ahead",
    "resolve",
    "splits",
    "training_and_validation",
]
