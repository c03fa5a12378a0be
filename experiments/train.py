"""Trains a model, and follows the bits/dim of several data sets during training (figure 5b).

    python -m experiments train --preset small-28 --in-dist fashion_mnist --watch mnist:train --output-dir runs/fashion

The same command again resumes the run, and ends with the same bits as an uninterrupted one. With a larger
--training.num-steps it extends the run. Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGQUIT save a checkpoint; the exit status
is 128 + the number of the signal. --model is nvp (default), cv, pixelcnn or vae; --preset is small-28 (default),
demo, small-32 (half an hour to two and a half hours on 2 cores), paper-28 or paper-32 (about the paper's sizes), and
for Glows openai-cifar10 (that of the reference implementation). For a model of your own, name a function that returns
it: --model.builder package.module:function. The other options change the preset. Expect 3.18 bits/dim on FashionMNIST's
test images for small-28.
"""

import dataclasses
import math
import shlex
from pathlib import Path

import jax

import glowjax as gj
from experiments.presets import TrainConfig, parse, train_command
from glowjax.checks import InputError, check_seed
from glowjax.data import parse_spec, resolve, training_and_validation
from glowjax.data.generated import is_generated
from glowjax.models import BuilderConfig
from glowjax.train import Interrupted
from glowjax.train.log import read
from glowjax.train.progress import duration

NUM_EVALUATED = 1_000
"""Maximum number of images of each set that an evaluation during training uses."""

__all__ = ["main", "parse", "train"]


def main(config: TrainConfig) -> str:
    """Trains one model, or one per seed; returns how it went, and a command to look at it."""
    lines = []
    for one in per_seed(config):
        try:
            lines.append(f"{train(one)}: {outcome(one.output_dir)}.")
        except Interrupted as error:
            ending = f"{error} So far: {outcome(one.output_dir)}. To continue: {train_command(config)}"
            raise Interrupted(error.number, ending) from None
    command = ["python", "-m", "experiments", "likelihoods", "--run-dir", str(config.output_dir)]
    return "\n".join([*lines, f"Next: {shlex.join(command)}"])


def outcome(run_dir: Path) -> str:
    """The steps, the time and the best bits/dim of a run so far, in words."""
    try:
        records = read(run_dir / "metrics.jsonl")
    except InputError:
        records = []
    if not records:
        return "no metrics"
    scores = {record.get("validation", math.nan): record["step"] for record in records}
    best = min((bits for bits in scores if not math.isnan(bits)), default=None)
    ending = "" if best is None else f", best validation {best:.3f} bits/dim at step {scores[best]:,}"
    return f"{records[-1]['step']:,} steps in {duration(records[-1]['seconds'])}{ending}"


def per_seed(config: TrainConfig) -> list[TrainConfig]:
    """One run per seed, each in a folder of its own; the run itself if no seeds are named."""
    return [
        dataclasses.replace(
            config,
            seeds=(),
            output_dir=config.output_dir / f"seed-{seed}",
            training=dataclasses.replace(config.training, seed=check_seed("--seeds", seed)),
        )
        for seed in config.seeds
    ] or [config]


def train(config: TrainConfig) -> Path:
    """The folder of the run, trained to its end."""
    if parse_spec(config.in_dist)[0] != config.in_dist or is_generated(config.in_dist):
        raise InputError(f"--in-dist is '{config.in_dist}', but must name a real data set without a split.")
    check_seed("--training.seed", config.training.seed)
    model = config.model.build()
    whole = resolve(f"{config.in_dist}:train", data_dir=config.data_dir)
    images, validation = training_and_validation(whole)
    del whole  # a second copy of millions of images
    validation = validation.take(NUM_EVALUATED)
    watched = {name: resolve(name, validation, config.data_dir, NUM_EVALUATED) for name in config.watch}
    sources = [f"{name}: {one.source}" for name, one in {"validation": validation, **watched}.items()]
    print(f"Training on {images.source}", *sources, sep="\n  ")
    options = dataclasses.asdict(config.training)
    gj.train.fit(
        model,
        images,
        key=jax.random.key(options.pop("seed")),
        directory=config.output_dir,
        validation=validation,
        watch=watched,
        init_from=config.init_from,
        description={"in_dist": config.in_dist},
        builder=config.model.builder if isinstance(config.model, BuilderConfig) else None,
        **options,
    )
    return config.output_dir
