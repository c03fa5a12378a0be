"""One checkpoint: a state and its description in a folder, checked for damage when it is written and read.

The folder `state` holds the arrays and is written by orbax. `checkpoint.json` holds the step, the score and the
description of the run, with digests of these and of each array.
"""

import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from glowjax._version import __version__
from glowjax.checks import InputError
from glowjax.files import sync, write_text
from glowjax.train import storage
from glowjax.train.arrays import check_digests, sealed, unsealed

T = TypeVar("T")

ABOUT = "checkpoint.json"


class DamagedError(InputError):
    """The checkpoint at `step` no longer holds what was written."""

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step


class UnreadableError(InputError):
    """A checkpoint cannot be read just now, but it may be whole."""


class DeletedError(UnreadableError):
    """A checkpoint was deleted while it was read."""


@dataclasses.dataclass(frozen=True)
class SavedState:
    """The content of a checkpoint.

    Attributes:
        step: the number of training steps taken.
        bits_per_dim: bits per dimension of the validation images, or None if unknown or not finite.
        description: JSON values that describe the run.
        arrays: the arrays of the state by name.
    """

    step: int
    bits_per_dim: float | None
    description: dict[str, Any]
    arrays: dict[str, np.ndarray]


def write(folder: Path, state: SavedState) -> None:
    """Writes a state to a new folder, reads it back, and returns when it is on disk.

    Raises errors of many classes if the disk refuses, and ValueError if reading back gives something else.
    """
    about = {
        "glowjax": __version__,
        "step": state.step,
        "bits_per_dim": state.bits_per_dim,
        "description": state.description,
    }
    folder.mkdir()
    storage.write_arrays(folder / "state", state.arrays)
    write_text(folder / ABOUT, json.dumps(sealed(about, state.arrays), indent=1, allow_nan=False) + "\n")
    _whole(folder, state.step)
    for parent, _, names in os.walk(folder):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


def read(folder: Path, step: int) -> SavedState:
    """The state that was saved at `step`, bit for bit.

    Raises:
        DamagedError: if the folder does not hold what was written.
        UnreadableError: if it cannot be read just now.
        DeletedError: if it was deleted meanwhile.
        InputError: if glowjax did not write it.
    """
    return _read(lambda: _whole(folder, step), folder, step)


def score(folder: Path, step: int) -> float | None:
    """The bits per dimension of a state, or None if unknown. It raises the errors of `read`, but reads no array."""
    return _read(lambda: _about(folder, step)[0].bits_per_dim, folder, step)


def _whole(folder: Path, step: int) -> SavedState:
    state, digests = _about(folder, step)
    arrays = storage.read_arrays(folder / "state", digests)
    check_digests(arrays, digests)
    return dataclasses.replace(state, arrays=arrays)


def _about(folder: Path, step: int) -> tuple[SavedState, Mapping[str, str]]:
    """The state in a folder without its arrays, and their digests."""
    about, digests = unsealed(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    try:
        state = SavedState(about["step"], about["bits_per_dim"], about["description"], {})
    except KeyError as error:
        raise not_understood(f"The checkpoint {folder}", about.get("glowjax"), error) from error
    if state.step != step:
        raise ValueError(f"it is that of step {state.step}")
    return state, digests


def not_understood(source: str, version: Any, error: Exception) -> InputError:
    """The error for an undamaged description that this version of glowjax does not understand."""
    if is_newer(version):
        found = f"was written by a newer glowjax ({version}; this is {__version__}); install that version"
    else:
        found = "was not written by this glowjax; write it again"
    return InputError(f"{source} {found} ({type(error).__name__}: {error}).")


def is_newer(version: Any) -> bool:
    """Whether a version, such as "1.10.2", is newer than this one."""
    found, this = ([int(number) for number in re.findall(r"\d+", str(one))[:3]] for one in (version, __version__))
    return found > this


def _read(reading: Callable[[], T], folder: Path, step: int) -> T:
    """The result of `reading`. It is tried twice, since a network file system may fail for a moment."""
    for is_last in (False, True):
        try:
            return reading()
        except InputError:
            raise
        except Exception as error:  # damage and full disks raise errors of many classes
            explained = _explain(folder, step, error)
            if is_last or not isinstance(explained, DamagedError):
                raise explained from error
    raise AssertionError("the last attempt returns or raises")


def _explain(folder: Path, step: int, error: Exception) -> InputError:
    """The error that says why a folder could not be read, and what to do."""
    name = f"The checkpoint {folder}"
    if why := storage.refusal(folder, error):
        return UnreadableError(f"{name} cannot be read just now ({why}); it may be whole, so try again.")
    if not os.path.lexists(folder):
        return DeletedError(f"{name} was deleted while it was read; try again.")
    if not (folder / ABOUT).exists() and (folder / "_CHECKPOINT_METADATA").exists():
        return InputError(f"{name} was not written by glowjax; give another directory, or move it away.")
    return DamagedError(f"{name} is damaged ({storage.reason(error)}).", step)
