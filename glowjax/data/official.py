"""What is published about the data sets of the paper: how many images, which moments, under which terms.

Moments are those of all pixels of the training split, by channel, in [0, 1] units, as printed in public code that
normalises with them. A fingerprint, see `glowjax.data.checking`, identifies a whole split in any order; they were
recorded from files that carry a published checksum: the IDX files of MNIST and FashionMNIST by their MD5, notMNIST by
its published counts, means and standard deviations letter by letter.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Official:
    """A published data set.

    Attributes:
        shape: (H, W, C) of every image.
        num_images: by split; "all" for a set without an official split.
        mean: of the pixels of the training split (or of all), by channel; empty where none is published.
        std: their standard deviation, likewise.
        fingerprints: of whole splits, where one is recorded.
        terms: the licence, or what the authors ask for.
    """

    shape: tuple[int, int, int]
    num_images: dict[str, int]
    terms: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fingerprints: dict[str, str] = field(default_factory=dict)


_GREY, _COLOUR = (28, 28, 1), (32, 32, 3)

OFFICIAL: dict[str, Official] = {
    "mnist": Official(
        shape=_GREY,
        num_images={"train": 60_000, "test": 10_000},
        terms="CC BY-SA 3.0",
        mean=(0.1307,),
        std=(0.3081,),
        fingerprints={
            "train": "03a8a048601ebb4610dcd79cd759c718bed893982a4c153c4f33a41885101c0b",
            "test": "e2842441ab1468bab7eeaa886875a3a7662245f3768610c4b4ca84d7ac309c70",
        },
    ),
    "fashion_mnist": Official(
        shape=_GREY,
        num_images={"train": 60_000, "test": 10_000},
        terms="MIT",
        mean=(0.2860,),
        std=(0.3530,),
        fingerprints={
            "train": "aa670e63ae523d8fb206db0595287cd9ecee8f29b1b8ea690da7712c7444eb56",
            "test": "f966ad9a453e7d5ef297476fd4939780e707ce15a852b67597069832263d31bd",
        },
    ),
    "notmnist_small": Official(
        shape=_GREY,
        num_images={"all": 18_724},
        terms="none stated; glyphs of fonts that were public",
        mean=(0.4254,),
        std=(0.4586,),
        fingerprints={
            "all": "fc8ddf6cfb40589ecc9a035860b1a57c4e6a416d7501f35981206925098bc17b",
        },
    ),
    "cifar10": Official(
        shape=_COLOUR,
        num_images={"train": 50_000, "test": 10_000},
        terms="none formal; cite Krizhevsky 2009",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Official(
        shape=_COLOUR,
        num_images={"train": 50_000, "test": 10_000},
        terms="none formal; cite Krizhevsky 2009",
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
    "svhn": Official(
        shape=_COLOUR,
        num_images={"train": 73_257, "test": 26_032, "extra": 531_131},
        terms="non-commercial use only",
        mean=(0.4377, 0.4438, 0.4728),
        std=(0.1980, 0.2010, 0.1970),
    ),
    "celeba32": Official(
        shape=_COLOUR,
        num_images={"train": 162_770, "validation": 19_867, "test": 19_962},
        terms="non-commercial research only",
    ),
    "imagenet32": Official(
        shape=_COLOUR,
        num_images={"train": 1_281_149, "test": 49_999},
        terms="ImageNet's: non-commercial research and education only",
    ),
}
"""By our names. celeba32 is made by glowjax.data.celeba; imagenet32's "test" is the published validation split."""
