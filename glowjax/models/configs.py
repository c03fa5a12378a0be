"""Model configurations that JSON and a command line can hold: Glow, PixelCNN, VAE, and a user's own builder."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

from glowjax.checks import InputError
from glowjax.layers.coupling import LOG_SCALE_BOUND
from glowjax.models.base import ImageModel
from glowjax.models.flow import Flow
from glowjax.models.glow import cv_glow, nvp_glow
from glowjax.models.pixelcnn import PixelCNN
from glowjax.models.pixels import Categorical, LogisticMixture, PixelDistribution
from glowjax.models.vae import VAE, conv_vae
from glowjax.references import resolve

GLOWS: dict[str, Callable[..., Flow]] = {"nvp": nvp_glow, "cv": cv_glow}
PIXELS: dict[str, PixelDistribution] = {
    "softmax": Categorical(),
    "logistic": LogisticMixture(1),
    "logistics": LogisticMixture(5),
}

Pixels: TypeAlias = Literal["softmax", "logistic", "logistics"]


@dataclasses.dataclass(frozen=True)
class GlowConfig:
    """The architecture of a Glow.

    Attributes:
        kind: affine couplings and conditional splits (nvp), or constant volume (cv).
        num_scales: number of scales of the multi-scale architecture.
        num_steps: steps of flow per scale.
        width: hidden features of the couplings' networks.
        conditioner: the network of the reference implementation (conv), or highway layers as in the paper (highway).
        activation: activation of the couplings' networks.
        compute_dtype: dtype inside the couplings' networks; params, couplings and log-dets stay float32.
        convolution: how the networks convolve: by matrix products (product), by XLA (xla), or as is faster on this
            platform (auto).
        log_scale_bound: bound on the raw log-scales of affine couplings; a larger one fits better and inverts less
            exactly.
        memory: what the backward pass stores: all products (store), little per step (remat), or nothing (invert).
    """

    kind: Literal["nvp", "cv"] = "nvp"
    num_scales: int = 2
    num_steps: int = 8
    width: int = 64
    conditioner: Literal["conv", "highway"] = "conv"
    activation: Literal["relu", "tanh", "swish"] = "relu"
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    convolution: Literal["auto", "product", "xla"] = "auto"
    log_scale_bound: float = LOG_SCALE_BOUND
    memory: Literal["store", "remat", "invert"] = "remat"

    def build(self) -> Flow:
        """The model."""
        if self.kind == "cv" and self.log_scale_bound != LOG_SCALE_BOUND:
            raise InputError(
                f"log_scale_bound is {self.log_scale_bound}, but the couplings of a CV-Glow have no scales to bound; "
                "leave log_scale_bound out, or use kind='nvp'."
            )
        return GLOWS[self.kind](
            self.num_scales,
            self.num_steps,
            self.width,
            conditioner=self.conditioner,
            activation=self.activation,
            compute_dtype=None if self.compute_dtype == "float32" else self.compute_dtype,
            convolution=self.convolution,
            memory=self.memory,
            **({"log_scale_bound": self.log_scale_bound} if self.kind == "nvp" else {}),
        )

    @property
    def title(self) -> str:
        """NVP-Glow or CV-Glow."""
        return f"{self.kind.upper()}-Glow"

    def summarize(self) -> str:
        """The architecture in a few words, without its title."""
        return (
            f"{self.num_scales} scales x {self.num_steps} steps, {self.conditioner} conditioners of width {self.width} "
            f"({self.activation})"
        )


@dataclasses.dataclass(frozen=True)
class PixelCNNConfig:
    """The architecture of a Gated PixelCNN.

    Attributes:
        kind: name of the architecture in a description.
        num_layers: number of gated layers.
        width: features of both stacks.
        head_width: hidden features of the channels' heads.
        pixels: distribution of each value: a softmax over 256 levels, or a mixture of 5 discretized logistics.
    """

    kind: Literal["pixelcnn"] = "pixelcnn"
    num_layers: int = 5
    width: int = 32
    head_width: int = 64
    pixels: Pixels = "softmax"

    title: ClassVar[str] = "PixelCNN"

    def build(self) -> PixelCNN:
        """The model."""
        return PixelCNN(self.num_layers, self.width, PIXELS[self.pixels], head_width=self.head_width)

    def summarize(self) -> str:
        """The architecture in a few words, without its title."""
        return f"{self.num_layers} gated layers of width {self.width}, {self.pixels} pixels"


@dataclasses.dataclass(frozen=True)
class VAEConfig:
    """The architecture of a convolutional VAE.

    Attributes:
        kind: name of the architecture in a description.
        num_latents: dimensions of the latent vector.
        width: features at full size; twice as many at a quarter of height and width.
        pixels: distribution of each value: a softmax over 256 levels, or a discretized logistic.
    """

    kind: Literal["vae"] = "vae"
    num_latents: int = 50
    width: int = 32
    pixels: Pixels = "softmax"

    title: ClassVar[str] = "VAE"

    def build(self) -> VAE:
        """The model."""
        return conv_vae(self.num_latents, self.width, pixels=PIXELS[self.pixels])

    def summarize(self) -> str:
        """The architecture in a few words, without its title."""
        return f"{self.num_latents} latents, convolutions of width {self.width}, {self.pixels} pixels"


@dataclasses.dataclass(frozen=True)
class BuilderConfig:
    """A model of your own.

    Attributes:
        builder: package.module:function, a function without arguments that returns the model.
    """

    builder: str

    kind: ClassVar[str] = "builder"

    def build(self) -> ImageModel:
        """The model. Raises InputError if the function cannot be imported, or does not return an image model."""
        build = resolve(self.builder)
        if not callable(build):
            raise InputError(f"'{self.builder}' is a {type(build).__name__}; name a function that returns the model.")
        model = build()
        if not isinstance(model, ImageModel):
            raise InputError(
                f"{self.builder}() returned a {type(model).__name__}, but a model has the methods init, "
                "log_likelihood, loss and sample of glowjax.ImageModel; for a layer of yours, return gj.Flow(layer)."
            )
        return model

    @property
    def title(self) -> str:
        """The name of the builder function."""
        return self.builder.rpartition(":")[2]

    def summarize(self) -> str:
        """Where the model comes from."""
        return f"built by {self.builder}"


ModelConfig: TypeAlias = GlowConfig | PixelCNNConfig | VAEConfig | BuilderConfig

CONFIGS: dict[str, type[GlowConfig | PixelCNNConfig | VAEConfig]] = {
    "nvp": GlowConfig,
    "cv": GlowConfig,
    "pixelcnn": PixelCNNConfig,
    "vae": VAEConfig,
}
"""The configuration of each kind of model of ours."""
