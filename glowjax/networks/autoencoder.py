"""The VAE's networks: convolutional encoder and decoder, feature-major inside, [features, N, H, W].

Height and width are halved by moving 2 x 2 blocks into channels, and doubled by moving channels back (Shi et al. 2016):
every convolution then has stride 1, which `glowjax.networks.convolution` computes fast even inside a loop over draws.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.checks import InputError
from glowjax.networks.convolution import convolve
from glowjax.typing import Array

Features = Float[Array, "C N H W"]


class Conv(nn.Module):
    """A 'same' 3x3 convolution, feature-major."""

    features: int

    @nn.compact
    def __call__(self, x: Features) -> Float[Array, "F N H W"]:
        """[C, N, H, W] -> [features, N, H, W]."""
        kernel = self.param("kernel", nn.initializers.he_normal(), (3, 3, x.shape[0], self.features), x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), x.dtype)
        return convolve(x, kernel) + bias[:, None, None, None]


class Encoder(nn.Module):
    """Images to the mean and log-scale of their latents: two halvings, each by space to depth and a convolution.

    Attributes:
        width: features after the first halving; twice as many after the second.
    """

    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "N H W C"], num_latents: int) -> tuple[Float[Array, "N K"], Float[Array, "N K"]]:
        """Images [N, H, W, C] in [-1, 1] -> mean and log-scale, [N, num_latents] each."""
        _check_halvings(*x.shape[1:3])
        hidden = jnp.moveaxis(x, -1, 0)
        for features in (self.width, 2 * self.width):
            hidden = nn.relu(Conv(features)(_space_to_depth(hidden)))
        flat = jnp.moveaxis(hidden, 1, 0).reshape(x.shape[0], -1)
        mean, log_scale = jnp.split(nn.Dense(2 * num_latents)(flat), 2, axis=-1)
        return mean, log_scale


class Decoder(nn.Module):
    """Latents to the distribution parameters of each pixel value: two doublings, by convolutions and depth to space.

    Attributes:
        width: features at full size; twice as many at half of it.
    """

    width: int

    @nn.compact
    def __call__(
        self, latents: Float[Array, "N K"], image_shape: tuple[int, int, int], num_outputs: int
    ) -> Float[Array, "N H W C O"]:
        """[N, num_latents] -> [N, H, W, C, num_outputs]; the last convolution starts at zero."""
        height, width, channels = image_shape
        _check_halvings(height, width)
        small = (2 * self.width, height // 4, width // 4)
        hidden = nn.relu(nn.Dense(math.prod(small))(latents)).reshape(-1, *small).transpose(1, 0, 2, 3)
        for features in (2 * self.width, self.width):
            hidden = nn.relu(_depth_to_space(Conv(4 * features)(hidden)))
        kernel = self.param("kernel", nn.initializers.zeros, (self.width, channels * num_outputs), hidden.dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels * num_outputs,), hidden.dtype)
        outputs = hidden.reshape(self.width, -1).T @ kernel + bias[None]
        return outputs.reshape(*hidden.shape[1:], channels, num_outputs)


def _check_halvings(height: int, width: int) -> None:
    if height % 4 or width % 4:
        raise InputError(
            f"These networks halve height and width twice, but the images are {height} x {width}; both must be "
            "divisible by 4: crop or pad the images."
        )


def _space_to_depth(x: Features) -> Float[Array, "_ N _ _"]:
    """[C, N, H, W] -> [4C, N, H/2, W/2]."""
    channels, num, height, width = x.shape
    blocks = x.reshape(channels, num, height // 2, 2, width // 2, 2)
    return blocks.transpose(0, 3, 5, 1, 2, 4).reshape(4 * channels, num, height // 2, width // 2)


def _depth_to_space(x: Features) -> Float[Array, "_ N _ _"]:
    """[4C, N, H, W] -> [C, N, 2H, 2W]; undoes `_space_to_depth`."""
    channels, num, height, width = x.shape
    blocks = x.reshape(channels // 4, 2, 2, num, height, width)
    return blocks.transpose(0, 3, 4, 1, 5, 2).reshape(channels // 4, num, 2 * height, 2 * width)
