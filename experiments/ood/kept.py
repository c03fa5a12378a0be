"""Statistics of image sets under a trained model, kept in files, so that a killed experiment goes on where it was."""

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from experiments.report.keys import key_for
from experiments.report.page import slug
from experiments.report.trained import Trained
from glowjax import ood, processes
from glowjax.checks import InputError
from glowjax.data import ImageSet, stored
from glowjax.ood.statistics import PER_FAMILY
from glowjax.train import arrays

OnProgress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained model that statistics come from.

    Attributes:
        trained: the model.
        options: the options of all families.
        seed: the seed of the noise.
        folder: the folder of the files, which need not exist.
    """

    trained: Trained
    options: ood.Options
    seed: int
    folder: Path

    @functools.cached_property
    def identity(self) -> str:
        """A digest of what statistics depend on, apart from the images and the family."""
        params = {name: arrays.digest(leaf) for name, leaf in arrays.named_leaves(self.trained.params).items()}
        return _digest(
            [self.trained.description["model"], self.trained.title, params, self.options.as_dict(), self.seed]
        )

    def statistics(
        self, images: ImageSet, families: Sequence[str], on_progress: OnProgress | None = None
    ) -> dict[str, ood.Statistics]:
        """The statistics of each family, from its file, or computed and written; a damaged file is replaced."""
        paths = {name: self._path(images, name) for name in families}
        found = {name: stats for name, path in paths.items() if (stats := _read(path)) is not None}
        if lacking := [name for name in families if name not in found]:
            new = self.computed(images, lacking, on_progress)
            for name in lacking:
                found[name] = _of_family(new, name)
                _write(paths[name], found[name])
        return {name: found[name] for name in families}

    def computed(
        self, images: ImageSet, families: Sequence[str], on_progress: OnProgress | None = None
    ) -> ood.Statistics:
        """The statistics of several families, without files."""
        model, params = self.trained.model, self.trained.params
        key = key_for("statistics", self.seed)
        return ood.statistics(model, params, key, images, families, options=self.options, on_progress=on_progress)

    def _path(self, images: ImageSet, family: str) -> Path:
        """The file of a family: its name depends on the model, the images, and the code that defines the family."""
        digest = _digest([self.identity, stored.digest(images.images), family, _code(family)])
        return self.folder / f"{slug(images.name)}-{family}-{digest}.npz"


def _of_family(stats: ood.Statistics, family: str) -> ood.Statistics:
    values = {name: array for name, array in stats.values.items() if name.partition(".")[0] == family}
    of_family = {key: {name: value for name, value in stats.about[key].items() if name == family} for key in PER_FAMILY}
    return ood.Statistics(values, {**stats.about, **of_family})


def _read(path: Path) -> ood.Statistics | None:
    """The statistics in a file; None if there is none, or if it is damaged. Several processes read no files."""
    if jax.process_count() > 1 or not path.exists():
        return None
    try:
        return ood.load_statistics(path)
    except InputError as damaged:
        print(f"{damaged} They are computed again.", file=sys.stderr)
        return None


def _write(path: Path, stats: ood.Statistics) -> None:
    if not processes.is_follower():
        path.parent.mkdir(parents=True, exist_ok=True)
        stats.save(path)


def _code(family: str) -> str:
    """A digest of the module that defines a family: statistics of other code are computed again."""
    module = sys.modules[ood.FAMILIES[family].run.__module__]
    return hashlib.blake2b(Path(str(module.__file__)).read_bytes(), digest_size=8).hexdigest()


def _digest(content: object) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()
