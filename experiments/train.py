"""Trains a model and follows the bits per dimension of several data sets along training (the paper's figure 5b).

    python -m experiments.train --preset small-28 --in-dist fashion_mnist --watch mnist:train --output-dir runs/fashion

The same command run again resumes, and ends with the same bits as an uninterrupted run. `--model` is nvp (default),
cv, pixelcnn or vae; `--model.builder package.module:function` names a model of your own. `--preset` is small-28
(default), demo, small-32 (half an hour to two and a half hours on 2 cores), paper-28 or paper-32 (about the paper's
sizes), for Glows also openai-cifar10 (the reference's). Further options change the preset.
"""

import dataclasses
from typing import Any

import jax

import glowjax as gj
from experiments.command_line import parse_train_config, run
from experiments.presets import TrainConfig
from glowjax.checks import InputError
from glowjax.data import parse_spec, resolve, training_and_validation
from glowjax.data.generated import is_generated

NUM_EVALUATED = 1_000  # images of each set that an evaluation along training looks at


def main(config: TrainConfig) -> dict[str, Any]:
    """Trains; returns the number of steps, the seconds that they took in all, and where the run is."""
    if parse_spec(config.in_dist)[0] != config.in_dist or is_generated(config.in_dist):
        raise InputError(f"--in-dist is '{config.in_dist}', but must name a collected set without a split.")
    whole = resolve(f"{config.in_dist}:train", data_dir=config.data_dir)
    images, validation = training_and_validation(whole)
    del whole  # a second copy of millions of images
    validation = validation.take(NUM_EVALUATED)
    watched = {name: resolve(name, validation, config.data_dir, NUM_EVALUATED) for name in config.watch}
    evaluated = {"validation": validation, **watched}
    print(f"Training on {images.source}", *(f"{name}: {data.source}" for name, data in evaluated.items()), sep="\n  ")
    options = dataclasses.asdict(config.training)
    trained = gj.train.fit(
        config.model.build(),
        images,
        key=jax.random.key(options.pop("seed")),
        directory=config.output_dir,
        validation=validation,
        watch=watched,
        description={"in_dist": config.in_dist, "model": dataclasses.asdict(config.model)},
        **options,
    )
    last = trained.history[-1]
    print(
        f"The best validation score is {trained.bits_per_dim:.3f} bits/dim, at step {trained.step:,} of "
        f"{last['step']:,}. The run is in {config.output_dir}."
    )
    return {"num_steps": last["step"], "seconds": last["seconds"], "output_dir": str(config.output_dir)}


if __name__ == "__main__":
    run(main, lambda arguments: parse_train_config(arguments, __doc__))
