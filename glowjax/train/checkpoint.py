"""Checkpoints of a training run. The newest and the best are kept, and a kill at any moment damages none of them.

The folder `<step>` holds one checkpoint, see `saved_state`. `<step>.part` is being written or deleted, and is not
listed. `<step>.damaged` is a damaged checkpoint, renamed.
"""

import contextlib
import math
import os
import shutil
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from glowjax.checks import InputError, check_count, expanded, writable_directory
from glowjax.files import PART, set_aside, sync
from glowjax.train import storage
from glowjax.train.arrays import from_named_arrays, named_leaves
from glowjax.train.saved_state import DamagedError, DeletedError, SavedState, UnreadableError, read, score, write

OLD = f".old{PART}"
"""The suffix of a checkpoint while another one of the same step replaces it."""

ATTEMPTS = 100
"""The number of times that a reader starts again if a checkpoint is deleted while it is read."""


class NotSavedError(OSError):
    """The disk refused a checkpoint. The earlier ones are whole, and the next save may succeed."""


class Checkpoints:
    """The checkpoints of one run in a directory: the newest ones, and the best one by bits per dimension.

    A save is synchronous. When it returns, the checkpoint is on disk and was read back, so the state may be donated.
    If the process is killed during a save, the earlier checkpoints stay whole and the unfinished one is not listed.
    """

    def __init__(self, directory: Path, num_kept: int = 3, *, read_only: bool = False):
        """Opens the directory; creates it unless `read_only`.

        Args:
            directory: holds one folder per checkpoint.
            num_kept: the number of newest checkpoints to keep; the best one is kept as well.
            read_only: if True, nothing in the directory is created, renamed or deleted, so that an evaluation can read
                while a training run writes.
        """
        check_count("num_kept", num_kept)
        self.directory = expanded(directory).absolute()
        self._num_kept = num_kept
        if not read_only:
            try:
                storage.check_path(self.directory)
            except OSError as error:
                raise InputError(
                    f"No checkpoint can be written below {str(self.directory)!r} ({error.strerror}); "
                    "name another directory."
                ) from error
            writable_directory(self.directory)
            _put_back(self.directory)
            self._delete(set())

    def save(self, step: int, state: Any, bits_per_dim: float, description: Mapping[str, Any] | None = None) -> None:
        """Saves a state, then deletes the checkpoints that are neither among the newest nor the best.

        Args:
            step: the number of training steps taken; at least that of the newest checkpoint. A checkpoint at the same
                step is replaced, since a resumed run may begin with the evaluation that a signal ended.
            state: a pytree of arrays, without typed keys.
            bits_per_dim: the score on the validation images. Lower is better; NaN and infinity are never the best.
            description: JSON values to keep with the state.

        Raises:
            NotSavedError: if the disk refuses, or if reading back gives something else.
        """
        latest = self.latest_step()
        if latest is not None and step < latest:
            raise InputError(
                f"Step {step} does not follow the newest checkpoint in {self.directory}, step {latest}; "
                "resume from that one, or save into another directory."
            )
        arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(jax.device_get(state)).items()}
        bits = float(bits_per_dim) if math.isfinite(bits_per_dim) else None
        folder, part = self.directory / str(step), self.directory / f"{step}{PART}"
        try:
            if os.path.lexists(part):
                _remove(part)
            write(part, SavedState(step, bits, dict(description or {}), arrays))
            _put(part, folder)
        except Exception as error:  # damage and full disks raise errors of many classes
            shutil.rmtree(part, ignore_errors=True)
            raise NotSavedError(
                f"The checkpoint at step {step} could not be written to {self.directory} ({storage.reason(error)})"
            ) from error
        self._delete(self._scores().keys() - {self.best_step(), *self.steps()[-self._num_kept :]})

    def steps(self) -> list[int]:
        """The steps of the checkpoints, oldest first. Raises UnreadableError if they cannot be listed."""
        try:
            names = os.listdir(self.directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UnreadableError(
                f"The checkpoints in {self.directory} cannot be listed ({storage.reason(error)}); "
                "give another directory, or make it readable."
            ) from error
        return sorted(int(name) for name in names if name.isascii() and name.isdigit() and str(int(name)) == name)

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, or None if there is none."""
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """The step with the lowest finite bits per dimension (of equal ones the newest), or None if there is none."""
        scores = {step: bits for step, bits in self._scores().items() if bits is not None}
        return min(scores, key=lambda step: (scores[step], -step), default=None)

    def read(self, step: int) -> SavedState:
        """The checkpoint at a step, bit for bit. Raises InputError if there is none, or if it is not whole."""
        steps = self.steps()
        if step not in steps:
            known = f"the steps are {', '.join(map(str, steps))}" if steps else "there is none"
            raise InputError(f"No checkpoint at step {step} in {self.directory}; {known}.")
        return read(self.directory / str(step), step)

    def restore(self, step: int, template: Any) -> Any:
        """The saved state, bit for bit, with the classes, static fields and devices of `template`.

        Raises InputError as `read` does, or if the checkpoint is of another model than the template.
        """
        return self.as_state(self.read(step), template)

    def as_state(self, saved: SavedState, template: Any) -> Any:
        """The state of a checkpoint that `read` returned, see `restore`."""
        return from_named_arrays(template, saved.arrays, f"The checkpoint at step {saved.step} in {self.directory}")

    def read_best(self) -> SavedState:
        """The best checkpoint by validation or, without validation, the newest.

        A damaged checkpoint is skipped with a warning. One that a training run deletes meanwhile is skipped without.
        Raises InputError if there is no whole checkpoint.
        """
        damaged: dict[int, DamagedError] = {}
        problem: InputError = InputError(f"No checkpoint in {self.directory}; give the folder of a run that saved one.")
        for _ in range(ATTEMPTS):
            steps = [step for step in self.steps() if step not in damaged]
            if not steps:
                break
            try:
                scores = {step: score(self.directory / str(step), step) for step in steps}
                best = min(steps, key=lambda step: (math.inf if scores[step] is None else scores[step], -step))
                saved = read(self.directory / str(best), best)
            except DeletedError as error:
                problem = error
            except DamagedError as error:
                problem = damaged[error.step] = error
            else:
                if damaged:
                    warnings.warn(f"{' '.join(map(str, damaged.values()))} Step {best} is used.", stacklevel=3)
                return saved
        raise problem

    def newest_whole(self) -> SavedState | None:
        """The newest checkpoint that is whole, or None if none is. Damaged ones are renamed, with a warning."""
        newest, moved = None, []
        for step in reversed(self.steps()):
            folder = self.directory / str(step)
            try:
                if newest is None:
                    newest = read(folder, step)
                else:
                    score(folder, step)
            except DamagedError as error:
                moved.append(f"{error} It was renamed {set_aside(folder).name}.")
            except InputError:
                if newest is None:
                    raise
        if moved:
            start = "starts again at step 0" if newest is None else f"goes on from step {newest.step}"
            warnings.warn(f"{' '.join(moved)} The run {start}.", stacklevel=3)
        return newest

    def _scores(self) -> dict[int, float | None]:
        """The bits per dimension of each step whose description can be read."""
        scores = {}
        for step in self.steps():
            with contextlib.suppress(InputError):
                scores[step] = score(self.directory / str(step), step)
        return scores

    def _delete(self, steps: Collection[int]) -> None:
        """Deletes the checkpoints at these steps, and the left-overs of earlier saves and deletions.

        If a folder cannot be deleted, it stays until the next time, with a warning.
        """
        try:
            for step in steps:
                (self.directory / str(step)).rename(self.directory / f"{step}{PART}")
            for name in os.listdir(self.directory):
                if name.endswith(PART):
                    _remove(self.directory / name)
        except OSError as error:
            warnings.warn(
                f"Old checkpoints in {self.directory} could not be deleted ({storage.reason(error)}); "
                "the next save tries again.",
                stacklevel=3,
            )


def _put(part: Path, folder: Path) -> None:
    """Moves a checkpoint to its place. If the disk refuses, the previous checkpoint stays there."""
    old = folder.with_name(f"{folder.name}{OLD}")
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
        sync(folder.parent)
    except OSError:
        for source, target in ((folder, part), (old, folder)):
            with contextlib.suppress(OSError):
                source.rename(target)
        raise


def _put_back(directory: Path) -> None:
    """Undoes a replacement during which the process was killed, unless the new checkpoint is in its place."""
    for old in directory.glob(f"*{OLD}"):
        folder = old.with_name(old.name.removesuffix(OLD))
        if not folder.exists():
            old.rename(folder)


def _remove(path: Path) -> None:
    """Deletes a folder, or a file in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
