"""The models that are measured: presets of the experiments, with random arrays and images."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import optax

from experiments.sizes import PRESETS
from glowjax.models import GlowConfig, ImageModel, ModelConfig, PixelCNNConfig, VAEConfig
from glowjax.train.optimizer import make_optimizer
from glowjax.typing import Params

NUM_IMAGES = 512
TINY_SIZE = 8
SCALE = 0.02
"""The standard deviation of the random arrays."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A model of a preset, with the shape of its images and the number of images per step."""

    kind: str
    preset: str
    config: ModelConfig
    size: int
    channels: int
    batch_size: int

    def __str__(self) -> str:
        """Such as "nvp paper-28"."""
        return f"{self.kind} {self.preset}"

    @property
    def num_images(self) -> int:
        """The number of images of a likelihood pass; as many as in a step of a tiny case."""
        return max(NUM_IMAGES, self.batch_size) if self.size > TINY_SIZE else self.batch_size

    @property
    def is_glow(self) -> bool:
        """Whether the model is a flow."""
        return isinstance(self.config, GlowConfig)

    def model(self, **changes: Any) -> ImageModel:
        """The model, with changes of its configuration."""
        return dataclasses.replace(self.config, **changes).build()

    def images(self, count: int) -> np.ndarray:
        """[count, H, W, C] uint8, uniform."""
        shape = (count, self.size, self.size, self.channels)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def params(self) -> Params:
        """Random arrays, on the host. Permutations are the identity, so that the model can be inverted.

        A model's own initialization would be one more program to compile.
        """
        rng = np.random.default_rng(1)

        def array(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
            if "signed_permutation" in jax.tree_util.keystr(path):
                return np.broadcast_to(np.eye(leaf.shape[-1], dtype=leaf.dtype), leaf.shape)
            return SCALE * rng.standard_normal(leaf.shape, dtype=np.float32)

        return jax.tree_util.tree_map_with_path(array, self.shapes())

    @functools.cache  # noqa: B019, there are few cases
    def shapes(self) -> Params:
        """The shapes of the params."""
        return jax.eval_shape(self.model().init, jax.random.key(0), self.images(2))


def optimizer() -> optax.GradientTransformation:
    """The optimizer of every step that is measured: Adam with clipping, which skips gradients that are not finite."""
    return make_optimizer("adam", learning_rate=1e-4, num_steps=1_000, warmup_steps=10)


def case(kind: str, preset: str) -> Case:
    """The case of a preset."""
    chosen = PRESETS[kind][preset]
    size, channels = (28, 1) if preset.endswith("28") else (32, 3)
    return Case(kind, preset, chosen.model, size, channels, chosen.training.batch_size)


def shrunk(large: Case) -> Case:
    """The case with the same kind of model, as small as it can be, for tests."""
    config = large.config
    if isinstance(config, GlowConfig):
        config = dataclasses.replace(config, num_scales=1, num_steps=1, width=4)
    elif isinstance(config, PixelCNNConfig):
        config = dataclasses.replace(config, num_layers=2, width=4, head_width=4)
    elif isinstance(config, VAEConfig):
        config = dataclasses.replace(config, num_latents=2, width=4)
    return dataclasses.replace(large, config=config, size=TINY_SIZE, batch_size=4)


BY_IMPORTANCE = (
    ("nvp", "openai-cifar10"),
    ("nvp", "paper-28"),
    ("pixelcnn", "paper-32"),
    ("vae", "paper-32"),
    ("cv", "paper-28"),
    ("nvp", "small-28"),
    ("nvp", "paper-32"),
    ("pixelcnn", "paper-28"),
    ("vae", "paper-28"),
    ("nvp", "small-32"),
    ("pixelcnn", "small-28"),
    ("vae", "small-28"),
    ("pixelcnn", "small-32"),
    ("vae", "small-32"),
    ("cv", "openai-cifar10"),
    ("cv", "paper-32"),
    ("cv", "small-28"),
    ("cv", "small-32"),
)
"""The presets, those that say most about a device first."""


def cases(tiny: bool) -> list[Case]:
    """All cases by importance, or tiny ones of each kind."""
    if not tiny:
        return [case(*names) for names in BY_IMPORTANCE]
    kinds = {names[0]: shrunk(case(*names)) for names in reversed(BY_IMPORTANCE)}
    return [kinds[kind] for kind in dict.fromkeys(kind for kind, _ in BY_IMPORTANCE)]
