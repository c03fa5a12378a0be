"""A trained model: what `fit` returns and `load` reads."""

import dataclasses
import math
from typing import Any, Generic, TypeVar

from glowjax import models
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.models.base import ImageModel
from glowjax.train.log import REPORTED, Record
from glowjax.typing import Params

ModelT = TypeVar("ModelT", bound=ImageModel, covariant=True)


@dataclasses.dataclass(frozen=True, repr=False)
class Trained(Generic[ModelT]):
    """A model with the averaged params of its best step by validation, or of the last one without validation.

    Attributes:
        model: the model.
        params: the exponential moving average of its params at `step`.
        description: JSON values: the model, the images (in_dist, name, num_images, image_shape), the training
            options, and the provenance.
        step: the training step of `params`.
        history: one record per evaluation, with the step, the seconds since the start, and in bits per dimension the
            mean training loss (`train`), the `validation` images and the watched sets.
    """

    model: ModelT
    params: Params
    description: dict[str, Any]
    step: int
    history: list[Record]

    @property
    def in_dist(self) -> str:
        """The data set that the model was trained on, by the name or path with which it can be loaded."""
        if "in_dist" not in self.description:
            raise InputError(
                "The training images of this model have no name; train it on an ImageSet, such as "
                'glowjax.data.load("mnist", "train"), or with fit(..., description={"in_dist": "mnist"}).'
            )
        return self.description["in_dist"]

    @property
    def name(self) -> str:
        """The name of the data set that the model was trained on, even if it was loaded from a path."""
        return self.description.get("name", self.in_dist)

    def learned(self, images: ImageSet) -> bool:
        """Whether `images` are those that the model was trained on."""
        return images.name == f"{self.name}:train"

    @property
    def title(self) -> str:
        """The name of the model: "NVP-Glow", that of its builder function, or of its class."""
        config = self._config
        return config.title if config else type(self.model).__name__

    @property
    def architecture(self) -> str:
        """The architecture in a few words."""
        config = self._config
        return config.summarize() if config else type(self.model).__name__

    def summarize(self) -> str:
        """The model and its training in a sentence, without a full stop."""
        seconds = self.seconds
        if seconds is None:
            time = ""
        else:
            time = f" in {seconds:.0f} seconds" if seconds < 120 else f" in {seconds / 60:.0f} minutes"
        rate = self.description["training"].get("mutation_rate", 0.0)
        mutated = f", with {rate:.0%} of the pixel values random" if rate else ""
        return (
            f"{self.title}, {self.architecture}, trained on {self.description['num_images']:,} images for "
            f"{self.step:,} steps of {self.description['training']['batch_size']}{time}{mutated}"
        )

    def __repr__(self) -> str:
        bits = "" if self.bits_per_dim is None else f", {self.bits_per_dim:.3f} bits/dim"
        return f"Trained({self.title}, step {self.step:,}{bits})"

    @property
    def num_dims(self) -> int:
        """Pixel values per image, H W C."""
        return math.prod(self.description["image_shape"])

    @property
    def seed(self) -> int:
        """The seed of the run: `jax.random.key(seed)` was its key."""
        return self.description["training"]["seed"]

    @property
    def bits_per_dim(self) -> float | None:
        """Of the validation images at `step`, or None if there were none."""
        return self._at_step("validation")

    @property
    def seconds(self) -> float | None:
        """The time that training took up to `step`, or None if it is unknown."""
        return self._at_step("seconds")

    @property
    def watched(self) -> list[str]:
        """The names of the sets besides the validation images whose bits per dimension were followed."""
        names = dict.fromkeys(name for record in self.history for name in record)
        return [name for name in names if name not in (*REPORTED, "validation")]

    def curve(self, name: str) -> list[float | int]:
        """Bits per dimension of an evaluated set along `history`; NaN if not evaluated, or not finite."""
        return [record.get(name, math.nan) for record in self.history]

    @property
    def _config(self) -> models.ModelConfig | None:
        """The configuration that builds the model, if there is one."""
        builder = (self.description["model"] or {}).get("builder")
        return models.BuilderConfig(builder) if builder else models.config_of(self.model)

    def _at_step(self, name: str) -> float | None:
        return next((record.get(name) for record in self.history if record["step"] == self.step), None)
