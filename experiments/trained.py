"""A trained model, read back from the folder of its run."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.presets import GlowConfig, TrainingConfig
from experiments.published import title
from glowjax.data import ImageSet
from glowjax.models import Flow
from glowjax.train import Checkpoints, make_state
from glowjax.train.log import read
from glowjax.typing import Params


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model with the averaged params of its best checkpoint.

    Attributes:
        model: rebuilt from the description that the checkpoint carries.
        params: the exponential moving average at `step`.
        description: what the run was: in_dist, num_images, image_shape, model, training, seconds.
        step: of the best checkpoint by validation bits per dimension.
        history: the records of `metrics.jsonl` that hold an evaluation.
    """

    model: Flow
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
    def kind(self) -> str:
        """The model's name: NVP-Glow or CV-Glow."""
        return f"{self.description['model']['kind'].upper()}-Glow"

    @property
    def kind_and_data(self) -> str:
        """A title for figures."""
        return f"{self.kind} trained on {title(self.name)}"

    @property
    def num_dims(self) -> int:
        """Pixel values an image, H W C."""
        return math.prod(self.description["image_shape"])

    def in_words(self) -> str:
        """The model and its training in a sentence."""
        model, training = self.description["model"], self.description["training"]
        return (
            f"{self.kind}, {model['num_scales']} scales x {model['num_steps']} steps, {model['conditioner']} "
            f"conditioners of width {model['width']} ({model['activation']}), trained on "
            f"{self.description['num_images']:,} images for {self.step:,} steps of {training['batch_size']} in "
            f"{self.description['seconds'] / 60:.0f} minutes"
        )


def load(run_dir: Path) -> Trained:
    """The model of the run below `run_dir`, as `experiments.train` left it.

    Raises InputError where there is no checkpoint, or it is damaged or of another model.
    """
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.best_step()
        description = checkpoints.description(step)
        model = GlowConfig(**description["model"]).build()
        optimizer = TrainingConfig(**description["training"]).make_optimizer()

        def template() -> Any:
            images = jnp.zeros((2, *description["image_shape"]), jnp.uint8)
            return make_state(model.init(jax.random.key(0), images), optimizer)

        state = checkpoints.restore(step, jax.eval_shape(template))
    history = [record for record in read(run_dir / "metrics.jsonl") if "validation" in record]
    return Trained(model, state.ema_params, description, int(state.step), history)
