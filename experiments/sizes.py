"""The architectures and schedules of the presets. This module needs no package that reads a command line."""

import dataclasses
from typing import Literal, cast

import optax

from glowjax.models import BuilderConfig, GlowConfig, ModelConfig, PixelCNNConfig, VAEConfig
from glowjax.train.optimizer import make_optimizer


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        num_steps: total number of training steps; a larger number extends a run.
        batch_size: images per step, over all devices together.
        optimizer: adamax (reference implementation), adam, or rmsprop (the paper).
        learning_rate: highest learning rate, after the warm-up.
        warmup_steps: number of steps over which the rate rises from 0.
        schedule: cosine decay to 0, or halving at 80 % and 90 % of training.
        evaluate_every: number of steps between evaluations, each with a checkpoint.
        save_every: seconds between checkpoints, in addition to those at evaluations.
        num_microbatches: number of parts into which each device divides its images, to compute them one after the
            other; more parts need less memory, and the result is the same up to rounding.
        mutation_rate: probability with which each pixel value of a training image is replaced by a random level; 0.1
            to 0.3 train the background model of a likelihood ratio.
        seed: random seed for initialization, data order and noise.
    """

    num_steps: int = 24_000
    batch_size: int = 64
    optimizer: Literal["adamax", "adam", "rmsprop"] = "adamax"
    learning_rate: float = 1e-2
    warmup_steps: int = 200
    schedule: Literal["cosine", "halving"] = "cosine"
    evaluate_every: int = 500
    save_every: float = 600.0
    num_microbatches: int = 1
    mutation_rate: float = 0.0
    seed: int = 0

    def make_optimizer(self) -> optax.GradientTransformation:
        """The optimizer."""
        return make_optimizer(
            self.optimizer,
            learning_rate=self.learning_rate,
            num_steps=self.num_steps,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
        )


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model, the set that it is trained on, and its schedule.

    Attributes:
        in_dist: data set to train on.
        model: architecture.
        training: schedule.
    """

    in_dist: str = "fashion_mnist"
    model: ModelConfig = dataclasses.field(default_factory=GlowConfig)
    training: TrainingConfig = TrainingConfig()


_PAPER_GLOW = TrainingConfig(
    num_steps=200_000, batch_size=32, optimizer="rmsprop", schedule="halving", evaluate_every=5_000
)
_DEMO = TrainingConfig(num_steps=850, warmup_steps=100, evaluate_every=170)
_NETWORK = TrainingConfig(num_steps=10_000, optimizer="adam", learning_rate=1e-3)
"""The schedule of PixelCNN and VAE."""

GLOW_PRESETS: dict[str, Preset] = {
    "demo": Preset(training=_DEMO),
    "small-28": Preset(),
    "small-32": Preset(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=96),
        training=TrainingConfig(num_steps=15_000, batch_size=32),
    ),
    "paper-28": Preset(
        model=GlowConfig(num_steps=16, width=200, conditioner="highway"),
        training=dataclasses.replace(_PAPER_GLOW, learning_rate=5e-5),
    ),
    "paper-32": Preset(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=400, conditioner="highway"),
        training=dataclasses.replace(_PAPER_GLOW, learning_rate=1e-5),
    ),
    "openai-cifar10": Preset(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=32, width=512),
        # 10 epochs of warm-up at batch 512; the reference trains for days on 8 GPUs.
        training=TrainingConfig(
            num_steps=150_000, batch_size=512, learning_rate=1e-3, warmup_steps=1_000, evaluate_every=2_000
        ),
    ),
}

CV_GLOW_PRESETS = {
    name: dataclasses.replace(preset, model=dataclasses.replace(cast(GlowConfig, preset.model), kind="cv"))
    for name, preset in GLOW_PRESETS.items()
}

PIXELCNN_PRESETS: dict[str, Preset] = {
    "demo": Preset(
        model=PixelCNNConfig(num_layers=3, width=24, head_width=32),
        training=dataclasses.replace(_NETWORK, num_steps=400, warmup_steps=50, evaluate_every=100),
    ),
    "small-28": Preset(model=PixelCNNConfig(), training=_NETWORK),
    "small-32": Preset(
        in_dist="cifar10",
        model=PixelCNNConfig(num_layers=7, width=48),
        training=dataclasses.replace(_NETWORK, batch_size=32),
    ),
    # Our guess at the paper's sizes, from memory: 5 layers of 32 features, and 15 of 128.
    "paper-28": Preset(
        model=PixelCNNConfig(num_layers=5, width=32),
        training=dataclasses.replace(_NETWORK, num_steps=100_000, batch_size=32, evaluate_every=5_000),
    ),
    "paper-32": Preset(
        in_dist="cifar10",
        model=PixelCNNConfig(num_layers=15, width=128, head_width=128),
        training=dataclasses.replace(_NETWORK, num_steps=200_000, batch_size=32, evaluate_every=5_000),
    ),
}

VAE_PRESETS: dict[str, Preset] = {
    "demo": Preset(
        model=VAEConfig(num_latents=20, width=16),
        training=dataclasses.replace(_NETWORK, num_steps=600, warmup_steps=50, evaluate_every=150),
    ),
    "small-28": Preset(model=VAEConfig(), training=_NETWORK),
    "small-32": Preset(in_dist="cifar10", model=VAEConfig(num_latents=100), training=_NETWORK),
    "paper-28": Preset(
        model=VAEConfig(num_latents=100, width=64),
        training=dataclasses.replace(_NETWORK, num_steps=200_000, evaluate_every=5_000),
    ),
    "paper-32": Preset(
        in_dist="cifar10",
        model=VAEConfig(num_latents=200, width=64),
        training=dataclasses.replace(_NETWORK, num_steps=200_000, evaluate_every=5_000),
    ),
}


BUILDER_PRESETS = {
    name: dataclasses.replace(preset, model=BuilderConfig("package.module:function"))
    for name, preset in GLOW_PRESETS.items()
}
"""For a model of your own: only its schedule and its data set come from the preset."""

PRESETS: dict[str, dict[str, Preset]] = {
    "nvp": GLOW_PRESETS,
    "cv": CV_GLOW_PRESETS,
    "pixelcnn": PIXELCNN_PRESETS,
    "vae": VAE_PRESETS,
    "builder": BUILDER_PRESETS,
}
"""{kind of model: {name: preset}}."""
