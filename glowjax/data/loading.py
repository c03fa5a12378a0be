"""Find and load the images of a data set by its name."""

import importlib.util
import os
from pathlib import Path

from glowjax.checks import CONTROLS, InputError, check_printable, unknown
from glowjax.data import generated, tfds
from glowjax.data.builders import PREPARABLE
from glowjax.data.foreign import one_line
from glowjax.data.image_set import ImageSet
from glowjax.data.named_files import split_of
from glowjax.data.paths import is_path, load_path
from glowjax.data.sources import data_folder, sources

LONGEST_NAME = 255
"""The maximum number of bytes in a file name."""


def load(name: str | Path, split: str | None = None, data_dir: Path | str | None = None) -> ImageSet:
    """The images of a split of a data set, from the first source that has it; `ImageSet.source` says which.

    The images come in the order of their source. The bundled sets are mixed, but many other sets are sorted by class.
    `ImageSet.take` draws a random subset.

    Args:
        name: the name of a set, or the path of a folder of images or of a .npz or .npy file. A path is a Path, or a
            string with a "/" in it.
        split: "train", "test" or another split of the set. A set without official splits is split 90 to 10 by a hash
            of each image, and "all" is the whole set. The default is "test"; for the path of a single split, such as
            x_train.npz, it is that split.
        data_dir: a folder of NumPy files or images; the environment variable GLOWJAX_DATA_DIR by default.
    """
    _check_name(str(name))
    if isinstance(name, Path) or is_path(name):
        return load_path(str(name), split)
    split = split or "test"
    for source in sources(data_dir):
        readers = source.find(name)
        if split in readers:
            return readers[split]()
    raise _not_found(name, split, data_folder(data_dir))


def resolve(
    spec: str,
    like: ImageSet | None = None,
    data_dir: Path | str | None = None,
    num_images: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """The set that `spec` names, in the shape of `like`.

    Args:
        spec: "name" or "name:split" of a set to load, or the name of a set to generate, such as "noise".
        like: the set whose shape it must have. Generated sets need it as their reference.
        data_dir: as in `load`.
        num_images: the maximum number of images; all by default.
        seed: chooses the subset, or the generated images.
    """
    name, split = parse_spec(spec)
    if generated.is_generated(spec):
        if like is None:
            raise InputError(
                f"The generated set '{name}' needs a reference set for its shape; expected an ImageSet as `like`."
            )
        return generated.generate(name, like, num_images, seed)
    found = load(name, split, data_dir)
    if like is not None and found.shape != like.shape:
        raise InputError(
            f"The images of '{found.name}' have the shape {list(found.shape)} and those of '{like.name}' "
            f"{list(like.shape)} (height, width, channels); expected one shape. glowjax never resizes images: choose "
            "sets of one shape, or resize one of them first."
        )
    return found.take(num_images, seed)


def parse_spec(spec: str) -> tuple[str, str | None]:
    """The (name, split) in "name" or "name:split"; the split is None if none is given."""
    _check_name(spec)
    split: str | None
    name, colon, split = spec.rpartition(":")
    if not colon or "/" in split or os.sep in split:  # a colon within a path separates nothing
        name, split = spec, None
    if not name or split == "":
        raise InputError(f"The data set '{spec}' is incomplete; expected 'name' or 'name:split'.")
    return name, split


def known_names(data_dir: Path | str | None = None) -> set[str]:
    """The sets that are on this machine or that `prepare` can fetch or make."""
    names = set(PREPARABLE).union(*(source.names() for source in sources(data_dir)))
    return {name for name in names if not CONTROLS.search(name)}


def splits(name: str, data_dir: Path | str | None = None) -> dict[str, str]:
    """The splits of `name` that `load` would find, each with its place, such as "in .npz files"."""
    _check_name(name)
    return {split: source.place for source in reversed(sources(data_dir)) for split in source.find(name)}


def _check_name(name: str) -> None:
    """Raises InputError if no data set can be called so."""
    check_printable(name)
    if len(os.fsencode(name)) > LONGEST_NAME and not is_path(name):
        raise InputError(f"'{one_line(name)}' is no data set: a name has at most {LONGEST_NAME} bytes.")


def _not_found(name: str, split: str, data_dir: Path | None) -> InputError:
    """The error if no source has the split. It says what is wrong, where `load` looked, and how to get the set."""
    if generated.is_generated(name):
        return InputError(
            f"'{name}' is generated in the shape of a reference set and has no splits; use glowjax.data.resolve with "
            "`like`."
        )
    found = [f"'{present}' ({place})" for present, place in splits(name, data_dir).items()]
    if found:
        problem = f"The data set '{name}' has no split '{split}' here, only {', '.join(found)}."
    elif name in (known := known_names(data_dir)):
        problem = f"The data set '{name}' is not on this machine."
    elif (parts := split_of(name))[0] in known and parts[1]:
        problem = f"'{name}' is a split of '{parts[0]}'; ask for '{parts[0]}:{parts[1]}'."
    else:
        problem = str(unknown("data set", name, known.union(generated.NAMES), generated.CORRUPTIONS))
    looked = data_dir or "no data folder (neither data_dir nor GLOWJAX_DATA_DIR is set)"
    fetching = ""
    if name in PREPARABLE and not tfds.Prepared(data_dir).find(name):
        missing = name in tfds.TFDS_NAMES and importlib.util.find_spec("tensorflow") is None
        fetching = f", or run glowjax.data.prepare('{name}')" + " (TensorFlow is needed for that)" * missing
    return InputError(
        f"{problem}\nLooked in {looked}, in TensorFlow Datasets' {tfds.default_dir()} and among the bundled sets.\n"
        f"To add it, put {name}_{split}.npz (key 'image', uint8 [N, H, W, C]), {name}_{split}.npy or image files "
        f"{name}/{split}/*.png into a folder and name that folder in data_dir or GLOWJAX_DATA_DIR{fetching}."
    )
