"""The sets that can be generated from a data set, to look at: corruptions at five strengths, and easy sets.

    python -m experiments generated --in-dist fashion_mnist:train

Each of them is a name for `--out-dists`, such as gaussian_noise-3. Expect that strengths of different kinds are not
alike: by strength 5, fog and brightness have changed a pixel of FashionMNIST by 60 grey levels or more, JPEG by 7.
"""

import dataclasses

import numpy as np

from experiments.report.options import Data
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.trained import title
from glowjax import plots, stats
from glowjax.checks import check_count
from glowjax.data import ImageSet, generate, resolve
from glowjax.data.generated.corruptions import KINDS, NUM_STRENGTHS, kinds_for
from glowjax.stats import Estimate

STRENGTHS = range(1, NUM_STRENGTHS + 1)
CONTRASTS = (0.75, 0.5, 0.4, 0.3, 0.15)
"""The factors of CIFAR-10-C's contrast at its five strengths; a set of any factor is called contrast-F."""

EASY = ("constant", "contrast-0", "contrast-0.3-to-black", "noise", "rotated-90")

QUESTION = "What do the generated sets look like, and how far is each from the images that it is made from?"
TEXT = (
    "Kinds and strengths are those of CIFAR-10-C (Hendrycks and Dietterich 2019), in glowjax's own implementation. The "
    "table has the mean absolute change of a pixel value in grey levels, with its standard error over images."
)
EASY_TEXT = (
    "A score should find these sets easy, and some that do well elsewhere fail on them. Constant images and noise are "
    "made without the data set."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedConfig(Data):
    """Options of the page about generated sets.

    Attributes:
        in_dist: data set whose images are changed.
        num_shown: number of images that are shown at every strength.
    """

    in_dist: str = "fashion_mnist:train"
    num_images: int = 200
    num_shown: int = 2


def main(config: GeneratedConfig) -> Result:
    """Generates every set from the images of one."""
    check_count("num_shown", config.num_shown)
    images = resolve(config.in_dist, None, config.data_dir, config.num_images, config.seed)
    corrupted = {
        kind: [generate(f"{kind}-{strength}", images, seed=config.seed) for strength in STRENGTHS]
        for kind in kinds_for(images.shape[-1])
    }
    corrupted["contrast"] = [generate(f"contrast-{factor}", images) for factor in CONTRASTS]
    changes = {kind: [_change(one, images) for one in by_strength] for kind, by_strength in corrupted.items()}
    least, most = (choose(changes, key=lambda kind: changes[kind][-1].value) for choose in (min, max))
    missing = sorted(KINDS.keys() - corrupted.keys())
    absent = f" Not for these images: {', '.join(missing)}." if missing else ""
    rows: list[list[Cell]] = [[kind, *(Number(one, ".1f") for one in found)] for kind, found in changes.items()]
    table = Table("Mean absolute change in grey levels", ["kind", *(f"strength {n}" for n in STRENGTHS)], rows)
    return Result(
        f"Sets generated from {title(images.name)}",
        QUESTION,
        f"At strength {NUM_STRENGTHS}, {least} changes a pixel value least, by {changes[least][-1]:.1f} grey levels in "
        f"the mean, and {most} most, by {changes[most][-1]:.1f}.{absent}",
        [
            Section("Corruptions", TEXT, [table], [_corruptions(images, corrupted, config.num_shown)]),
            Section("Easy sets", EASY_TEXT, figures=[_easy(images, config)]),
        ],
        {"num_images": images.num_images, "mean_absolute_change": changes},
    )


def _change(changed: ImageSet, images: ImageSet) -> Estimate:
    """The mean absolute change of a pixel value, in grey levels."""
    change = np.abs(changed.images[:].astype(np.float64) - images.images[:])
    return stats.mean(change.mean(axis=(1, 2, 3)), images.groups, name=changed.name)


def _corruptions(images: ImageSet, corrupted: dict[str, list[ImageSet]], num_shown: int) -> Figure:
    """Each kind at each strength, for the first images."""
    num_shown = min(num_shown, images.num_images)
    rows = {
        kind: np.stack([one.images[n] for n in range(num_shown) for one in (images, *by_strength)])
        for kind, by_strength in corrupted.items()
    }
    return Figure(
        "corruptions",
        plots.image_table(rows, ["image", *map(str, STRENGTHS)] * num_shown),
        {kind: [one.name for one in by_strength] for kind, by_strength in corrupted.items()},
        "Each kind from strength 1 to 5, beside the image that is corrupted.",
        "Rows of images, one row per kind of corruption, which look worse from left to right",
    )


def _easy(images: ImageSet, config: GeneratedConfig) -> Figure:
    """The first images of the set and of the easy sets."""
    sets = [images, *(generate(name, images, seed=config.seed) for name in EASY)]
    count = min(12, images.num_images)
    rows = {title(one.name): one.images[:count] for one in sets}
    return Figure(
        "easy",
        plots.image_table(rows, [""] * count),
        {one.name: one.source for one in sets},
        "The first images of each set.",
        "Rows of images, of the data set itself and of generated sets",
    )
