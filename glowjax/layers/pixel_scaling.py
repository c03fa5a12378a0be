"""Pixel scaling: grey levels to numbers of order one, with its log-determinant counted."""

import dataclasses
import math

from glowjax.layers.base import per_image
from glowjax.typing import Continuous, Key, LogDet, Params


@dataclasses.dataclass(frozen=True)
class PixelScaling:
    """y = x / num_levels - 1/2: grey levels [0, num_levels) to [-1/2, 1/2), as in the reference Glow.

    Because the scaling is a layer, a flow's density is over grey levels and bits per dimension need no constant.
    """

    num_levels: int = 256

    def init(self, key: Key, x: Continuous) -> Params:
        """No params."""
        del key, x
        return {}

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """Scaled pixels [..., H, W, C] and -H W C log(num_levels)."""
        del params
        return x / self.num_levels - 0.5, per_image(-self._log_volume(x), x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """Grey levels [..., H, W, C] and H W C log(num_levels)."""
        del params
        return (y + 0.5) * self.num_levels, per_image(self._log_volume(y), y)

    def _log_volume(self, x: Continuous) -> float:
        return math.prod(x.shape[-3:]) * math.log(self.num_levels)
