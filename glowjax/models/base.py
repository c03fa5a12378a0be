"""The contract of generative models of images, which training, evaluation, scores and experiments rely on alone."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import flax.struct
import jax
import numpy as np

from glowjax.checks import InputError, as_array, as_grey_levels, as_images, check_count
from glowjax.likelihood import NUM_LEVELS
from glowjax.models.shares import in_shares
from glowjax.typing import Array, Batch, Images, Key, Keys, Params

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


@runtime_checkable
class ImageModel(Protocol):
    """A model that assigns a likelihood to 8-bit images; frozen and hashable, with its learned arrays outside."""

    def init(self, key: Key, images: Batch) -> Params:
        """Learned arrays for uint8 images [N, H, W, C], whose statistics a data-dependent model uses."""
        ...

    def log_likelihood(self, params: Params, key: Key, images: Batch, num_draws: int = 1) -> Array:
        """Log P(image) in nats, [N]: exact, or a lower bound on average that tightens with `num_draws`."""
        ...

    def loss(self, params: Params, key: Keys, images: Batch) -> Array:
        """The scalar that training minimizes: a mean over images, in bits per dimension.

        Training passes one key per image, [N], and expects that the noise of an image depends only on its key; see
        `glowjax.noise.draw`. A loss without noise ignores the keys.
        """
        ...

    def sample(self, params: Params, key: Key, num_images: int, temperature: float = 1.0) -> Images:
        """uint8 images [num_images, H, W, C]."""
        ...


def check_loss(model: ImageModel, images: Batch) -> None:
    """Raises InputError unless the loss of a model is a scalar and accepts one key per image. Nothing is computed.

    The losses of this package are correct, so they are not checked.
    """
    if (type(model).loss.__module__ or "").startswith("glowjax."):  # None for code without a module
        return
    name, images = f"The loss of {type(model).__name__}", images[:2]
    keys = jax.random.split(jax.random.key(0), len(images))
    try:
        params = jax.eval_shape(model.init, keys[0], images)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
        return  # it needs the values of the images
    try:
        shape = jax.eval_shape(model.loss, params, keys, images).shape
    except (TypeError, ValueError) as error:
        jax.eval_shape(model.loss, params, keys[0], images)  # raises an error of its own if the keys are not at fault
        raise InputError(
            f"{name} does not accept an array of keys, one per image, which training passes ({_first_line(error)}); "
            "draw its noise with glowjax.noise.draw."
        ) from error
    if shape != ():
        raise InputError(f"{name} has the shape {list(shape)}, but training minimizes a scalar; return a mean.")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


class ModelParams(flax.struct.PyTreeNode, repr=False):
    """The learned arrays of a model, with the shape of the images that they are for.

    Attributes:
        arrays: the pytree of arrays, of the flow's layer or of the network.
        image_shape: (H, W, C); static, so that samples know their size and other shapes are refused.
    """

    arrays: Params
    image_shape: tuple[int, int, int] = flax.struct.field(pytree_node=False)

    @property
    def num_dims(self) -> int:
        """Pixel values per image, H W C."""
        return math.prod(self.image_shape)

    def __repr__(self) -> str:
        num = sum(math.prod(getattr(leaf, "shape", ())) for leaf in jax.tree.leaves(self.arrays))
        return f"{type(self).__name__}({num:,} params, {'x'.join(map(str, self.image_shape))})"


def compiled(*static: str, batch: str | None = None) -> Callable[[MethodT], MethodT]:
    """Decorates a method of a model: its arguments are checked, and it is compiled for each shape of them.

    The checks go by the arguments' names, see `DOORS`, and run on the values themselves, before the method is traced.
    `self` and the arguments that `static` names are constants of the compiled function. `batch` names the argument that
    holds the images, or their number, of a method that treats each image on its own: see `in_shares`.
    """

    def decorate(method: MethodT) -> MethodT:
        jitted = jax.jit(method, static_argnames=("self", *static))
        signature = inspect.signature(method)

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            for name in given.keys() & DOORS.keys():
                given[name] = DOORS[name](given["self"], given[name])
            return jitted(**given) if batch is None else in_shares(jitted, given, batch)

        return cast(MethodT, call)

    return decorate


def _images(model: Any, images: Any) -> Any:
    images = as_images(images)
    check_levels(model, images)
    return images


def check_levels(model: Any, images: Any) -> None:
    """Raises InputError if known images have a level that the model does not know."""
    num_levels = getattr(model, "num_levels", NUM_LEVELS)
    if num_levels == NUM_LEVELS or isinstance(images, jax.core.Tracer):
        return
    top = int(np.max(np.asarray(images)))
    if top >= num_levels:
        raise InputError(
            f"The images hold level {top}, but this model knows the levels 0 to {num_levels - 1}; quantize them "
            f"to {num_levels} levels, or build the model with num_levels={NUM_LEVELS}."
        )


def _temperature(model: Any, temperature: Any) -> Any:
    if not isinstance(temperature, jax.core.Tracer) and not 0 <= temperature < math.inf:
        raise InputError(f"temperature must be 0 or more, but is {temperature}; 1 samples from the model.")
    return temperature


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "images": _images,
    "x": lambda model, x: as_grey_levels(x),
    "latents": lambda model, latents: tuple(as_array(z, "latents") for z in latents),
    "num_draws": lambda model, value: check_count("num_draws", value),
    "num_images": lambda model, value: check_count("num_images", value),
    "temperature": _temperature,
}
"""The check and conversion of each argument of a compiled method, as functions of the model and the argument."""


def check_shape(params: ModelParams, shape: tuple[int, ...]) -> None:
    """Raises InputError unless `shape` [..., H, W, C] ends in the image shape of `params`."""
    if tuple(shape[-3:]) != params.image_shape:
        raise InputError(
            f"This model was initialized for images of shape {list(params.image_shape)}, but got {list(shape)}; "
            "images are never resized, so train a model for that shape or choose other images."
        )
