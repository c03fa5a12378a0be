"""The architectures that experiments train, as configurations that a checkpoint can carry: Glow, PixelCNN, VAE."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import glowjax as gj
from glowjax.checks import InputError
from glowjax.layers.coupling import LOG_SCALE_BOUND
from glowjax.models import VAE, Categorical, Flow, LogisticMixture, PixelCNN, PixelDistribution, conv_vae
from glowjax.networks.conditioners import ACTIVATIONS

GLOWS: dict[str, Callable[..., Flow]] = {"nvp": gj.nvp_glow, "cv": gj.cv_glow}
PIXELS: dict[str, Callable[[], PixelDistribution]] = {
    "softmax": Categorical,
    "logistic": lambda: LogisticMixture(1),
    "logistics": lambda: LogisticMixture(5),
}

Pixels: TypeAlias = Literal["softmax", "logistic", "logistics"]


@dataclasses.dataclass(frozen=True)
class GlowConfig:
    """A Glow's architecture.

    Attributes:
        kind: affine couplings and conditional splits (nvp), or constant volume (cv).
        num_scales: scales of the multi-scale architecture.
        num_steps: steps of flow a scale.
        width: hidden features of the couplings' networks.
        conditioner: the reference's network (conv) or the paper's kind (highway).
        activation: of the couplings' networks.
        compute_dtype: of the couplings' networks; params, couplings and log-dets stay float32.
        log_scale_bound: on the raw log-scales of affine couplings; a larger one fits better and inverts less exactly.
        memory: what the backward pass keeps: every product (store), one image a step (remat), or nothing (invert).
    """

    kind: Literal["nvp", "cv"] = "nvp"
    num_scales: int = 2
    num_steps: int = 8
    width: int = 64
    conditioner: Literal["conv", "highway"] = "conv"
    activation: Literal["relu", "tanh", "swish"] = "relu"
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    log_scale_bound: float = LOG_SCALE_BOUND
    memory: Literal["store", "remat", "invert"] = "remat"

    def build(self) -> Flow:
        """The model. Raises InputError for a bound on the scales of a constant-volume Glow, which has none."""
        if self.kind == "cv" and self.log_scale_bound != LOG_SCALE_BOUND:
            raise InputError(
                f"log_scale_bound is {self.log_scale_bound}, but the couplings of a CV-Glow have no scales to bound; "
                "leave the option out, or take an NVP-Glow."
            )
        return GLOWS[self.kind](
            self.num_scales,
            self.num_steps,
            self.width,
            conditioner=self.conditioner,
            activation=ACTIVATIONS[self.activation],
            compute_dtype=None if self.compute_dtype == "float32" else self.compute_dtype,
            memory=self.memory,
            **({"log_scale_bound": self.log_scale_bound} if self.kind == "nvp" else {}),
        )

    @property
    def title(self) -> str:
        """NVP-Glow or CV-Glow."""
        return f"{self.kind.upper()}-Glow"

    def in_words(self) -> str:
        """The architecture, without its name."""
        return (
            f"{self.num_scales} scales x {self.num_steps} steps, {self.conditioner} conditioners of width {self.width} "
            f"({self.activation})"
        )

    def likelihood(self, num_draws: int) -> str:
        """What the reported log P(image) is."""
        return (
            f"log P(image) is the log of the mean density over {_draws(num_draws)} of dequantisation noise: on average "
            "a lower bound."
        )


@dataclasses.dataclass(frozen=True)
class PixelCNNConfig:
    """A Gated PixelCNN's architecture.

    Attributes:
        kind: names the architecture in a checkpoint.
        num_layers: gated layers.
        width: features of both stacks.
        head_width: hidden features of the channels' heads.
        pixels: of each value: a softmax over 256 levels, or a mixture of 5 discretised logistics.
    """

    kind: Literal["pixelcnn"] = "pixelcnn"
    num_layers: int = 5
    width: int = 32
    head_width: int = 64
    pixels: Pixels = "softmax"

    title = "PixelCNN"

    def build(self) -> PixelCNN:
        """The model."""
        return PixelCNN(self.num_layers, self.width, PIXELS[self.pixels](), head_width=self.head_width)

    def in_words(self) -> str:
        """The architecture, without its name."""
        return f"{self.num_layers} gated layers of width {self.width}, {self.pixels} pixels"

    def likelihood(self, num_draws: int) -> str:
        """What the reported log P(image) is."""
        del num_draws
        return "log P(image) is exact."


@dataclasses.dataclass(frozen=True)
class VAEConfig:
    """A convolutional VAE's architecture.

    Attributes:
        kind: names the architecture in a checkpoint.
        num_latents: dimensions of the latent vector.
        width: features at full size; twice as many at a quarter of height and width.
        pixels: of each value: a softmax over 256 levels, or a discretised logistic.
    """

    kind: Literal["vae"] = "vae"
    num_latents: int = 50
    width: int = 32
    pixels: Pixels = "softmax"

    title = "VAE"

    def build(self) -> VAE:
        """The model."""
        return conv_vae(self.num_latents, self.width, pixels=PIXELS[self.pixels]())

    def in_words(self) -> str:
        """The architecture, without its name."""
        return f"{self.num_latents} latents, convolutions of width {self.width}, {self.pixels} pixels"

    def likelihood(self, num_draws: int) -> str:
        """What the reported log P(image) is."""
        return f"log P(image) is importance-weighted over {_draws(num_draws)} of the latents: on average a lower bound."


def _draws(number: int) -> str:
    return "one draw" if number == 1 else f"{number:,} draws"


ModelConfig: TypeAlias = GlowConfig | PixelCNNConfig | VAEConfig

ARCHITECTURES: dict[str, type[ModelConfig]] = {
    "nvp": GlowConfig,
    "cv": GlowConfig,
    "pixelcnn": PixelCNNConfig,
    "vae": VAEConfig,
}


def architecture(description: dict[str, Any]) -> ModelConfig:
    """The configuration that a checkpoint's description of a model names by its kind."""
    return ARCHITECTURES[description["kind"]](**description)
