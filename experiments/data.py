"""Which image sets are here, how to get the others, and whether they are what they claim to be.

    python -m experiments.data list
    python -m experiments.data prepare letters --data-dir data
    python -m experiments.data check mnist fashion_mnist

`list` names every split with the place where it was found. `prepare` fetches or makes a set. `check` counts images,
states a fingerprint that does not depend on their order, and compares means and standard deviations with the published
ones; it ends with exit status 1 where a set contradicts what is published of it.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.command_line import run
from glowjax.data import known_names, load, prepare, splits
from glowjax.data.builders import PREPARABLE
from glowjax.data.split import PARTS
from glowjax.data.verify import MOMENTS_OF, OFFICIAL, Check, Official, by_channel, check


@dataclasses.dataclass(frozen=True)
class ListConfig:
    """Every set and where it is.

    Attributes:
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
    """

    data_dir: Path | None = None


@dataclasses.dataclass(frozen=True)
class PrepareConfig:
    """Fetch or make a set.

    Attributes:
        name: the set, one of those that `list` names.
        data_dir: the folder to write to; by default GLOWJAX_DATA_DIR, or TensorFlow Datasets' own folder for its sets.
    """

    name: tyro.conf.Positional[str]
    data_dir: Path | None = None


@dataclasses.dataclass(frozen=True)
class CheckConfig:
    """Compare sets with what is published of them.

    Attributes:
        names: the sets; all that are here by default.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    data_dir: Path | None = None


Config = (
    Annotated[ListConfig, tyro.conf.subcommand("list")]
    | Annotated[PrepareConfig, tyro.conf.subcommand("prepare")]
    | Annotated[CheckConfig, tyro.conf.subcommand("check")]
)


def main(config: ListConfig | PrepareConfig | CheckConfig) -> dict[str, Any]:
    """Lists, prepares or checks; returns what was found by set and split."""
    if isinstance(config, PrepareConfig):
        prepare(config.name, config.data_dir)
        return _print_places([config.name], config.data_dir)
    if isinstance(config, ListConfig):
        return _print_places(sorted(known_names(config.data_dir)), config.data_dir)
    here = [name for name in sorted(known_names(config.data_dir)) if splits(name, config.data_dir)]
    found = {name: _check_set(name, config.data_dir) for name in config.names or here}
    faulty = [f"{name}:{split}" for name in found for split in found[name] if found[name][split].faults]
    if faulty:
        print(f"Not as published: {', '.join(faulty)}.")
        raise SystemExit(1)
    return found


def _print_places(names: list[str], data_dir: Path | None) -> dict[str, dict[str, str]]:
    """One line a split, or one that tells how to get the set."""
    places = {name: splits(name, data_dir) for name in names}
    for name, by_split in places.items():
        for split, place in by_split.items():
            print(f"{name + ':' + split:<24} {place}")
        if not by_split:
            how = f"python -m experiments.data prepare {name}" if name in PREPARABLE else "bring it yourself"
            print(f"{name:<24} not here: {how}")
    return places


def _check_set(name: str, data_dir: Path | None) -> dict[str, Check]:
    """Checks the official splits of a set, or the whole of one without, and prints what was found."""
    present = splits(name, data_dir) or {"test": ""}  # which lets `load` tell what is amiss
    official = OFFICIAL.get(name)
    found = {}
    for split in ("all",) if set(PARTS) <= present.keys() else present:
        images = load(name, split, data_dir)
        found[split] = check(images, split, official)
        print(f"{name}:{split}, from {images.source}", *_in_words(found[split], split, official), sep="\n  ")
    return found


def _in_words(found: Check, split: str, official: Official | None) -> list[str]:
    """The lines about one split."""
    moments = [
        f"{name} {by_channel(moment.value)}{_error(moment.sem)}{_published(moment.published, split)}"
        for name, moment in (("mean", found.mean), ("standard deviation", found.std))
    ]
    faults = [f"NOT AS PUBLISHED: {fault}" for fault in found.faults]
    return [_size(found), *moments, f"fingerprint {found.fingerprint}{_recorded(found, split, official)}", *faults]


def _size(found: Check) -> str:
    if found.num_official is None:
        return f"{found.num_images:,} images; no official number to compare with"
    if found.num_images < found.num_official:
        return f"SUBSET: {found.num_images:,} of the official {found.num_official:,} images"
    return f"{found.num_images:,} images, officially {found.num_official:,}"


def _error(sem: Any) -> str:
    return f", standard error {by_channel(sem)}" if sem.any() else ""


def _published(values: tuple[float, ...], split: str) -> str:
    if not values:
        return " (none published that we know of)"
    return f" (published: {by_channel(values)})" if split in MOMENTS_OF else " (published for the training split only)"


def _recorded(found: Check, split: str, official: Official | None) -> str:
    recorded = official.fingerprints.get(split) if official else None
    if recorded is None:
        return " (none recorded of the official images)"
    return ", that of the official images" if recorded == found.fingerprint else ", not that of the official images"


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(Config, args=arguments, description=__doc__))
