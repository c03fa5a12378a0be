"""Trained models as experiments read them, with the titles that figures give them and data sets."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import glowjax as gj
from glowjax import models, train
from glowjax.checks import InputError
from glowjax.models import Flow, GlowConfig, ImageModel

ModelT = TypeVar("ModelT", bound=ImageModel, covariant=True)

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
    """The title of a data set: "fashion_mnist:test" is "FashionMNIST test"."""
    stem, _, split = name.partition(":")
    return f"{TITLES.get(stem, stem)} {split}".strip()


class Trained(train.Trained[ModelT], Generic[ModelT]):
    """A trained model, with titles."""

    @property
    def kind(self) -> str:
        """The model's name: NVP-Glow, CV-Glow, PixelCNN or VAE; that of its builder function or of its class."""
        return self.title

    @property
    def kind_and_data(self) -> str:
        """A title for figures."""
        return f"{self.kind} trained on {title(self.name)}"

    def likelihood(self, num_draws: int) -> str:
        """A sentence that says what the reported log P(image) is."""
        return models.likelihood(self.model, num_draws)


def load(source: Path | str) -> Trained[ImageModel]:
    """The trained model of a run's folder, a saved file, or a name such as "pretrained:fashion-mnist"."""
    trained = gj.load(source)
    return Trained(trained.model, trained.params, trained.description, trained.step, trained.history)


def load_flow(source: Path | str) -> Trained[Flow]:
    """As `load`, but only for a flow, in a mode of memory that allows every derivative."""
    trained = load(source)
    if not isinstance(trained.model, Flow):
        raise InputError(
            f"{source} holds a {trained.kind}, which gives probabilities of 8-bit images and no density between them: "
            "a derivative with respect to a pixel would say how the network interpolates, not how the likelihood "
            "curves. Name the run of a Glow (--model nvp or cv)."
        )
    glow = models.config_of(trained.model)
    model = dataclasses.replace(glow, memory="store").build() if isinstance(glow, GlowConfig) else trained.model
    return Trained(model, trained.params, trained.description, trained.step, trained.history)


def name_each(several: Sequence[Trained]) -> dict[str, Trained]:
    """The models by kind; two of one kind also by their architecture, and by a number if that is not enough."""
    kinds = [trained.kind for trained in several]
    named: dict[str, Trained] = {}
    for trained in several:
        name = trained.kind
        if kinds.count(name) > 1:
            name = f"{name} ({trained.architecture})"
        named[name if name not in named else f"{name}, no. {len(named) + 1}"] = trained
    return named
