"""Trains a model, and follows the bits/dim of several data sets during training (figure 5b).

    python -m experiments train --preset small-28 --in-dist fashion_mnist --watch mnist:train --output-dir runs/fashion

The same command again resumes the run, and ends with the same bits as an uninterrupted one. --model is nvp (default),
cv, pixelcnn or vae; --preset is small-28 (default), demo, small-32 (half an hour to two and a half hours on 2 cores),
paper-28 or paper-32 (about the paper's sizes), and for Glows openai-cifar10 (that of the reference implementation). For
a model of your own, name a function that returns it: --model.builder package.module:function. The other options change
the preset. Expect 3.18 bits/dim on FashionMNIST's test images for small-28.
"""

import dataclasses
from pathlib import Path

import jax

import glowjax as gj
from experiments.presets import TrainConfig, parse
from experiments.report.trained import load
from glowjax.checks import InputError
from glowjax.data import parse_spec, resolve, training_and_validation
from glowjax.data.generated import is_generated
from glowjax.models import BuilderConfig
from glowjax.train.checkpoint import Checkpoints

NUM_EVALUATED = 1_000
"""Maximum number of images of each set that an evaluation during training uses."""

__all__ = ["main", "parse", "train"]


def main(config: TrainConfig) -> str:
    """Trains one model, or one per seed; returns how it went, and a command to look at it."""
    lines = []
    for one in per_seed(config):
        trained = load(train(one))
        lines.append(
            f"{one.output_dir}: best validation {trained.bits_per_dim:.3f} bits/dim at step {trained.step:,} of "
            f"{one.training.steps:,} ({trained.seconds or 0:.0f} s)."
        )
    lines.append(f"Next: python -m experiments likelihoods --run-dir {config.output_dir}")
    return "\n".join(lines)


def per_seed(config: TrainConfig) -> list[TrainConfig]:
    """One run per seed, each in a folder of its own; the run itself if no seeds are named."""
    return [
        dataclasses.replace(
            config,
            seeds=(),
            output_dir=config.output_dir / f"seed-{seed}",
            training=dataclasses.replace(config.training, seed=seed),
        )
        for seed in config.seeds
    ] or [config]


def train(config: TrainConfig) -> Path:
    """The folder of the run, trained to its end."""
    if parse_spec(config.in_dist)[0] != config.in_dist or is_generated(config.in_dist):
        raise InputError(f"--in-dist is '{config.in_dist}', but must name a real data set without a split.")
    model = config.model.build()
    whole = resolve(f"{config.in_dist}:train", data_dir=config.data_dir)
    images, validation = training_and_validation(whole)
    del whole  # a second copy of millions of images
    validation = validation.take(NUM_EVALUATED)
    watched = {name: resolve(name, validation, config.data_dir, NUM_EVALUATED) for name in config.watch}
    sources = [f"{name}: {one.source}" for name, one in {"validation": validation, **watched}.items()]
    print(f"Training on {images.source}", *sources, sep="\n  ")
    options = dataclasses.asdict(config.training)
    with Checkpoints(config.output_dir / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.latest_step()
    if step is not None:
        print(f"Resuming {config.output_dir} from step {step:,} of {config.training.steps:,}")
    gj.train.fit(
        model,
        images,
        key=jax.random.key(options.pop("seed")),
        num_steps=options.pop("steps"),
        directory=config.output_dir,
        validation=validation,
        watch=watched,
        description={"in_dist": config.in_dist},
        builder=config.model.builder if isinstance(config.model, BuilderConfig) else None,
        **options,
    )
    return config.output_dir
