"""The options of a training run, and the presets as values of these options."""

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import Any

import tyro

from experiments import sizes
from experiments.report.experiment import options
from experiments.report.options import Distributed
from experiments.sizes import TrainingConfig
from glowjax.checks import unknown
from glowjax.models import GlowConfig, ModelConfig


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
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)


def adapted(preset: TrainConfig, training_steps: int | None, seed: int, **options: Any) -> TrainConfig:
    """A preset with another seed, other `options` and, unless it is None, another number of training steps."""
    num_steps = preset.training.num_steps if training_steps is None else training_steps
    evaluate_every = min(preset.training.evaluate_every, num_steps)
    training = dataclasses.replace(preset.training, num_steps=num_steps, evaluate_every=evaluate_every, seed=seed)
    return dataclasses.replace(preset, training=training, **options)


def _with_options(kind: str, name: str, preset: sizes.Preset) -> TrainConfig:
    folder = Path("runs", name if kind == "nvp" else f"{kind}-{name}")
    return TrainConfig(preset=name, output_dir=folder, **vars(preset))


PRESETS: dict[str, dict[str, TrainConfig]] = {
    kind: {name: _with_options(kind, name, preset) for name, preset in presets.items()}
    for kind, presets in sizes.PRESETS.items()
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
