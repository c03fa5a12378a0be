"""A trained model, read back from the folder of its run."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from experiments.architectures import GlowConfig, ModelConfig, architecture
from experiments.presets import TrainingConfig
from experiments.report.published import title
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.models import Flow, ImageModel
from glowjax.train import Checkpoints, make_state
from glowjax.train.log import read
from glowjax.typing import Params

ModelT = TypeVar("ModelT", bound=ImageModel, covariant=True)


@dataclasses.dataclass(frozen=True)
class Trained(Generic[ModelT]):
    """A model with the averaged params of its best checkpoint.

    Attributes:
        model: rebuilt from the description that the checkpoint carries.
        params: the exponential moving average at `step`.
        description: what the run was: in_dist, num_images, image_shape, model, training, seconds.
        step: of the best checkpoint by validation bits per dimension.
        history: the records of `metrics.jsonl` that hold an evaluation.
    """

    model: ModelT
    params: Params
    description: dict[str, Any]
    step: int
    history: list[dict[str, Any]]

    @property
    def in_dist(self) -> str:
        """The data set that the model was trained on."""
        return self.description["in_dist"]

    @property
    def name(self) -> str:
        """The name of that data set, also where it was given as a path."""
        return self.description.get("name", self.in_dist)

    def learned(self, images: ImageSet) -> bool:
        """Whether `images` are those that the model was trained on."""
        return images.name == f"{self.name}:train"

    @property
    def architecture(self) -> ModelConfig:
        """The configuration that the model was built from."""
        return architecture(self.description["model"])

    @property
    def kind(self) -> str:
        """The model's name: NVP-Glow, CV-Glow, PixelCNN or VAE."""
        return self.architecture.title

    @property
    def kind_and_data(self) -> str:
        """A title for figures."""
        return f"{self.kind} trained on {title(self.name)}"

    @property
    def num_dims(self) -> int:
        """Pixel values an image, H W C."""
        return math.prod(self.description["image_shape"])

    def curve(self, name: str) -> list[float]:
        """Bits/dim of an evaluated set along `history`; NaN where it was not evaluated yet or was not finite."""
        values = [record.get(name) for record in self.history]
        return [math.nan if value is None else value for value in values]

    def summarize(self) -> str:
        """The model and its training in a sentence."""
        training = self.description["training"]
        return (
            f"{self.kind}, {self.architecture.in_words()}, trained on {self.description['num_images']:,} images for "
            f"{self.step:,} steps of {training['batch_size']} in {self.description['seconds'] / 60:.0f} minutes"
        )


def load(run_dir: Path) -> Trained[ImageModel]:
    """The model of the run below `run_dir`, as `experiments.train` left it.

    Raises InputError where there is no checkpoint, or it is damaged or of another model.
    """
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.best_step()
        description = checkpoints.description(step)
        model = architecture(description["model"]).build()
        optimizer = TrainingConfig(**description["training"]).make_optimizer()

        def template() -> Any:
            images = jnp.zeros((2, *description["image_shape"]), jnp.uint8)
            return make_state(model.init(jax.random.key(0), images), optimizer)

        state = checkpoints.restore(step, jax.eval_shape(template))
    history = [record for record in read(run_dir / "metrics.jsonl") if "validation" in record]
    return Trained(model, state.ema_params, description, int(state.step), history)


def load_flow(run_dir: Path) -> Trained[Flow]:
    """As `load`, of a flow: what needs a density over continuous images, in a mode of memory for every derivative.

    Raises InputError for a model that has none, or as `load` does.
    """
    trained = load(run_dir)
    glow = trained.architecture
    if not isinstance(glow, GlowConfig):
        raise InputError(
            f"{run_dir} holds a {trained.kind}, which gives probabilities of 8-bit images and no density between them: "
            "a derivative with respect to a pixel would say how the network interpolates, not how the likelihood "
            "curves. Name the run of a Glow (--model nvp or cv)."
        )
    model = dataclasses.replace(glow, memory="store").build()
    return Trained(model, trained.params, trained.description, trained.step, trained.history)


def name_each(models: Sequence[Trained]) -> dict[str, Trained]:
    """The models by kind; where two are of a kind, with their architecture too, and a number if that is not enough."""
    kinds = [trained.kind for trained in models]
    named: dict[str, Trained] = {}
    for trained in models:
        name = trained.kind
        if kinds.count(name) > 1:
            name = f"{name} ({trained.architecture.in_words()})"
        named[name if name not in named else f"{name}, no. {len(named) + 1}"] = trained
    return named
