"""What the paper printed, and what tables and figures call each data set.

Numbers: Nalisnick et al., "Do Deep Generative Models Know What They Don't Know?", ICLR 2019, the tables of bits per
dimension of their Glow. Only numbers that were read in the paper or its authors' slides stand here.
"""

BITS_PER_DIM: dict[str, dict[str, float]] = {
    "fashion_mnist": {"fashion_mnist:train": 2.902, "fashion_mnist:test": 2.958, "mnist:test": 1.833},
    "mnist": {"mnist:test": 1.262},
    "cifar10": {"cifar10:train": 3.386, "cifar10:test": 3.464, "svhn:test": 2.389},
    "svhn": {"svhn:test": 2.057},
}
"""{trained on: {evaluated on: bits/dim}}."""

SUMMED_VARIANCES: dict[str, list[float]] = {"cifar10": [61.9, 59.2, 68.1], "svhn": [49.6, 52.7, 53.6]}
"""Variances of each pixel value, summed over positions, by channel, in [0, 1] units; the paper does not name splits."""

TITLES = {
    "fashion_mnist": "FashionMNIST",
    "mnist": "MNIST",
    "notmnist_small": "notMNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "celeba32": "CelebA",
    "imagenet32": "ImageNet",
    "letters": "letters",
    "noise": "uniform noise",
    "constant": "constant images",
    "contrast-0.5": "test images at half contrast",
    "contrast-0.5-to-black": "test images at half contrast, towards black",
    "contrast-0.5-to-grey": "test images at half contrast, towards grey",
}


def title(name: str) -> str:
    """What a reader calls a set: "fashion_mnist:test" is "FashionMNIST test"."""
    stem, _, split = name.partition(":")
    return f"{TITLES.get(stem, stem)} {split}".strip()
