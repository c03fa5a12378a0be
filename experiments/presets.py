"""What a run is made of, the presets, and the command line that chooses among them."""

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import optax
import tyro

import glowjax as gj
from glowjax.errors import InputError, unknown
from glowjax.models import Flow
from glowjax.train import make_optimizer

Kind = Literal["nvp", "cv"]

GLOWS: dict[Kind, Callable[..., Flow]] = {"nvp": gj.nvp_glow, "cv": gj.cv_glow}
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "swish": jax.nn.swish}

ConfigT = TypeVar("ConfigT")


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
        memory: what the backward pass keeps: every activation (store) or one image a step (remat).
    """

    kind: Kind = "nvp"
    num_scales: int = 2
    num_steps: int = 8
    width: int = 64
    conditioner: Literal["conv", "highway"] = "conv"
    activation: Literal["relu", "tanh", "swish"] = "relu"
    memory: Literal["store", "remat"] = "remat"

    def build(self) -> Flow:
        """The model."""
        return GLOWS[self.kind](
            self.num_scales,
            self.num_steps,
            self.width,
            conditioner=self.conditioner,
            activation=ACTIVATIONS[self.activation],
            memory=self.memory,
        )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        num_steps: training steps in all.
        batch_size: images a step, over all devices together.
        optimizer: the reference's (adamax) or the paper's (rmsprop).
        learning_rate: the highest rate, after the warm-up.
        warmup_steps: steps over which the rate rises from 0.
        schedule: cosine decay to 0, or halved at 80 % and 90 % of training.
        evaluate_every: steps between evaluations, each with a checkpoint.
        seed: of initialisation, data order and noise.
    """

    num_steps: int = 24_000
    batch_size: int = 64
    optimizer: Literal["adamax", "adam", "rmsprop"] = "adamax"
    learning_rate: float = 1e-2
    warmup_steps: int = 200
    schedule: Literal["cosine", "halving"] = "cosine"
    evaluate_every: int = 500
    seed: int = 0

    def make_optimizer(self) -> optax.GradientTransformation:
        """The optimiser."""
        return make_optimizer(
            self.optimizer,
            learning_rate=self.learning_rate,
            num_steps=self.num_steps,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
        )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A whole training run.

    Attributes:
        preset: where the other options' defaults come from.
        in_dist: the data set to train on, by name or as a path to a folder of images.
        watch: data sets whose bits per dimension are followed along training (figure 5b).
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where checkpoints and metrics go; the same command resumes what is there.
        model: the architecture.
        training: the schedule.
    """

    preset: str = "small-28"
    in_dist: str = "fashion_mnist"
    watch: tuple[str, ...] = ()
    data_dir: Path | None = None
    output_dir: Path = Path("runs/small-28")
    model: GlowConfig = GlowConfig()
    training: TrainingConfig = TrainingConfig()


SMALL_28 = TrainConfig()
_PAPER_TRAINING = TrainingConfig(
    num_steps=200_000, batch_size=32, optimizer="rmsprop", schedule="halving", evaluate_every=5_000
)

PRESETS: dict[str, TrainConfig] = {
    "demo": dataclasses.replace(SMALL_28, training=TrainingConfig(num_steps=850, warmup_steps=100, evaluate_every=170)),
    "small-28": SMALL_28,
    "small-32": TrainConfig(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=96),
        training=TrainingConfig(num_steps=15_000, batch_size=32),
    ),
    "paper-28": TrainConfig(
        model=GlowConfig(num_steps=16, width=200, conditioner="highway"),
        training=dataclasses.replace(_PAPER_TRAINING, learning_rate=5e-5),
    ),
    "paper-32": TrainConfig(
        in_dist="cifar10",
        model=GlowConfig(num_scales=3, num_steps=8, width=400, conditioner="highway"),
        training=dataclasses.replace(_PAPER_TRAINING, learning_rate=1e-5),
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
PRESETS = {
    name: dataclasses.replace(preset, preset=name, output_dir=Path("runs") / name) for name, preset in PRESETS.items()
}


def parse_train_config(arguments: list[str], description: str | None) -> TrainConfig:
    """The preset named by `--preset` (default small-28) with the other options put over it.

    Raises InputError for an unknown preset.
    """
    name = TrainConfig.preset
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option.partition("=")[0] == "--preset":
            name = option.partition("=")[2] or value
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return tyro.cli(TrainConfig, args=arguments, default=PRESETS[name], description=description)


def run(main: Callable[[ConfigT], Any], parse: Callable[[list[str]], ConfigT]) -> None:
    """Runs an experiment from the command line, with a persistent compilation cache.

    Bad input ends in its one sentence and exit status 2; an interrupt, after a checkpoint, in status 130.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(Path("~/.cache/glowjax/xla").expanduser()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    try:
        main(parse(sys.argv[1:]))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        raise SystemExit(130) from None
