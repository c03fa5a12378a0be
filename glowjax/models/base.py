"""What every generative model of images can do; training, evaluation, scores and experiments speak only to this."""

from typing import Protocol, runtime_checkable

import flax.struct
import jax

from glowjax.checks import InputError
from glowjax.typing import Array, Images, Key, Params


@runtime_checkable
class ImageModel(Protocol):
    """A model that assigns a likelihood to 8-bit images; frozen and hashable, with its learned arrays outside."""

    def init(self, key: Key, images: Images) -> Params:
        """Learned arrays for uint8 images [N, H, W, C], whose statistics a data-dependent model uses."""
        ...

    def log_likelihood(self, params: Params, key: Key, images: Images, num_draws: int = 1) -> Array:
        """Log P(image) in nats, [N]: exact, or a lower bound on average that tightens with `num_draws`."""
        ...

    def loss(self, params: Params, key: Key, images: Images) -> Array:
        """The scalar that training minimises, in bits per dimension."""
        ...

    def sample(self, params: Params, key: Key, num_images: int, temperature: float = 1.0) -> Images:
        """uint8 images [num_images, H, W, C]."""
        ...


@flax.struct.dataclass
class NetworkParams:
    """The learned arrays of a model that is a network, with the shape of the images that they are for.

    Attributes:
        network: a pytree.
        image_shape: (H, W, C); static, so that samples know their size and other shapes are refused.
    """

    network: Params
    image_shape: tuple[int, int, int] = flax.struct.field(pytree_node=False)


def check_shape(image_shape: tuple[int, int, int], shape: tuple[int, ...]) -> None:
    """Raises InputError unless `shape` [..., H, W, C] ends in the model's `image_shape`."""
    if tuple(shape[-3:]) != image_shape:
        raise InputError(
            f"This model was initialised for images of shape {list(image_shape)}, but got {list(shape)}; "
            "images are never resized, so train a model for that shape or choose other images."
        )


def check_temperature(temperature: float) -> None:
    """Raises InputError unless `temperature` is positive."""
    if not isinstance(temperature, jax.core.Tracer) and not temperature > 0:
        raise InputError(f"temperature must be positive, but is {temperature}; 1 draws from the model as it is.")
