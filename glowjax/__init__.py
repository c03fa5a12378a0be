"""Glow in JAX, and what its likelihoods mean."""

from glowjax._version import __version__
from glowjax.errors import InputError

__all__ = ["InputError", "__version__"]
