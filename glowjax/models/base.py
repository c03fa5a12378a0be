"""What every generative model of images can do; training, evaluation, scores and experiments speak only to this."""

from typing import Protocol, runtime_checkable

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
