"""The host's loop around the step: data in, progress bar, evaluation, metrics, checkpoints, resumption."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
import optax
from tqdm import tqdm

from glowjax.checks import InputError
from glowjax.data import batch_indices
from glowjax.likelihood import bits_per_dim
from glowjax.models.base import ImageModel
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.diagnose import first_nonfinite
from glowjax.train.evaluate import log_likelihoods
from glowjax.train.log import MetricLog
from glowjax.train.parallel import compiled_step, shards, step_devices
from glowjax.train.run import Run, noted, start
from glowjax.train.state import TrainState, make_state
from glowjax.typing import Array, Key, Params

INIT_IMAGES = 256
MAX_NONFINITE = 20

LOGGED = ("step", "seconds", "train", "gradient_norm", "skipped_updates")
"""What a line of metrics may hold beside the sets that are evaluated."""


def train(
    run: Run,
    model: ImageModel,
    optimizer: optax.GradientTransformation,
    images: np.ndarray,
    evaluation: Mapping[str, np.ndarray],
) -> TrainState:
    """The state after `run.num_steps` steps, from scratch or from the newest checkpoint below `run.directory`.

    An uninterrupted and a resumed run end with the same bits, on an accelerator as far as XLA's kernels repeat theirs.
    An interrupt (Ctrl-C) saves a checkpoint first, as soon as the step is done.

    Args:
        run: what to do.
        model: whose loss is minimised.
        optimizer: from `make_optimizer`.
        images: uint8 [N, H, W, C].
        evaluation: image sets whose bits per dimension are followed, by name; "validation" picks the best.

    Raises:
        InputError: for a checkpoint of another model or description, a directory that cannot be written, fewer
            images than a batch, sets to evaluate of another shape, 20 non-finite gradients in a row, or one of
            several processes: training is over the devices of one machine.
    """
    devices = step_devices(run.batch_size)
    batch_indices(run.seed, 0, len(images), run.batch_size)  # refuses, before anything is written, a batch too large
    _check_evaluation(evaluation, images)
    run = noted(run, len(devices))
    init_key, step_key, evaluation_key = jax.random.split(jax.random.key(run.seed), 3)
    first_images = images[batch_indices(run.seed, 0, len(images), min(INIT_IMAGES, len(images)))]
    with Checkpoints(run.directory / "checkpoints") as checkpoints:
        state, seconds, losses = start(run, checkpoints, make_state(model.init(init_key, first_images), optimizer))
        step = compiled_step(model, optimizer, devices)
        first = int(state.step)
        started = time.monotonic() - seconds
        with (
            MetricLog(run.directory, resume_step=first) as log,
            tqdm(total=run.num_steps, initial=first, unit="step", dynamic_ncols=True) as bar,
            _interrupts_wait() as interrupted,
        ):
            for index in range(first, run.num_steps):
                batch = images[batch_indices(run.seed, index, len(images), run.batch_size)]
                state, metrics = step(state, step_key, batch)
                losses.append(metrics.bits_per_dim)
                bar.update()
                last = index + 1 == run.num_steps
                if (index + 1) % run.log_every == 0 or last:
                    _stop_if_nonfinite(model, state, step_key, batch, len(devices))
                    train_loss = float(np.mean([float(loss) for loss in losses]))
                    losses.clear()
                    bar.set_postfix_str(f"{train_loss:.3f} bits/dim")
                    log.write(
                        index + 1,
                        seconds=time.monotonic() - started,
                        train=train_loss,
                        gradient_norm=metrics.gradient_norm,
                        skipped_updates=state.opt_state.total_notfinite,
                    )
                if (index + 1) % run.evaluate_every == 0 or last:
                    params = jax.device_put(state.ema_params, jax.local_devices()[0])  # on several, all would evaluate
                    scores = evaluate(model, params, evaluation_key, evaluation)
                    log.write(index + 1, seconds=time.monotonic() - started, **scores)
                    _save(run, checkpoints, state, time.monotonic() - started, losses, scores["validation"])
                if interrupted():
                    if index + 1 > (checkpoints.latest_step() or 0):
                        _save(run, checkpoints, state, time.monotonic() - started, losses, math.nan)
                    raise KeyboardInterrupt
    return state


def _check_evaluation(sets: Mapping[str, np.ndarray], images: np.ndarray) -> None:
    """Raises InputError for sets that could not be evaluated, before there is a step that this would lose."""
    if "validation" not in sets:
        raise InputError(f"The sets to evaluate are {list(sets)}; one must be called 'validation'.")
    for name, one in sets.items():
        if name in LOGGED:
            raise InputError(f"A set to evaluate is called '{name}', as a number in the metrics is; call it otherwise.")
        if one.shape[1:] != images.shape[1:] or one.dtype != np.uint8 or not len(one):
            raise InputError(
                f"The set '{name}' to evaluate is {one.dtype} {list(one.shape)}; expected one or more images like "
                f"those to train on, uint8 [N, {', '.join(map(str, images.shape[1:]))}]."
            )


def evaluate(model: ImageModel, params: Params, key: Key, sets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean bits per dimension of each image set, with one dequantisation draw, the same noise at every call."""
    return {
        name: float(np.mean(bits_per_dim(log_likelihoods(model, params, key, images), math.prod(images.shape[1:]))))
        for name, images in sets.items()
    }


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[Callable[[], bool]]:
    """A block in which the first Ctrl-C is only noted, for the function that it yields; a second one does not wait.

    A step that is cut short takes the state with it, which was donated to it, and nothing is left to save.
    """
    signals: list[int] = []

    def note(number: int, _: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    def interrupted() -> bool:
        return bool(signals)

    if threading.current_thread() is not threading.main_thread():  # only the main thread is interrupted
        yield interrupted
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)


def _save(
    run: Run,
    checkpoints: Checkpoints,
    state: TrainState,
    seconds: float,
    losses: list[Array | float],
    validation: float,
) -> None:
    progress = {"seconds": seconds, "losses": [str(float(loss)) for loss in losses]}  # strings, for JSON has no NaN
    checkpoints.save(int(state.step), state, {**run.description, **progress}, validation)


def _stop_if_nonfinite(model: ImageModel, state: TrainState, key: Key, images: np.ndarray, num_devices: int) -> None:
    count = int(state.opt_state.notfinite_count)
    if count >= MAX_NONFINITE:
        params = jax.device_put(state.params, jax.local_devices()[0])
        parts = shards(key, int(state.step) - 1, images, num_devices)
        places = (first_nonfinite(model, params, part_key, part) for part_key, part in parts)
        place = next((place for place in places if place), "nowhere any more: the step is finite when it is repeated")
        raise InputError(
            f"Training stopped at step {int(state.step)}: {count} gradients in a row were not finite, the first such "
            f"value being {place}. Lower the learning rate or lengthen the warm-up; the last checkpoint is kept."
        )
