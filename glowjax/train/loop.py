"""The training loop on the host: batches, progress bar, metrics, evaluations and saves."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
import optax
from jaxtyping import UInt8
from tqdm import tqdm

from glowjax.checks import InputError
from glowjax.data import batch_indices
from glowjax.models.base import ImageModel
from glowjax.train.evaluation import evaluate
from glowjax.train.log import Record
from glowjax.train.parallel import compiled_step, shards
from glowjax.train.record import RunRecord
from glowjax.train.step import StepMetrics, TrainState, first_nonfinite, make_state
from glowjax.typing import Key

INIT_IMAGES = 256
"""Images that set the data-dependent params at the start."""

MAX_NONFINITE = 20
"""Non-finite gradients in a row after which a run stops."""


@dataclasses.dataclass(frozen=True)
class Loop:
    """The part of a training run that stays the same from step to step. `fit` explains what is not explained here.

    Attributes:
        optimizer: wrapped in `optax.apply_if_finite`.
        sets: image sets whose bits per dimension are followed; "validation", if there, picks the best step.
        key: the key of initialization and noise.
        seed: the seed of the order of the images.
        devices: the devices that share each batch.
    """

    model: ImageModel
    optimizer: optax.GradientTransformation
    images: UInt8[np.ndarray, "N H W C"]
    sets: Mapping[str, UInt8[np.ndarray, "_ H W C"]]
    key: Key
    seed: int
    devices: list[jax.Device]
    on_metrics: Callable[[Record], None]
    num_steps: int
    batch_size: int
    evaluate_every: int
    log_every: int

    def run(self, run_record: RunRecord) -> None:
        """Trains from the last step that is recorded to the end.

        Ctrl-C saves a checkpoint after the step in progress, then interrupts.
        """
        init_key, step_key, evaluation_key = jax.random.split(self.key, 3)
        first_images = self.images[self._indices(0, min(INIT_IMAGES, len(self.images)))]
        state = run_record.resume(make_state(self.model.init(init_key, first_images), self.optimizer))
        first, started = int(state.step), time.monotonic() - run_record.seconds
        if first >= self.num_steps:
            return
        step = compiled_step(self.model, self.optimizer, self.devices)
        bar = tqdm(total=self.num_steps, initial=first, unit="step", dynamic_ncols=True, disable=None)
        with bar, deferred_interrupts() as is_interrupted:
            bar.set_postfix_str("compiling")
            for index in range(first, self.num_steps):
                batch = self.images[self._indices(index, self.batch_size)]
                state, metrics = step(state, step_key, batch)
                if index == first:
                    jax.block_until_ready(state)
                    bar.unpause()  # compiling took most of this step
                is_evaluated = self._is_due(index + 1, self.evaluate_every)
                if is_evaluated or self._is_due(index + 1, self.log_every):
                    self._stop_if_nonfinite(state, step_key, batch)
                    scores = self._evaluate(state, evaluation_key) if is_evaluated else {}
                    record = _record(state, metrics, time.monotonic() - started) | scores
                    run_record.write(record)
                    state = state.with_no_losses()
                    bar.update(index + 1 - bar.n)
                    bar.set_postfix_str(f"{record['train']:.3f} bits/dim")
                    self.on_metrics(record)
                if is_evaluated:
                    run_record.save(state, scores.get("validation", math.nan))
                if is_interrupted():
                    if not is_evaluated:
                        run_record.save(state, math.nan)
                    raise KeyboardInterrupt

    def _indices(self, step: int, batch_size: int) -> np.ndarray:
        return batch_indices(self.seed, step, len(self.images), batch_size)

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.num_steps

    def _evaluate(self, state: TrainState, key: Key) -> dict[str, float]:
        """Mean bits per dimension of each image set, with the averaged params."""
        params = jax.device_put(state.ema_params, jax.local_devices()[0])  # otherwise all devices would evaluate
        return evaluate(self.model, params, key, self.sets)

    def _stop_if_nonfinite(self, state: TrainState, step_key: Key, images: UInt8[np.ndarray, "N H W C"]) -> None:
        """Raises InputError after too many non-finite gradients in a row; it says where the first value arose."""
        count = int(state.opt_state.notfinite_count)
        if count < MAX_NONFINITE:
            return
        params = jax.device_put(state.params, jax.local_devices()[0])
        parts = shards(step_key, int(state.step) - 1, images, len(self.devices))
        places = (first_nonfinite(self.model, params, key, part) for key, part in parts)
        place = next((place for place in places if place), "nowhere when the step is repeated")
        raise InputError(
            f"Training stopped at step {int(state.step)}: {count} gradients in a row were not finite; "
            f"the first non-finite value is {place}. Lower the learning rate or lengthen the warm-up; the checkpoints "
            "so far are kept."
        )


def _record(state: TrainState, metrics: StepMetrics, seconds: float) -> Record:
    return {
        "step": int(state.step),
        "seconds": seconds,
        "train": float(state.loss_sum) / int(state.loss_count),
        "gradient_norm": float(metrics.gradient_norm),
        "skipped_updates": int(state.opt_state.total_notfinite),
    }


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second Ctrl-C interrupts at once.

    A step that is cut short would lose the state, which was donated to it. Outside the main thread, which alone
    receives signals, nothing changes.
    """
    signals: list[int] = []

    def receive(number: int, _: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    def is_interrupted() -> bool:
        return bool(signals)

    if threading.current_thread() is not threading.main_thread():
        yield is_interrupted
        return
    previous = signal.signal(signal.SIGINT, receive)
    try:
        yield is_interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
