"""Training in one call: `fit` checks its input, describes the run, and starts the loop."""

import math
import numbers
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from glowjax.checks import InputError, check_count
from glowjax.data import ImageSet, parse_spec, stored
from glowjax.data.image_set import checked
from glowjax.data.stored import AnyImages
from glowjax.files import as_json
from glowjax.models import Flow, ImageModel, describe
from glowjax.models.base import check_loss
from glowjax.processes import is_primary
from glowjax.train.arrays import SEAL
from glowjax.train.environment import settings, versions
from glowjax.train.log import REPORTED, Record
from glowjax.train.loop import Loop
from glowjax.train.optimizer import LEARNING_RATES, make_optimizer, make_schedule, skip_nonfinite
from glowjax.train.parallel import step_devices
from glowjax.train.record import InMemory, RunFolder, evaluations
from glowjax.train.saved import load
from glowjax.train.shared_record import SharedRecord, check_same, shared_trained
from glowjax.train.trained import Trained
from glowjax.train.warm_start import digest_of, warm_start
from glowjax.typing import Array

ModelT = TypeVar("ModelT", bound=ImageModel)

EVALUATIONS = 10
"""The default minimum number of evaluations in a run."""

RESERVED = ("init_from", "step", "history", "starts", SEAL)
"""Entries that are written into a description, or beside it, after `fit` has checked what the user gives."""

MAX_STEPS = 2**31 - 1
"""The maximum number of steps of a run. The state counts them in 32 bits."""


def fit(
    model: ModelT,
    images: AnyImages | ImageSet,
    *,
    key: Array,
    num_steps: int,
    directory: str | Path | None = None,
    validation: AnyImages | ImageSet | None = None,
    watch: Mapping[str, AnyImages | ImageSet] | None = None,
    batch_size: int = 64,
    optimizer: str | optax.GradientTransformation | None = None,
    learning_rate: SupportsFloat | None = None,
    warmup_steps: int = 200,
    schedule: str = "cosine",
    evaluate_every: int | None = None,
    log_every: int = 20,
    save_every: float = 600.0,
    init_from: Trained[Any] | str | Path | None = None,
    description: Mapping[str, Any] | None = None,
    builder: str | None = None,
    on_metrics: Callable[[Record], None] = lambda record: None,
    progress: bool = True,
    num_microbatches: int = 1,
    mutation_rate: float = 0.0,
) -> Trained[ModelT]:
    """Trains a model and returns it with the averaged params of its best step by validation.

    Without a directory, nothing is written. With one, the run is saved there at each evaluation, every ten minutes, and
    at a signal; the same call resumes it. An interrupted run ends with the same bits as an uninterrupted one (on an
    accelerator, only if XLA's kernels are deterministic). With a larger `num_steps`, the call extends the run: it goes
    on from the last state, with the schedule for the new number of steps.

    Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGQUIT end the run after the current step. The state is saved, and
    `glowjax.train.Interrupted`, a KeyboardInterrupt, is raised.

    Args:
        model: an `ImageModel`; its loss is minimized.
        images: training images, uint8 [N, H, W, C], or an `ImageSet`, whose name is kept with the run.
        key: random key for initialization, the order of the images, and noise.
        num_steps: total number of training steps.
        directory: folder of the run, which `glowjax.load` reads.
        validation: images that determine the best step; without them, the last step counts as the best.
        watch: other image sets by name; their bits per dimension are recorded during training.
        batch_size: images per step, summed over all devices.
        optimizer: "adamax" (the default for flows), "adam" (for other models), "rmsprop", or any optax
            transformation, which has its own learning rate.
        learning_rate: maximum learning rate; by default 0.01 for Adamax, 0.001 for Adam and 0.0001 for RMSProp.
        warmup_steps: steps over which the rate rises from 0; at most half of the steps.
        schedule: "cosine" decays to 0; "halving" halves the rate after 80 % and 90 % of the steps.
        evaluate_every: steps between evaluations; by default 500, or fewer so that the run has ten evaluations.
        log_every: steps between records of metrics.
        save_every: seconds between checkpoints, in addition to those at evaluations.
        init_from: a trained model whose params the run starts with: a `Trained`, or anything that `glowjax.load`
            reads. The run keeps a digest of these params.
        description: JSON values to keep with the run, under names of your own. `in_dist` names the data set for the
            experiments.
        builder: "package.module:function", the name of a function that returns the model; needed if `glowjax.load`
            cannot rebuild the model from its classes and fields. It is kept with the run, and `glowjax.load` calls it.
        on_metrics: called with a copy of each record of metrics, a dictionary of numbers. If it raises an exception,
            the state is saved and the run ends with that exception.
        progress: whether to show progress on stderr, by a bar on a terminal or else by plain lines.
        num_microbatches: the number of parts into which each device divides its images. Their gradients are computed
            one after the other, which needs less memory. The result is the same up to rounding.
        mutation_rate: the probability with which each pixel value of a training image is replaced by a random level,
            again at each step. This trains the background model of `ood.LikelihoodRatio`. The images of `validation`
            and `watch`, and those that set data-dependent params at the start, keep their pixels.

    Raises:
        InputError: if the images are not uint8 [N, H, W, C] or are fewer than a batch, if the shapes of the sets
            differ, if the directory holds another run or its disk is full at the end, or if 20 gradients in a row are
            not finite.
    """
    name = parse_spec(images.name)[0] if isinstance(images, ImageSet) else None
    images = _checked(images, "The images to train on")
    counts = _counts(num_steps, batch_size, evaluate_every, log_every, len(images))
    check_loss(model, images[:2])
    save_every = _seconds("save_every", save_every)
    mutation_rate = _share("mutation_rate", mutation_rate)
    rate, optimizer, options = _optimizer(model, optimizer, learning_rate, num_steps, warmup_steps, schedule)
    start = None if init_from is None else warm_start(model, images.shape[1:], init_from)
    loop = Loop(
        model=model,
        optimizer=optimizer,
        schedule=rate,
        images=images,
        sets=_evaluated_sets(validation, watch or {}, images),
        start=start,
        key=key,
        seed=seed_of(key),
        devices=step_devices(batch_size, check_count("num_microbatches", num_microbatches)),
        num_microbatches=num_microbatches,
        on_metrics=on_metrics if is_primary() else lambda record: None,
        progress=progress and is_primary(),
        warmup_steps=min(warmup_steps, num_steps // 2),
        **counts,
        save_every=save_every,
        mutation_rate=mutation_rate,
    )
    in_json = save_every if math.isfinite(save_every) else None
    training = {**counts, "save_every": in_json, "num_microbatches": num_microbatches, **options, "seed": loop.seed}
    training |= {"mutation_rate": mutation_rate} if mutation_rate else {}
    about = _describe_run(loop, name, _describe(model, builder), training, description or {})
    check_same(as_json(about))
    with SharedRecord(lambda: InMemory() if directory is None else RunFolder(directory, about)) as record:
        loop.run(record)
    return shared_trained(lambda: _trained(record.own, model, about), model)


def _trained(record: InMemory | RunFolder, model: ModelT, about: Mapping[str, Any]) -> Trained[ModelT]:
    """The model of a finished run."""
    if isinstance(record, RunFolder):
        return load(record.directory, model)
    params = jax.tree.map(jnp.asarray, record.params)
    return Trained(model, params, as_json(about), record.step, evaluations(record.records))


def seed_of(key: Array) -> int:
    """The seed of a key: `s` for `jax.random.key(s)`."""
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0):
        raise InputError(f"key must be one key of JAX, such as jax.random.key(0), but is {key!r}.")
    return int.from_bytes(np.asarray(jax.random.key_data(key)).astype(">u4").tobytes())


def _describe_run(
    loop: Loop,
    name: str | None,
    model: dict[str, Any] | None,
    training: dict[str, Any],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """The description of a run: everything that it depends on, and the versions that train it.

    Raises InputError if `extra`, which the user has given, holds another value for a part of it.
    """
    own = {
        "num_images": len(loop.images),
        "images": stored.digest(loop.images),
        "image_shape": list(loop.images.shape[1:]),
        "model": model,
        "num_params": _num_params(loop),
        "training": training,
        **({} if loop.start is None else {"init_from": digest_of(loop.start)}),
        "evaluated": {name: stored.digest(one) for name, one in loop.sets.items()},
        "num_devices": len(loop.devices),
        "num_processes": jax.process_count(),
    }
    last = {"environment": settings(loop.key), "provenance": versions()}
    for one in extra:
        if one in (*own, *last, *RESERVED):
            raise InputError(f"The description has an entry '{one}', which fit writes itself; give it another name.")
    return {**({} if name is None else {"in_dist": name, "name": name}), **own, **extra, **last}


def _num_params(loop: Loop) -> int | None:
    """The number of params, or None if the model needs the values of the images to tell."""
    try:
        params = jax.eval_shape(loop.model.init, loop.key, loop.images[:2])
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
        return None
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _describe(model: ImageModel, builder: str | None) -> dict[str, Any] | None:
    """The description from which `load` builds the model; None if there is none. Then `load` needs the model."""
    try:
        return describe(model, builder)
    except InputError:
        if builder is not None:
            raise
        return None


def _counts(
    num_steps: int, batch_size: int, evaluate_every: int | None, log_every: int, num_images: int
) -> dict[str, int]:
    """The checked step, batch and interval counts of a run, by name."""
    counts = {"num_steps": num_steps, "batch_size": batch_size, "log_every": log_every}
    if evaluate_every is not None:
        counts["evaluate_every"] = evaluate_every
    for name, count in counts.items():
        check_count(name, count)
    if num_steps > MAX_STEPS:
        raise InputError(f"num_steps is {num_steps:,}, but a run has at most {MAX_STEPS:,} steps; give fewer.")
    if batch_size > num_images:
        raise InputError(
            f"batch_size is {batch_size}, but there are only {num_images} images to train on; give a smaller one."
        )
    counts.setdefault("evaluate_every", min(500, -(-num_steps // EVALUATIONS)))
    return {name: int(count) for name, count in counts.items()}


def _seconds(name: str, value: float) -> float:
    """`value` as a float. Raises InputError unless it is a positive number; infinity means never."""
    if not (isinstance(value, numbers.Real) and value > 0):
        raise InputError(f"{name} must be a positive number of seconds, but is {value!r}.")
    return float(value)


def _share(name: str, value: float) -> float:
    """`value` as a float. Raises InputError unless it is a number from 0 to less than 1."""
    if not (isinstance(value, numbers.Real) and 0 <= value < 1):
        raise InputError(f"{name} must be a number from 0 to less than 1, but is {value!r}; 0.1 to 0.3 are usual.")
    return float(value)


def _rate(value: SupportsFloat) -> float:
    """A learning rate as a float of Python, which JSON can hold. Raises InputError unless it is one number."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"learning_rate must be a number, but is {value!r}; a schedule of your own goes into an optimizer of optax."
        ) from error


def _checked(images: AnyImages | ImageSet, name: str) -> AnyImages:
    return checked(images.images if isinstance(images, ImageSet) else images, name)


def _evaluated_sets(
    validation: AnyImages | ImageSet | None, watch: Mapping[str, AnyImages | ImageSet], images: AnyImages
) -> dict[str, AnyImages]:
    """The image sets to evaluate, by name, the validation images first."""
    given = ({} if validation is None else {"validation": validation}) | dict(watch)
    sets = {name: _checked(one, f"The images of '{name}'") for name, one in given.items()}
    for name, one in sets.items():
        if name in REPORTED or (name == "validation" and name in watch):
            raise InputError(
                f"A set to watch is called '{name}', but the metrics use that name for another number; rename it."
            )
        if one.shape[1:] != images.shape[1:]:
            raise InputError(
                f"The images of '{name}' have the shape {list(one.shape[1:])}, but those to train on "
                f"{list(images.shape[1:])}; images are never resized, so give sets of one shape."
            )
    return sets


def _optimizer(
    model: ImageModel,
    optimizer: str | optax.GradientTransformation | None,
    learning_rate: SupportsFloat | None,
    num_steps: int,
    warmup_steps: int,
    schedule: str,
) -> tuple[optax.Schedule | None, optax.GradientTransformation, dict[str, Any]]:
    """The learning rate of each step if it is known, the optimizer, and the options that describe it."""
    if isinstance(optimizer, optax.GradientTransformation):
        if learning_rate is not None:
            raise InputError("An optimizer of optax has a learning rate of its own; leave learning_rate out.")
        return None, skip_nonfinite(optimizer), {"optimizer": "custom"}
    name = optimizer or ("adamax" if isinstance(model, Flow) else "adam")
    rate = LEARNING_RATES.get(name, 1e-3) if learning_rate is None else _rate(learning_rate)
    options = {"optimizer": name, "learning_rate": rate, "warmup_steps": warmup_steps, "schedule": schedule}
    steps: dict[str, Any] = {"learning_rate": rate, "num_steps": num_steps, "warmup_steps": warmup_steps}
    named = make_optimizer(name, **steps, schedule=schedule)
    return make_schedule(schedule, **steps), named, options
