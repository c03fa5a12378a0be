"""Checkpoints of a training run: the newest and the best are kept, and a save survives a kill at any moment."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

from glowjax.checks import InputError
from glowjax.train.files import from_named_arrays, in_one_step, named_leaves

NUM_NEWEST = 3
"""The number of newest checkpoints that are kept; the best one is kept as well."""


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, each a file in `directory`, such as `500-3.207.safetensors`.

    The name holds the step and, if they are known, the bits per dimension of the validation images, so that the newest
    and the best are found without reading. Once `save` returns, the checkpoint is on disk.
    """

    directory: Path

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
        bits = f"-{float(bits_per_dim)!r}" if math.isfinite(bits_per_dim) else ""
        arrays = {name: np.asarray(leaf, order="C") for name, leaf in named_leaves(jax.device_get(state)).items()}
        with in_one_step(self.directory / f"{step}{bits}.safetensors") as part:
            save_file(arrays, part)
        files = self._files()
        for old in files.keys() - {*sorted(files)[-NUM_NEWEST:], self.best_step()}:
            files[old].unlink()
        for unfinished in self.directory.glob("*.part"):  # of a process that was killed
            unfinished.unlink()

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, or None if there is none."""
        return max(self._files(), default=None)

    def best_step(self) -> int | None:
        """The step of the lowest finite bits per dimension (the newest of equals), or None if there is none."""
        bits = {step: path.stem.partition("-")[2] for step, path in self._files().items()}
        return min((step for step in bits if bits[step]), key=lambda step: (float(bits[step]), -step), default=None)

    def arrays(self, step: int) -> dict[str, np.ndarray]:
        """The arrays of a saved state by name. Raises InputError if there is no such checkpoint, or it is damaged."""
        files = self._files()
        if step not in files:
            known = f"the steps are {', '.join(map(str, sorted(files)))}" if files else "there is none"
            raise InputError(f"No checkpoint at step {step} in {self.directory}; {known}.")
        try:
            return load_file(files[step])
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise InputError(
                f"The checkpoint at step {step} in {self.directory} is damaged ({type(error).__name__}: {error}); "
                f"delete {files[step].name} and use another step."
            ) from error

    def restore(self, step: int, template: Any) -> Any:
        """The saved state, bit for bit, with the classes, static fields and devices of `template`.

        Raises InputError as `arrays` does, or if the checkpoint is of another model than the template.
        """
        return from_named_arrays(template, self.arrays(step), f"The checkpoint at step {step} in {self.directory}")

    def _files(self) -> dict[int, Path]:
        """The file of each step."""
        return {int(path.stem.partition("-")[0]): path for path in self.directory.glob("[0-9]*.safetensors")}
