"""The number of images per set for each family of statistics, so that the slow ones take a limited time."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from experiments.ood.kept import Source
from experiments.report import progress
from glowjax import ood, processes
from glowjax.checks import InputError
from glowjax.cores import num_side_by_side
from glowjax.data import ImageSet
from glowjax.files import write_text

FEWEST = 10
"""The fewest images of a set for which a score is worth computing."""

Seconds: TypeAlias = dict[str, float]
"""{family: seconds per image}."""


def check_minutes(minutes: float | None) -> None:
    """Raises InputError for a time below zero."""
    if minutes is not None and not minutes >= 0:
        raise InputError(f"minutes is {minutes}; expected 0 or more, or None for all images.")


def num_images_by_family(
    seconds: Mapping[str, float], num_images: int, num_sets: int, minutes: float | None
) -> dict[str, int]:
    """{family: images per set}: all `num_images`, or as many as fit, rounded down to one digit; 0 if too few fit.

    The families share `minutes`. One that needs less than an equal share leaves the rest to the others.
    """
    if minutes is None:
        return dict.fromkeys(seconds, num_images)
    left = 60 * minutes
    found = {}
    for place, name in enumerate(sorted(seconds, key=lambda name: seconds[name])):
        all_images = seconds[name] * num_images * num_sets
        given = min(all_images, left / (len(seconds) - place))
        fitting = num_images if given == all_images else _rounded_down(given / seconds[name] / num_sets)
        found[name] = fitting if fitting >= min(FEWEST, num_images) else 0
        left -= found[name] * seconds[name] * num_sets
    return {name: found[name] for name in seconds}


def _rounded_down(number: float) -> int:
    """The number rounded down to one digit: 478 becomes 400."""
    if number < 1:
        return 0
    scale = 10 ** int(math.log10(number))
    return int(number / scale) * scale


def measured_seconds(source: Source, images: ImageSet, families: Sequence[str]) -> Seconds:
    """The seconds per image of families apart from the forward pass, after compilation; from a file if there is one.

    With several processes, those that the first one has measured.
    """
    path = source.folder / f"seconds-{source.identity}.json"
    known = processes.broadcast_json(_known(path))
    lacking = [name for name in families if name not in known]
    with progress.shown("compiles, and measures the time of statistics", "family") as report:
        for done, name in enumerate(lacking, 1):
            known[name] = processes.broadcast_json(_measure(source, images, name))
            report(done, len(lacking))
            if not processes.is_follower():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_text(path, json.dumps(known, indent=1))
    return {name: known[name] for name in families}


def _known(path: Path) -> Seconds:
    """What was measured before; nothing if the file is missing or damaged."""
    try:
        return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _measure(source: Source, images: ImageSet, family: str) -> float:
    """Runs a family on a batch per core, after it was compiled for one."""
    size = ood.FAMILIES[family].batch_size
    if not ood.FAMILIES[family].on_host:
        source.computed(images.select(slice(1), "first"), [family])
    several = images.select(slice(size * num_side_by_side()), "first")
    began = time.monotonic()
    source.computed(several, [family])
    return (time.monotonic() - began) / several.num_images
