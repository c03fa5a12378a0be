"""Checkpoints of a training run: the newest and the best are kept, and a save survives a kill at any moment.

No other file uses orbax.
"""

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from glowjax.checks import InputError, check_count, writable_directory
from glowjax.train.files import from_named_arrays, named_leaves

_ORBAX_SOURCE = os.path.join("orbax", "checkpoint")


class Checkpoints(contextlib.AbstractContextManager["Checkpoints"]):
    """The checkpoints of one run in a directory: the newest ones, and the best by bits per dimension.

    A save is synchronous: once it returns, the checkpoint is on disk and the state's buffers may be donated. If the
    process is killed during a save, the earlier checkpoints stay whole and the unfinished one is not listed.
    """

    def __init__(self, directory: Path, num_kept: int = 3, *, read_only: bool = False):
        """Opens the directory; creates it unless `read_only`.

        Args:
            directory: holds one folder per checkpoint.
            num_kept: the number of newest checkpoints that are kept; the best one is kept as well.
            read_only: nothing in the directory is created, cleaned up or deleted, so that an evaluation can read
                while a training run writes.
        """
        check_count("num_kept", num_kept)
        self.directory = Path(directory).expanduser().absolute()  # orbax refuses a relative path
        if not read_only:
            writable_directory(self.directory)
        try:
            with _quiet_orbax():
                self._manager = ocp.CheckpointManager(
                    self.directory, options=_options(num_kept, read_only), item_names=("state",)
                )
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"The checkpoints in {self.directory} cannot be listed ({_first_line(error)}); "
                "delete the folder of the damaged one, or give another directory."
            ) from error

    def save(self, step: int, state: Any, bits_per_dim: float) -> None:
        """Saves a state, then deletes the checkpoints that are neither among the newest nor the best.

        Args:
            step: the number of training steps taken; greater than that of every saved checkpoint.
            state: a pytree of arrays, without typed keys.
            bits_per_dim: of the validation images; lower is better, and NaN or infinity is never the best.
        """
        latest = self.latest_step()
        if latest is not None and step <= latest:
            raise InputError(
                f"Step {step} does not follow the newest checkpoint in {self.directory}, step {latest}; "
                "resume from that one, or save into another directory."
            )
        with _quiet_orbax():
            self._manager.save(
                step,
                args=ocp.args.Composite(state=ocp.args.StandardSave(named_leaves(jax.device_get(state)))),
                metrics={"bits_per_dim": float(bits_per_dim)} if math.isfinite(bits_per_dim) else None,
            )

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, or None if there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The step of the lowest finite bits per dimension (the newest of equals), or None if there is none."""
        return self._manager.best_step()

    def arrays(self, step: int) -> dict[str, np.ndarray]:
        """The arrays of a saved state by name. Raises InputError if there is no such checkpoint, or it is damaged."""
        steps = sorted(self._manager.all_steps())
        if step not in steps:
            known = f"the steps are {', '.join(map(str, steps))}" if steps else "there is none"
            raise InputError(f"No checkpoint at step {step} in {self.directory}; {known}.")
        try:
            with _quiet_orbax():
                return self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore())).state
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The checkpoint at step {step} in {self.directory} is damaged ({_first_line(error)}); "
                "delete its folder and use another step."
            ) from error

    def restore(self, step: int, template: Any) -> Any:
        """The saved state, bit for bit, with the classes, static fields and devices of `template`.

        Raises InputError as `arrays` does, or if the checkpoint is of another model than the template.
        """
        return from_named_arrays(template, self.arrays(step), f"The checkpoint at step {step} in {self.directory}")

    def close(self) -> None:
        """Releases orbax's threads; the checkpoints are already on disk."""
        self._manager.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def _options(num_kept: int, read_only: bool) -> ocp.CheckpointManagerOptions:
    policies = ocp.checkpoint_managers
    best = policies.BestN(get_metric_fn=_bits_per_dim, reverse=True, n=1, keep_checkpoints_without_metrics=False)
    return ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(num_kept), best]),
        best_fn=_bits_per_dim,
        best_mode="min",
        create=False,
        read_only=read_only,
        cleanup_tmp_directories=not read_only,
        enable_async_checkpointing=False,
    )


def _bits_per_dim(metrics: Mapping[str, float]) -> float:
    return metrics["bits_per_dim"]


@contextlib.contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Hides orbax's warnings about routine events, such as a save without metrics; errors still show."""

    def is_shown(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or _ORBAX_SOURCE not in record.pathname

    logger = logging.getLogger("absl")
    logger.addFilter(is_shown)
    try:
        yield
    finally:
        logger.removeFilter(is_shown)


def _first_line(error: Exception) -> str:
    """The first line of an error, with its class."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
