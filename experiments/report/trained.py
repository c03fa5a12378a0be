"""Trained models as experiments read them, with titles for figures."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import glowjax as gj
from experiments.report.published import title
from glowjax import train
from glowjax.checks import InputError
from glowjax.models import Flow, GlowConfig, ImageModel, ModelConfig, config_from, config_of, summarize
from glowjax.models import title as model_title

ModelT = TypeVar("ModelT", bound=ImageModel, covariant=True)


class Trained(train.Trained[ModelT], Generic[ModelT]):
    """A trained model, with titles."""

    @property
    def architecture(self) -> ModelConfig:
        """The configuration that the model was built from."""
        return config_from(self.description["model"])

    @property
    def kind(self) -> str:
        """The model's name: NVP-Glow, CV-Glow, PixelCNN or VAE."""
        return model_title(self.model)

    @property
    def kind_and_data(self) -> str:
        """A title for figures."""
        return f"{self.kind} trained on {title(self.name)}"

    def summarize(self) -> str:
        """The model and its training in a sentence."""
        seconds = f" in {self.seconds / 60:.0f} minutes" if self.seconds else ""
        return (
            f"{self.kind}, {summarize(self.model)}, trained on {self.description['num_images']:,} images for "
            f"{self.step:,} steps of {self.description['training']['batch_size']}{seconds}"
        )


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
    glow = config_of(trained.model)
    model = dataclasses.replace(glow, memory="store").build() if isinstance(glow, GlowConfig) else trained.model
    return Trained(model, trained.params, trained.description, trained.step, trained.history)


def name_each(models: Sequence[Trained]) -> dict[str, Trained]:
    """The models by kind; where two are of a kind, with their architecture too, and a number if that is not enough."""
    kinds = [trained.kind for trained in models]
    named: dict[str, Trained] = {}
    for trained in models:
        name = trained.kind
        if kinds.count(name) > 1:
            name = f"{name} ({summarize(trained.model)})"
        named[name if name not in named else f"{name}, no. {len(named) + 1}"] = trained
    return named
