"""The registry: every layer, with the shape of an image that suits it. A new layer gets one line here."""

import flax.linen as nn
import jax

from glowjax.layers import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Conv1x1,
    FullConv1x1,
    Inverse,
    MultiScale,
    PixelScaling,
    Repeat,
    Split,
    SplitPrior,
    Squeeze,
)
from glowjax.networks.conditioners import ConvConditioner, HighwayConditioner, LinearConditioner

IMAGE = (4, 2, 4)
CONV = ConvConditioner(6)
STEP = Chain((ActNorm(), Conv1x1(), AffineCoupling(LinearConditioner())))  # small: composites are compiled often

LAYERS = {
    "PixelScaling": PixelScaling(),
    "ActNorm": ActNorm(),
    "Conv1x1": Conv1x1(),
    "FullConv1x1": FullConv1x1(),
    "Squeeze": Squeeze(),
    "AffineCoupling": AffineCoupling(CONV),
    "AffineCoupling-highway": AffineCoupling(HighwayConditioner(6)),
    "AffineCoupling-swish": AffineCoupling(ConvConditioner(6, nn.swish)),
    "AdditiveCoupling": AdditiveCoupling(CONV),
    "Chain": STEP,
    "Repeat-store": Repeat(STEP, 3),
    "Repeat-remat": Repeat(STEP, 3, "remat"),
    "Inverse": Inverse(STEP),
    "MultiScale": MultiScale((STEP, Chain((Squeeze(), STEP))), SplitPrior(LinearConditioner())),
    "MultiScale-constant-volume": MultiScale((Squeeze(), Chain((ActNorm(), Conv1x1()))), Split()),
    "Chain-MultiScale": Chain((ActNorm(), MultiScale((STEP, Chain((Squeeze(), STEP))), Split()))),
    "SplitPrior": SplitPrior(LinearConditioner()),
    "Split": Split(),
}


def perturb(params, scale=0.3, seed=1):
    """Params away from their initial values, where zero-initialized convolutions would hide errors."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    noisy = [leaf + scale * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, noisy)
