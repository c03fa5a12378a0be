"""Data sets: list those on this machine, prepare others, and check them against published facts.

    python -m experiments datasets list
    python -m experiments datasets prepare letters --data-dir data
    python -m experiments datasets check mnist fashion_mnist

`list` names every split and where it was found. `prepare` downloads or makes a set. `check` counts images, prints a
fingerprint that does not depend on their order, and compares means and standard deviations with the published ones; its
exit status is 1 if a set contradicts what is published about it.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

from glowjax.checks import InputError
from glowjax.data import known_names, load, prepare, splits
from glowjax.data.builders import PREPARABLE
from glowjax.data.split import PARTS
from glowjax.data.verify import MOMENTS_OF, OFFICIAL, Check, Moment, Official, by_channel, check


@dataclasses.dataclass(frozen=True)
class DatasetsConfig:
    """What to do with which sets.

    Attributes:
        action: list, prepare or check.
        names: the sets; default: all that are known (list), or all on this machine (check).
        data_dir: folder of .npz and .npy files or of image folders; default: GLOWJAX_DATA_DIR. `prepare` writes to it,
            or to the folder of TensorFlow Datasets for its sets.
    """

    action: tyro.conf.Positional[Literal["list", "prepare", "check"]]
    names: tyro.conf.Positional[tuple[str, ...]] = ()
    data_dir: Path | None = None


def main(config: DatasetsConfig) -> str:
    """Lists, prepares or checks sets, and returns what it found as text."""
    known = sorted(known_names(config.data_dir))
    if config.action == "prepare":
        if not config.names:
            raise InputError(f"Name the sets to prepare, one or more of: {', '.join(sorted(PREPARABLE))}.")
        for name in config.names:
            prepare(name, config.data_dir)
    if config.action != "check":
        return _places(config.names or known, config.data_dir)
    present = [name for name in known if splits(name, config.data_dir)]
    checks = {name: check_set(name, config.data_dir) for name in config.names or present}
    lines = [line for name, found in checks.items() for split in found for line in _report(name, split, *found[split])]
    wrong = [f"{name}:{split}" for name, found in checks.items() for split, (c, _) in found.items() if c.faults]
    if wrong:
        print(*lines, f"Not as published: {', '.join(wrong)}.", sep="\n")
        raise SystemExit(1)
    return "\n".join(lines)


def _places(names: Sequence[str], data_dir: Path | None) -> str:
    """A line per split, or one that says how to get the set."""
    lines = []
    for name in names:
        by_split = splits(name, data_dir)
        lines += [f"{name + ':' + split:<24} {place}" for split, place in by_split.items()]
        if not by_split:
            how = f"python -m experiments datasets prepare {name}" if name in PREPARABLE else "provide it yourself"
            lines.append(f"{name:<24} not on this machine: {how}")
    return "\n".join(lines)


def check_set(name: str, data_dir: Path | None) -> dict[str, tuple[Check, str]]:
    """{split: (its check, where its images come from)} for official splits, or for the whole of a set without them."""
    present = splits(name, data_dir) or {"test": ""}  # if the set is missing, `load` says why
    found = {}
    for split in ("all",) if set(PARTS) <= present.keys() else present:
        images = load(name, split, data_dir)
        found[split] = check(images, split, OFFICIAL.get(name)), images.source
    return found


def _report(name: str, split: str, found: Check, source: str) -> list[str]:
    """The lines about one split."""
    official = OFFICIAL.get(name)
    lines = [
        _size(found),
        f"mean {_moment(found.mean, split)}",
        f"standard deviation {_moment(found.std, split)}",
        f"fingerprint {found.fingerprint}{_recorded(found, split, official)}",
        *(f"NOT AS PUBLISHED: {fault}" for fault in found.faults),
    ]
    return [f"{name}:{split}, from {source}", *(f"  {line}" for line in lines)]


def _size(found: Check) -> str:
    if found.num_official is None:
        return f"{found.num_images:,} images; no official number to compare with"
    if found.num_images < found.num_official:
        return f"SUBSET: {found.num_images:,} of the official {found.num_official:,} images"
    return f"{found.num_images:,} images, officially {found.num_official:,}"


def _moment(moment: Moment, split: str) -> str:
    text = by_channel(moment.value) + (f", standard error {by_channel(moment.sem)}" if moment.sem.any() else "")
    if not moment.published:
        return f"{text} (no published value known)"
    published = by_channel(moment.published) if split in MOMENTS_OF else "for train only"
    return f"{text} (published: {published})"


def _recorded(found: Check, split: str, official: Official | None) -> str:
    recorded = official.fingerprints.get(split) if official else None
    if recorded is None:
        return " (the official images have no recorded one)"
    return ", that of the official images" if recorded == found.fingerprint else ", not that of the official images"
