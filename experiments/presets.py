"""The options of a training run, and the presets."""

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import Any, Literal, cast

import optax
import tyro

from experiments.report.experiment import options
from experiments.report.options import Distributed
from glowjax.checks import unknown
from glowjax.models import BuilderConfig, GlowConfig, ModelConfig, PixelCNNConfig, VAEConfig
from glowjax.train import make_optimizer


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
class TrainConfig(Distributed):
    """A training run.

    Attributes:
        preset: name of the preset that gives the other options their defaults.
        in_dist: data set to train on, by name or as a path to a folder of images.
        watch: data sets whose bits/dim are followed during training (figure 5b).
        seeds: random seeds, instead of --training.seed: one run per seed, in the folders seed-0, seed-1, ... below
            --output-dir. Experiments take that folder wherever they take a run.
        data_dir: folder of .npz and .npy files or of image folders; default: GLOWJAX_DATA_DIR.
        output_dir: folder of checkpoints and metrics; the same command resumes the run that it holds.
        init_from: model whose params the run starts with: the folder of a run, pretrained:NAME, or a saved file.
        model: architecture.
        training: schedule.
    """

    preset: str = "small-28"
    in_dist: str = "fashion_mnist"
    watch: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    data_dir: Path | None = None
    output_dir: Path = Path("runs/small-28")
    init_from: str | None = None
    model: tyro.conf.AvoidSubcommands[ModelConfig] = dataclasses.field(default_factory=GlowConfig)
    training: TrainingConfig = TrainingConfig()


def adapted(preset: TrainConfig, training_steps: int | None, seed: int, **options: Any) -> TrainConfig:
    """A preset with another seed, other `options` and, unless it is None, another number of training steps."""
    num_steps = preset.training.num_steps if training_steps is None else training_steps
    evaluate_every = min(preset.training.evaluate_every, num_steps)
    training = dataclasses.replace(preset.training, num_steps=num_steps, evaluate_every=evaluate_every, seed=seed)
    return dataclasses.replace(preset, training=training, **options)


_PAPER_GLOW = TrainingConfig(
    num_steps=200_000, batch_size=32, optimizer="rmsprop", schedule="halving", evaluate_every=5_000
)
_DEMO = TrainingConfig(num_steps=850, warmup_steps=100, evaluate_every=170)
_NETWORK = TrainingConfig(num_steps=10_000, optimizer="adam", learning_rate=1e-3)
"""The schedule of PixelCNN and VAE."""

GLOW_PRESETS: dict[str, TrainConfig] = {
    "demo": TrainConfig(training=_DEMO),
    "small-28": TrainConfig(),
    "small-32": TrainConfig(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=96),
        training=TrainingConfig(num_steps=15_000, batch_size=32),
    ),
    "paper-28": TrainConfig(
        model=GlowConfig(num_steps=16, width=200, conditioner="highway"),
        training=dataclasses.replace(_PAPER_GLOW, learning_rate=5e-5),
    ),
    "paper-32": TrainConfig(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=400, conditioner="highway"),
        training=dataclasses.replace(_PAPER_GLOW, learning_rate=1e-5),
    ),
    "openai-cifar10": TrainConfig(
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

PIXELCNN_PRESETS: dict[str, TrainConfig] = {
    "demo": TrainConfig(
        model=PixelCNNConfig(num_layers=3, width=24, head_width=32),
        training=dataclasses.replace(_NETWORK, num_steps=400, warmup_steps=50, evaluate_every=100),
    ),
    "small-28": TrainConfig(model=PixelCNNConfig(), training=_NETWORK),
    "small-32": TrainConfig(
        in_dist="cifar10",
        model=PixelCNNConfig(num_layers=7, width=48),
        training=dataclasses.replace(_NETWORK, batch_size=32),
    ),
    # Our guess at the paper's sizes, from memory: 5 layers of 32 features, and 15 of 128.
    "paper-28": TrainConfig(
        model=PixelCNNConfig(num_layers=5, width=32),
        training=dataclasses.replace(_NETWORK, num_steps=100_000, batch_size=32, evaluate_every=5_000),
    ),
    "paper-32": TrainConfig(
        in_dist="cifar10",
        model=PixelCNNConfig(num_layers=15, width=128, head_width=128),
        training=dataclasses.replace(_NETWORK, num_steps=200_000, batch_size=32, evaluate_every=5_000),
    ),
}

VAE_PRESETS: dict[str, TrainConfig] = {
    "demo": TrainConfig(
        model=VAEConfig(num_latents=20, width=16),
        training=dataclasses.replace(_NETWORK, num_steps=600, warmup_steps=50, evaluate_every=150),
    ),
    "small-28": TrainConfig(model=VAEConfig(), training=_NETWORK),
    "small-32": TrainConfig(in_dist="cifar10", model=VAEConfig(num_latents=100), training=_NETWORK),
    "paper-28": TrainConfig(
        model=VAEConfig(num_latents=100, width=64),
        training=dataclasses.replace(_NETWORK, num_steps=200_000, evaluate_every=5_000),
    ),
    "paper-32": TrainConfig(
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


def _named(kind: str, presets: dict[str, TrainConfig]) -> dict[str, TrainConfig]:
    folders = {name: Path("runs", name if kind == "nvp" else f"{kind}-{name}") for name in presets}
    return {name: dataclasses.replace(one, preset=name, output_dir=folders[name]) for name, one in presets.items()}


PRESETS: dict[str, dict[str, TrainConfig]] = {
    "nvp": _named("nvp", GLOW_PRESETS),
    "cv": _named("cv", CV_GLOW_PRESETS),
    "pixelcnn": _named("pixelcnn", PIXELCNN_PRESETS),
    "vae": _named("vae", VAE_PRESETS),
    "builder": _named("builder", BUILDER_PRESETS),
}
"""{kind of model: {name: preset}}."""


def preset_named(model: str, preset: str) -> TrainConfig:
    """The preset of a kind of model."""
    if model not in PRESETS:
        raise unknown("model", model, PRESETS)
    if preset not in PRESETS[model]:
        raise unknown(f"preset of the model {model}", preset, PRESETS[model])
    return PRESETS[model][preset]


def parse(args: list[str], **about: Any) -> TrainConfig:
    """The preset that --model and --preset name, with the other options of a command line."""
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chooser.add_argument("--model")
    chooser.add_argument("--preset", default=TrainConfig.preset)
    chosen, rest = chooser.parse_known_args(args)
    own = any(word.partition("=")[0] == "--model.builder" for word in rest)
    default = preset_named(chosen.model or ("builder" if own else "nvp"), chosen.preset)
    return tyro.cli(TrainConfig, args=rest, default=default, **about)


def train_command(config: TrainConfig) -> str:
    """The command of a training run: its model and preset, and the options that differ from these."""
    kind = config.model.kind
    words = options(config, vars(PRESETS[kind][config.preset]))
    return shlex.join(["python", "-m", "experiments", "train", "--model", kind, "--preset", config.preset, *words])
