"""Random draws for a batch of images, from one key for the batch or from one key per image.

Training uses one key per image, so that an image gets the same noise on any number of devices.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer
from jaxtyping import Key as TypedKey

from glowjax.checks import InputError
from glowjax.typing import Array, Key, Keys


def draw(
    sampler: Callable[[Key, tuple[int, ...]], Array], key: Keys, batch: tuple[int, ...], shape: tuple[int, ...]
) -> Float[Array, "..."]:
    """Noise [*batch, *shape] from `sampler(key, shape)`: one draw for the batch, or one per image if keys are [*batch].

    Raises InputError if there are several keys but not one per image.
    """
    if not _is_per_image(key):
        return sampler(key, (*batch, *shape))
    if key.shape != batch:
        raise InputError(
            f"The keys have the shape {list(key.shape)}, but the leading axes of the images are {list(batch)}; pass "
            "one key, or one key per image."
        )
    return jax.vmap(lambda one: sampler(one, shape))(key.ravel()).reshape(*batch, *shape)


def draw_keys(key: Keys, num_draws: int) -> TypedKey[Array, "num_draws ..."]:
    """Keys for several draws: [num_draws] from one key, or [num_draws, *batch] from one key per image [*batch]."""
    if not _is_per_image(key):
        return jax.random.split(key, num_draws)
    keys = jax.vmap(lambda one: jax.random.split(one, num_draws))(key.ravel())
    return jnp.moveaxis(keys, 0, 1).reshape(num_draws, *key.shape)


def image_keys(key: Key, indices: Integer[Array, " N"]) -> TypedKey[Array, " N"]:
    """One key per image: `key` folded with the index of the image."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, indices)


def _is_per_image(key: Keys) -> bool:
    """Whether there is one key per image. An array of two integers from `jax.random.PRNGKey` is one key."""
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim > 0
