"""What one training run is, and from where it goes on: with its own description and under its own conditions alone."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glowjax.checks import InputError, check_count
from glowjax.train.checkpoint import Checkpoints, as_json
from glowjax.train.state import TrainState
from glowjax.typing import Array

SAME_IMAGES = "name the data folder that it had, for its images were others,"
REMEDY = {
    "num_devices": "set JAX_NUM_CPU_DEVICES={} (on a CPU)",
    **dict.fromkeys(("num_images", "images", "image_shape"), SAME_IMAGES),
}
"""What to do, by the entry of a description that differs, before "to resume it"."""

CONDITIONS = ("seed", "batch_size", "num_devices")
"""What decides the bits of a run, whatever its description says: they are noted with it."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one training run does; the model, optimiser and images are given beside it.

    Attributes:
        directory: where checkpoints, metrics and TensorBoard events go.
        description: JSON values that rebuild model and optimiser; a run resumes only under the same description, and
            with the same seed, batch size and number of devices.
        defaults: of the options inside a description's values, for runs that were begun before an option existed.
        num_steps: training steps in all.
        batch_size: images a step, over all devices together.
        seed: of initialisation, data order and noise.
        log_every: steps between lines of metrics.
        evaluate_every: steps between evaluations, each with a checkpoint.
    """

    directory: Path
    description: dict[str, Any]
    num_steps: int
    batch_size: int
    seed: int = 0
    log_every: int = 20
    evaluate_every: int = 500
    defaults: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises InputError for a count that is not positive."""
        for name in ("num_steps", "batch_size", "log_every", "evaluate_every"):
            check_count(name, getattr(self, name))


def noted(run: Run, num_devices: int) -> Run:
    """`run` with its conditions in its description. Raises InputError for a description that JSON cannot say."""
    conditions = {"seed": run.seed, "batch_size": run.batch_size, "num_devices": num_devices}
    return dataclasses.replace(run, description=as_json(run.description) | conditions)


def start(run: Run, checkpoints: Checkpoints, fresh: TrainState) -> tuple[TrainState, float, list[Array | float]]:
    """The state to go on from, the seconds that it took so far, and the losses that no line of metrics has yet."""
    newest = checkpoints.latest_step()
    if newest is None:
        return fresh, 0.0, []
    saved = checkpoints.description(newest)
    seconds = saved.pop("seconds")
    losses: list[Array | float] = [float(loss) for loss in saved.pop("losses", [])]
    for name, value in run.description.items():
        if name in CONDITIONS and name not in saved:
            continue  # begun before these were noted
        before = saved.get(name)
        if name in run.defaults and isinstance(before, dict):
            before = {**run.defaults[name], **before}
        if before != value:
            raise InputError(
                f"{run.directory} holds a run with {name} = {before!r}, but this one has {value!r}; "
                f"{REMEDY.get(name, 'give the same options').format(before)} to resume it, or another output folder to "
                "start anew."
            )
    return checkpoints.restore(newest, fresh), seconds, losses
