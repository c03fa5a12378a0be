"""Trained models as experiments read them, with the titles that figures give them and data sets."""

import dataclasses
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import glowjax as gj
from glowjax import models
from glowjax.checks import InputError, printable
from glowjax.data.generated import is_corruption
from glowjax.models import Flow
from glowjax.train import Trained

__all__ = ["Trained", "compressed", "curves", "described", "heading", "load", "load_flow", "name_each", "title"]

UNIFORM_CODE = 8.0
"""Bits/dim of 8-bit images without any model."""

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


def load(source: Path | str) -> Trained[Any]:
    """The trained model of `glowjax.load`; warns if it is worse than no model."""
    trained = gj.load(source)
    if (bits := trained.bits_per_dim) is not None and not bits <= UNIFORM_CODE:
        warnings.warn(
            f"The {trained.title} in {source} needs {bits:,.1f} bits/dim for validation images, more than the "
            f"{UNIFORM_CODE:g} without a model: its training diverged, or has hardly begun.",
            stacklevel=2,
        )
    return trained


def title(name: str) -> str:
    """The title of a data set: "fashion_mnist:test" is "FashionMNIST test"."""
    if rotated := re.fullmatch(r"rotated-(-?[\d.]+)", name):
        return f"test images rotated by {rotated[1]}°"
    if is_corruption(name):
        kind, _, strength = name.rpartition("-")
        return f"{kind.replace('_', ' ')}, strength {strength}"
    stem, _, split = name.partition(":")
    return printable(f"{TITLES.get(stem, stem)} {split}".strip())


def heading(trained: Trained) -> str:
    """A title for figures."""
    return f"{trained.title} trained on {title(trained.name)}"


def described(trained: Trained, num_draws: int) -> str:
    """The model, its training, and what its reported log P(image) is."""
    return f"{trained.summarize()}. {models.likelihood(trained.model, num_draws)}"


def curves(trained: Trained, own: str) -> dict[str, list[float]]:
    """Bits/dim during training: of the validation images, called `own`, and of the watched sets by title."""
    return {own: trained.curve("validation")} | {title(name): trained.curve(name) for name in trained.watched}


def compressed(curves: dict[str, list[float]]) -> dict[str, list[float]]:
    """The first curve, and those of sets that need fewer bits at some time than without a model."""
    own, *_ = curves
    return {name: curve for name, curve in curves.items() if name == own or np.nanmin([*curve, np.inf]) < UNIFORM_CODE}


def load_flow(source: Path | str) -> Trained[Flow]:
    """A trained flow, in a mode of memory that allows every derivative; refuses another model."""
    trained = load(source)
    if not isinstance(trained.model, Flow):
        raise InputError(
            f"{source} holds a {trained.title}, which gives probabilities of 8-bit images and no density between them: "
            "a derivative with respect to a pixel would say how the network interpolates, not how the likelihood "
            "curves. Name the run of a Glow (--model nvp or cv)."
        )
    return dataclasses.replace(trained, model=trained.model.with_memory("store"))


def name_each(several: Sequence[Trained]) -> dict[str, Trained]:
    """The models by title; two of one title also by their architecture, and by a number if that is not enough."""
    titles = [trained.title for trained in several]
    named: dict[str, Trained] = {}
    for trained in several:
        name = trained.title
        if titles.count(name) > 1:
            name = f"{name} ({trained.architecture})"
        named[name if name not in named else f"{name}, no. {len(named) + 1}"] = trained
    return named
