"""Checkpoints of a training run: saved durably, the newest and the best kept, restored against a template.

A state is stored as a flat dictionary from leaf path to array, so that a checkpoint depends on no class of
the code that wrote it; the template of `restore` brings the classes back. No other file knows of orbax.
"""

import contextlib
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax import tree_util

from glowjax.checks import InputError, writable_directory

_ORBAX_SOURCE = os.path.join("orbax", "checkpoint")
# orbax warns of routine events (a save without metrics, a read-only manager); its errors still show.
logging.getLogger("absl").addFilter(
    lambda record: record.levelno >= logging.ERROR or _ORBAX_SOURCE not in record.pathname
)


def as_json(description: Mapping[str, Any]) -> dict[str, Any]:
    """`description` as it will be read again, with lists for tuples. Raises InputError where JSON cannot say it."""
    try:
        return dict(json.loads(json.dumps(description, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The description cannot be written as JSON ({error}); "
            "give strings, finite numbers, booleans, lists and dictionaries."
        ) from error


class Checkpoints:
    """The checkpoints of one run below a directory: the newest ones, and the best by bits per dimension.

    A save is synchronous. Once it returns, the checkpoint is on disk and the state's buffers may be donated.
    A process killed during a save leaves the earlier checkpoints whole, and the half-written one unlisted.
    """

    def __init__(self, directory: Path, num_kept: int = 3, *, read_only: bool = False):
        """Opens the directory, and creates it unless `read_only`.

        Args:
          directory: Where the checkpoints are, one folder a step.
          num_kept: How many of the newest checkpoints stay; the best one stays besides.
          read_only: Nothing below the directory is created, cleaned up or deleted, so that an evaluation may
            read while a training run writes.

        Raises:
          InputError: `num_kept` is below one, or the directory cannot be created, written or read.
        """
        if num_kept < 1:
            raise InputError(f"num_kept is {num_kept}, but at least one checkpoint must stay; give 1 or more.")
        self.directory = Path(directory).expanduser().absolute()  # orbax refuses a relative path
        self.read_only = read_only
        if not read_only:
            writable_directory(self.directory)
        policies = ocp.checkpoint_managers
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(num_kept),
                    policies.BestN(
                        get_metric_fn=_bits_per_dim, reverse=True, n=1, keep_checkpoints_without_metrics=False
                    ),
                ]
            ),
            best_fn=_bits_per_dim,
            best_mode="min",
            create=False,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
            enable_async_checkpointing=False,
        )
        try:
            self._manager = ocp.CheckpointManager(self.directory, options=options, item_names=("state", "description"))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"The checkpoints below {self.directory} cannot be listed ({_brief(error)}); "
                "delete the folder of the damaged one, or name another directory."
            ) from error

    def save(self, step: int, state: Any, description: Mapping[str, Any], bits_per_dim: float) -> None:
        """Returns once the checkpoint is on disk; then deletes those that are neither new nor best.

        Args:
          step: The number of training steps taken; greater than that of every checkpoint below the directory.
          state: A pytree of arrays, without typed keys.
          description: What rebuilds the model and its template: anything that JSON can say.
          bits_per_dim: On the validation images; lower is better, and a non-finite number is never the best.

        Raises:
          InputError: The step is not new, the description is not JSON, or the directory is read-only.
        """
        if self.read_only:
            raise InputError(f"{self.directory} was opened read-only; open it without read_only to save.")
        latest = self.latest_step()
        if latest is not None and step <= latest:
            raise InputError(
                f"Step {step} does not follow the newest checkpoint below {self.directory}, step {latest}; "
                "resume from that one, or save into another directory."
            )
        description = as_json(description)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(_named_leaves(jax.device_get(state))),
                description=ocp.args.JsonSave(description),
            ),
            metrics={"bits_per_dim": float(bits_per_dim)} if math.isfinite(bits_per_dim) else None,
        )

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The step of the lowest finite bits per dimension (the newest of equals), or None."""
        return self._manager.best_step()

    def restore(self, step: int | None, template: Any) -> Any:
        """The saved state, bit for bit, with the template's classes, static fields and devices.

        Args:
          step: One that was saved, such as `latest_step()` or `best_step()`.
          template: A pytree like the saved one, of arrays or `jax.ShapeDtypeStruct`; its values are not used.

        Raises:
          InputError: There is no such checkpoint, it is damaged, or it is of another model than the template.
        """
        step = self._known(step)
        with self._reading(step):
            saved = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore())).state
        expected = _named_leaves(template)
        for name in [*expected, *saved]:
            came, wanted = _signature(saved.get(name)), _signature(expected.get(name))
            if came != wanted:
                raise InputError(
                    f"The checkpoint at step {step} below {self.directory} is of another model: "
                    f"leaf {name} is {came} in the checkpoint and {wanted} in the template; "
                    "build the template from the description that is saved with the checkpoint."
                )
        leaves = [_placed(saved[name], like) for name, like in expected.items()]
        return tree_util.tree_unflatten(tree_util.tree_structure(template), leaves)

    def description(self, step: int | None) -> dict[str, Any]:
        """The description saved with a checkpoint; tuples come back as lists.

        Raises:
          InputError: There is no such checkpoint, or it is damaged.
        """
        step = self._known(step)
        with self._reading(step):
            items = self._manager.restore(step, args=ocp.args.Composite(description=ocp.args.JsonRestore()))
            return items.description

    def close(self) -> None:
        """Releases orbax's threads; the checkpoints are already on disk."""
        self._manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _known(self, step: int | None) -> int:
        """The step, if there is a checkpoint at it."""
        steps = self._manager.all_steps()
        if not steps:
            raise InputError(
                f"No checkpoint below {self.directory}; train one first, with a run that saves into this directory."
            )
        if step is None or step not in steps:
            wanted = "with finite bits per dimension" if step is None else f"at step {step}"
            known = ", ".join(map(str, sorted(steps)))
            raise InputError(f"No checkpoint {wanted} below {self.directory}; name one of the steps {known}.")
        return step

    @contextlib.contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        """A block in which whatever orbax raises means that the checkpoint is damaged."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The checkpoint at step {step} below {self.directory} is damaged ({_brief(error)}); "
                "delete its folder and take another step."
            ) from error


def _bits_per_dim(metrics: Mapping[str, float]) -> float:
    """What ranks the checkpoints."""
    return metrics["bits_per_dim"]


def _named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves by path, in the tree's order; a path reads like Python: `.params['conv'][0]`."""
    return {tree_util.keystr(path): leaf for path, leaf in tree_util.tree_leaves_with_path(tree)}


def _signature(leaf: Any) -> str:
    """A leaf's dtype and shape, as in `float32[3, 4]`."""
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _placed(value: np.ndarray, like: Any) -> Any:
    """The value where the template's leaf is; committed to a device only if that is, lest jit recompile."""
    if isinstance(like, np.ndarray):
        return value
    return jax.device_put(value, like.sharding if getattr(like, "committed", True) else None)


def _brief(error: Exception) -> str:
    """The first line of an error, with its class."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
