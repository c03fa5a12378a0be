"""Trains a model and follows the bits per dimension of several data sets along training (the paper's figure 5b).

    python -m experiments.train --preset small-28 --in-dist fashion_mnist --watch mnist:train --output-dir runs/fashion

The same command run again resumes, and ends with the same bits as an uninterrupted run. `--model` is nvp (default),
cv, pixelcnn or vae; `--preset` is small-28 (default), demo, small-32 (half an hour to two and a half hours on 2 cores),
paper-28 or paper-32 (about the paper's sizes), for Glows also openai-cifar10 (the reference's). Further options change
the preset.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from experiments.command_line import parse_train_config, run
from experiments.presets import TrainConfig
from glowjax.checks import InputError
from glowjax.data import parse_spec, resolve, training_and_validation
from glowjax.data.generated import is_generated
from glowjax.train import Checkpoints, Run, train

NUM_EVALUATED = 1_000  # images of each set that an evaluation along training looks at


def main(config: TrainConfig) -> dict[str, Any]:
    """Trains; returns the number of steps, the seconds that they took in all, and where the run is."""
    if parse_spec(config.in_dist)[0] != config.in_dist or is_generated(config.in_dist):
        raise InputError(f"--in-dist is '{config.in_dist}', but must name a collected set without a split.")
    model = config.model.build()
    whole = resolve(f"{config.in_dist}:train", data_dir=config.data_dir)
    name, (images, validation) = parse_spec(whole.name)[0], training_and_validation(whole)
    del whole  # a second copy of millions of images
    watched = {name: resolve(name, validation, config.data_dir, NUM_EVALUATED) for name in config.watch}
    evaluation = {"validation": validation.take(NUM_EVALUATED), **watched}
    print(
        f"Training on {images.source}",
        *(f"{name}: {data.source}" for name, data in evaluation.items()),
        sep="\n  ",
    )
    training = config.training
    description = {
        "in_dist": config.in_dist,
        "name": name,
        "num_images": images.num_images,
        "images": hashlib.blake2b(np.ascontiguousarray(images.images).data.cast("B"), digest_size=8).hexdigest(),
        "image_shape": list(images.shape),
        "model": dataclasses.asdict(config.model),
        "training": dataclasses.asdict(training),
    }
    state = train(
        Run(
            config.output_dir,
            description,
            training.num_steps,
            training.batch_size,
            training.seed,
            evaluate_every=training.evaluate_every,
            defaults={"model": defaults(config.model), "training": defaults(training)},
        ),
        model,
        training.make_optimizer(),
        images.images,
        {name: data.images for name, data in evaluation.items()},
    )
    with Checkpoints(config.output_dir / "checkpoints", read_only=True) as checkpoints:
        seconds = checkpoints.description(int(state.step))["seconds"]
    return {"num_steps": int(state.step), "seconds": seconds, "output_dir": str(config.output_dir)}


def defaults(config: Any) -> dict[str, Any]:
    """The options of a configuration's kind, as they are where none is given."""
    return dataclasses.asdict(type(config)())


if __name__ == "__main__":
    run(main, lambda arguments: parse_train_config(arguments, __doc__))
