"""The training loop on the host: the steps, and the metrics, evaluations and checkpoints that are due after them."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import UInt8

from glowjax.checks import InputError
from glowjax.cores import EvaluationInterrupted
from glowjax.data import batch_indices, read_ahead
from glowjax.data.stored import AnyImages
from glowjax.likelihood import NUM_LEVELS
from glowjax.models import VAE, Flow
from glowjax.models.base import ImageModel
from glowjax.processes import on_first_process
from glowjax.train.evaluation import evaluate
from glowjax.train.log import Record
from glowjax.train.parallel import CompiledStep, compiled_step, rows, shards
from glowjax.train.record import RunRecord
from glowjax.train.reports import Reports
from glowjax.train.saves import Saves
from glowjax.train.signals import Interrupted, Interrupts, deferred_interrupts, name_of
from glowjax.train.step import TrainState, first_nonfinite, make_state
from glowjax.typing import Batch, Key, Params

INIT_IMAGES = 256
"""The maximum number of images that set the data-dependent params at the start."""

MAX_NONFINITE = 20
"""A run stops after this many non-finite gradients in a row."""

NUM_SAMPLES = 16
"""The number of samples that TensorBoard shows at each evaluation."""


@dataclasses.dataclass(frozen=True)
class Loop:
    """The part of a training run that stays the same from step to step. See `fit` for the other attributes.

    Attributes:
        optimizer: wrapped in `optax.apply_if_finite`.
        schedule: the learning rate of each step, counted from 0, or None if only the optimizer knows it.
        sets: image sets whose bits per dimension are followed; "validation", if there, picks the best step.
        start: the params before the first step, or None if the model initializes them.
        key: the key of initialization and noise.
        seed: the seed of the order of the images.
        devices: the devices of all processes that share each batch.
        num_microbatches: the number of parts into which each device divides its images.
    """

    model: ImageModel
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule | None
    images: UInt8[AnyImages, "N H W C"]
    sets: Mapping[str, UInt8[AnyImages, "_ H W C"]]
    start: Params | None
    key: Key
    seed: int
    devices: list[jax.Device]
    num_microbatches: int
    on_metrics: Callable[[Record], None]
    progress: bool
    num_steps: int
    batch_size: int
    warmup_steps: int
    evaluate_every: int
    log_every: int
    save_every: float
    mutation_rate: float = 0.0

    def run(self, run_record: RunRecord) -> None:
        """Trains from the last recorded step to the end.

        After a signal, finishes the current step, saves a checkpoint and raises Interrupted.
        """
        with deferred_interrupts() as interrupts:
            training = Training(self, run_record, interrupts)
            try:
                training.run()
                interrupts.raise_if_interrupted()
            except Interrupted as error:
                raise Interrupted(error.number, training.explain(error.number)) from None

    def first_state(self) -> TrainState:
        """The state before the first step."""
        if self.start is None:
            indices = batch_indices(self.seed, 0, len(self.images), min(INIT_IMAGES, len(self.images)))
            params = self.model.init(jax.random.split(self.key, 3)[0], self.images[indices])
        else:
            params = jax.tree.map(jnp.copy, self.start)  # because the first step takes over their memory
        return jax.block_until_ready(make_state(params, self.optimizer))


class Training:
    """A training run in progress.

    Attributes:
        interrupts: the signals that have arrived.
        state: the training state, whose memory is donated to the next step.
        step: the number of steps taken. Reading it from the state would wait for the device.
        saves: the checkpoints of the run.
        reports: the progress on stderr, and events for TensorBoard.
    """

    reports: Reports

    def __init__(self, loop: Loop, run_record: RunRecord, interrupts: Interrupts):
        self.loop, self.run_record, self.interrupts = loop, run_record, interrupts
        self.state: Any = None
        self.step = 0
        self.saves = Saves(run_record, loop.save_every, interrupts)
        self._step_key, self._evaluation_key = jax.random.split(loop.key, 3)[1:]
        self._started = monotonic() - run_record.seconds
        self._last_signal: Any = 0

    def run(self) -> None:
        """Takes the remaining steps, and does what is due after each of them."""
        loop, directory = self.loop, self.run_record.directory
        self.state = self.run_record.resume(self.interrupts.call(loop.first_state))
        self.step = int(self.state.step)
        self.saves.step = self.step or None
        with Reports(directory, self.step, loop.num_steps, loop.warmup_steps, loop.progress) as self.reports:
            self.reports.progress.begin(self.step)
            if int(self.state.loss_count) and self._is_due(loop.evaluate_every):
                self._after_step()  # a signal abandoned the evaluation of this step
            if self.step < loop.num_steps:
                self._take_steps()
            on_first_process(lambda: self.saves.ensure(self.step, self.state))
            self.interrupts.agree()

    def _take_steps(self) -> None:
        loop = self.loop
        options = loop.num_microbatches, self.interrupts.own_number
        take_step = compiled_step(loop.model, loop.optimizer, loop.devices, *options)
        part = rows(loop.devices, loop.batch_size)
        levels = getattr(loop.model, "num_levels", NUM_LEVELS)
        steps = loop.seed, loop.batch_size, self.step, loop.num_steps
        batches = read_ahead(loop.images, *steps, part, loop.mutation_rate, levels)
        with contextlib.closing(batches):
            self._take_first_step(take_step, next(batches))
            for batch in batches:
                self._take_step(take_step, batch)
                self._after_step(batch)

    def _take_step(self, take_step: CompiledStep, batch: Batch) -> None:
        """A step. It acts on the signal of the step before, so that no process waits for this step."""
        self.state, metrics = take_step(self.state, self._step_key, batch)
        self.step += 1
        self.interrupts.heed(self._last_signal)
        self._last_signal = metrics.signal

    def _take_first_step(self, take_step: CompiledStep, batch: Batch) -> None:
        """The first step of this process, including compilation. A signal abandons it: nothing is to be saved yet."""
        began = monotonic()
        self.state, metrics = self.interrupts.call(
            lambda: jax.block_until_ready(take_step(self.state, self._step_key, batch))
        )
        self.step, self._last_signal = self.step + 1, metrics.signal
        self.reports.progress.start(self.step, monotonic() - began)
        self.reports.pace(self.step)
        self._after_step(batch)

    def _after_step(self, batch: Batch | None = None) -> None:
        """Does what is due: a report, an evaluation, a checkpoint, and the end if a signal has arrived."""
        is_evaluated = self._is_due(self.loop.evaluate_every)
        scores: dict[str, float] | None = {}
        if is_evaluated:
            scores = None if self.interrupts.is_interrupted() else self._evaluate()
        is_reported = scores is not None and (is_evaluated or self._is_due(self.loop.log_every))
        if is_reported:
            self._stop_if_nonfinite(batch)
            self._report(scores or {})
        if (is_evaluated and is_reported) or self.saves.is_due():
            self.saves.save(self.step, self.state, (scores or {}).get("validation", math.nan))
        if self.interrupts.is_interrupted():
            on_first_process(lambda: self.saves.ensure(self.step, self.state))
            self.interrupts.raise_if_interrupted()
        if is_reported:
            self.reports.pace(self.step)

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.loop.num_steps

    def _evaluate(self) -> dict[str, float] | None:
        """Mean bits per dimension of each image set, with the averaged params; None if a signal ends the evaluation.

        If it does, there is no report of this step. The losses stay in the state, and the resumed run begins with the
        report.
        """
        model, key, call = self.loop.model, self._evaluation_key, self.interrupts.call
        params = jax.device_put(self.state.ema_params, jax.local_devices()[0])  # otherwise all devices would evaluate
        try:
            scores = call(
                lambda: evaluate(model, params, key, self.loop.sets, is_interrupted=self.interrupts.has_arrived)
            )
            if self.reports.events.is_open and isinstance(model, Flow | VAE):  # which draw samples in a single pass
                samples = call(lambda: np.asarray(model.sample(params, key, NUM_SAMPLES)))
                self.reports.events.show("samples", self.step, samples)
        except (Interrupted, EvaluationInterrupted):
            self.interrupts.agree()
            return None
        return scores

    def _report(self, scores: dict[str, float]) -> None:
        """Writes a record of metrics, reports it and passes it to `on_metrics`."""
        with self.interrupts.shielded():
            record = self._record() | scores
            self.run_record.write(record)
            self.state = self.state.with_no_losses()
        self.reports.write(record)
        try:
            self.loop.on_metrics(dict(record))  # which it may change
        except BaseException:
            self.saves.save(self.step, self.state, scores.get("validation", math.nan))
            raise

    def _record(self) -> Record:
        state = self.state
        skipped = int(state.opt_state.total_notfinite)
        return {
            "step": self.step,
            "seconds": monotonic() - self._started,
            "train": float(state.loss_sum) / int(state.loss_count),
            **self._learning_rate(self.step - skipped),
            "gradient_norm": float(state.gradient_norm),
            "skipped_updates": skipped,
        }

    def _learning_rate(self, num_updates: int) -> Record:
        """The learning rate of the last of `num_updates` updates, if it is known."""
        if self.loop.schedule is None:
            return {}
        with jax.numpy_dtype_promotion("standard"):
            return {"learning_rate": float(self.loop.schedule(max(0, num_updates - 1)))}

    def explain(self, number: int) -> str:
        """Says in a sentence where a signal ended the run."""
        by = f"Interrupted by {name_of(number)}"
        if self.state is None:
            return f"{by} before the first step."
        return f"{by} at step {self.step:,} of {self.loop.num_steps:,}. {self.saves.summary()}"

    def _stop_if_nonfinite(self, batch: Batch | None) -> None:
        """Raises InputError after too many non-finite gradients in a row. It names the place of the first one."""
        count = int(self.state.opt_state.notfinite_count)
        if count < MAX_NONFINITE or batch is None:
            return
        params = jax.device_put(self.state.params, jax.local_devices()[0])
        part = rows(self.loop.devices, self.loop.batch_size)
        size = self.loop.batch_size // len(self.loop.devices) // self.loop.num_microbatches
        parts = shards(self._step_key, self.step - 1, batch, len(batch) // size, part.start)
        places = (first_nonfinite(self.loop.model, params, key, part) for key, part in parts)
        place = next((place for place in places if place), "nowhere when the step is repeated")
        raise InputError(
            f"Training stopped at step {self.step:,}: {count} gradients in a row were not finite; the first non-finite "
            f"value is {place}. Lower the learning rate or lengthen the warm-up. {self.saves.summary()}"
        )
