"""Which pairs of data sets to run, which of them are here, and what each set is compared with."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from experiments.presets import PRESETS
from glowjax.checks import InputError, unknown
from glowjax.data import load, splits

PAIRS = (
    "fashion_mnist/mnist",
    "notmnist_small/mnist",
    "cifar10/svhn",
    "celeba32/svhn",
    "imagenet32/cifar10",
    "imagenet32/cifar100",
    "imagenet32/svhn",
)
"""Those of the paper, and of its first version."""


@dataclasses.dataclass(frozen=True)
class PaperConfig:
    """What to run.

    Attributes:
        size: of the presets: small (2 cores, hours) or paper (about the paper's sizes).
        pairs: as "fashion_mnist/mnist": trained on the first, asked about the second; default: all of the paper's.
        models: which to train: nvp, cv, pixelcnn, vae; the first one also for ensemble and reverse direction.
        num_members: of the ensemble; below 2 there is none.
        num_steps: training steps of every model; default: the presets'.
        num_images: at most how many images of each set in each experiment.
        num_latent_draws: importance samples an image for a VAE.
        classifier_steps: training steps of the classifier behind the gates.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where runs and reports go; default: results/paper-SIZE.
        seed: of training and evaluation.
    """

    size: Literal["small", "paper"] = "small"
    pairs: tuple[str, ...] = PAIRS
    models: tuple[str, ...] = ("nvp", "cv", "pixelcnn", "vae")
    num_members: int = 5
    num_steps: int | None = None
    num_images: int = 2_000
    num_latent_draws: int = 100
    classifier_steps: int = 1_500
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0

    @property
    def root(self) -> Path:
        """The output folder."""
        return self.output_dir or Path("results") / f"paper-{self.size}"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two data sets that are here.

    Attributes:
        in_dist: what models are trained on.
        out_dist: what they are asked about, with its split, as "mnist:test".
        preset: the presets' name for this size and image height, as "small-28".
    """

    in_dist: str
    out_dist: str
    preset: str

    @property
    def name(self) -> str:
        """As a folder: "fashion_mnist-mnist"."""
        return f"{self.in_dist}-{self.other}"

    @property
    def other(self) -> str:
        """The second set without its split."""
        return self.out_dist.partition(":")[0]


def names(pair: str) -> tuple[str, str]:
    """The two data sets in "A/B". Raises InputError where it is not written so."""
    in_dist, slash, out_dist = pair.partition("/")
    if not (in_dist and slash and out_dist):
        raise InputError(f"The pair '{pair}' is incomplete; expected two data sets, as fashion_mnist/mnist.")
    return in_dist, out_dist


def find(in_dist: str, out_dist: str, config: PaperConfig) -> Pair:
    """The pair, if it can be run here.

    Raises InputError where images are missing, their shapes differ or no preset suits them.
    """
    if "train" not in splits(in_dist, config.data_dir):
        load(in_dist, "train", config.data_dir)  # which says what is missing and how to get it
    test = load(in_dist, "test", config.data_dir)
    split = "train" if list(splits(out_dist, config.data_dir)) == ["train"] else "test"
    other = load(out_dist, split, config.data_dir)
    if test.shape != other.shape:
        raise InputError(
            f"The images of '{in_dist}' and '{out_dist}' have the shapes {test.shape} and {other.shape}; expected one."
        )
    preset = f"{config.size}-{test.shape[0]}"
    for kind in config.models:
        if kind not in PRESETS:
            raise unknown("model", kind, PRESETS)
        if preset not in PRESETS[kind]:
            raise unknown("preset", preset, PRESETS[kind])
    return Pair(in_dist, f"{out_dist}:{split}", preset)


Watched: TypeAlias = Mapping[str, tuple[str, ...]]
"""The sets that are followed along the training on each data set."""


def partners(pairs: Iterable[Pair]) -> Watched:
    """What each data set is compared with in any of the pairs, in either direction: they share its runs."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        found.setdefault(pair.in_dist, []).append(pair.out_dist)
        found.setdefault(pair.other, []).append(f"{pair.in_dist}:test")
    return {name: tuple(dict.fromkeys(others)) for name, others in found.items()}
