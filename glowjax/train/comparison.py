"""Compare the run in a folder with the run that is about to be trained."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glowjax.checks import InputError
from glowjax.train.environment import CHANGES_BITS

MAY_DIFFER = (
    "provenance",
    "num_devices",
    "num_processes",
    "training.evaluate_every",
    "training.log_every",
    "training.save_every",
    "training.num_microbatches",
)
"""Entries of a description that may differ when a run resumes."""

_STEPS = "training.num_steps"
_EVALUATED = "evaluated."

_REMEDIES = {
    **dict.fromkeys(("num_images", "images", "image_shape"), "give the images that it had"),
    "environment.x64": "set JAX_ENABLE_X64={before}",
    "environment.prng": "give a key of that kind, as with JAX_DEFAULT_PRNG_IMPL={before},",
    "environment.threefry_partitionable": "set JAX_THREEFRY_PARTITIONABLE={before}",
    _STEPS: "give at least as many",
    "init_from": "start from the same params",
}
"""The advice for resuming a run, by the entry of the description that differs."""


def check_same_run(directory: Path, saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raises InputError that names the first entry in which two descriptions differ but may not.

    More steps than before extend the run. An evaluated set may be new, and a watched one may be left out, but no name
    may stand for other images than before. Warns if versions or devices differ, since the bits may then differ.
    """
    before, now = entries(saved), entries(given)
    for name in [*now, *before]:
        if name.startswith(MAY_DIFFER) or before.get(name) == now.get(name):
            continue
        if name == _STEPS and (before.get(name) or 0) < (now.get(name) or 0):
            continue
        if name.startswith(_EVALUATED) and name not in before:
            continue
        if name.startswith(_EVALUATED) and name not in now and name != f"{_EVALUATED}validation":
            continue
        default = "give the images that it had" if name.startswith(_EVALUATED) else "give the same value"
        remedy = _REMEDIES.get(name, default).format(before=before.get(name))
        raise InputError(
            f"{directory} holds a run with {name} = {before.get(name)!r}, but this one has {now.get(name)!r}; "
            f"{remedy} to resume it, or another directory to start a new run."
        )
    names = [f"provenance.{name}" for name in CHANGES_BITS]
    changes = [
        f"{name.split('.')[1]} {before.get(name)} (now {now.get(name)})"
        for name in names
        if before.get(name) != now.get(name)
    ]
    if changes:
        warnings.warn(
            f"The run in {directory} was trained with {', '.join(changes)}; it goes on, but may end with other bits "
            "than without this change.",
            stacklevel=4,
        )


def entries(description: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested dictionaries by dotted name, such as `model.width`."""
    found: dict[str, Any] = {}
    for name, value in description.items():
        if isinstance(value, dict):
            found |= entries(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
