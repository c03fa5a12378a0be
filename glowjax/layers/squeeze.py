"""Squeeze: space to depth, so that later layers see a wider neighbourhood (Real NVP, section 3.6)."""

import dataclasses

from glowjax.checks import InputError
from glowjax.layers.base import per_image
from glowjax.typing import Continuous, Key, LogDet, Params


@dataclasses.dataclass(frozen=True)
class Squeeze:
    """[..., H, W, C] -> [..., H/2, W/2, 4C]: channel 4c + 2i + j holds pixel (i, j) of each 2 x 2 block."""

    def init(self, key: Key, x: Continuous) -> Params:
        """No params."""
        del key, x
        return {}

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """The squeezed image and zero; height and width must be even."""
        del params
        *batch, height, width, channels = x.shape
        if height % 2 or width % 2:
            raise InputError(
                f"Squeeze halves height and width, but got {height} x {width}: an image's height and width must be "
                "divisible by 2^num_scales, so choose fewer scales."
            )
        blocks = x.reshape(*batch, height // 2, 2, width // 2, 2, channels)
        axes = (*range(len(batch)), *(len(batch) + axis for axis in (0, 2, 4, 1, 3)))
        y = blocks.transpose(axes).reshape(*batch, height // 2, width // 2, 4 * channels)
        return y, per_image(0.0, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The image before squeezing, and zero; the number of channels must be divisible by 4."""
        del params
        *batch, height, width, channels = y.shape
        if channels % 4:
            raise InputError(f"Squeeze undoes blocks of 4 channels, but got {channels} channels.")
        blocks = y.reshape(*batch, height, width, channels // 4, 2, 2)
        axes = (*range(len(batch)), *(len(batch) + axis for axis in (0, 3, 1, 4, 2)))
        return blocks.transpose(axes).reshape(*batch, 2 * height, 2 * width, channels // 4), per_image(0.0, y)
