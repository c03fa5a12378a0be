"""Glow, with affine couplings (NVP) and with constant volume (CV). No other file knows its architecture."""

import flax.linen as nn

from glowjax.checks import InputError, check_count, unknown
from glowjax.layers import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Conv1x1,
    Layer,
    MultiScale,
    PixelScaling,
    Repeat,
    Split,
    SplitPrior,
    Squeeze,
)
from glowjax.layers.coupling import LOG_SCALE_BOUND
from glowjax.layers.repeat import Memory
from glowjax.models.flow import Flow
from glowjax.networks.conditioners import (
    Activation,
    ComputeDtype,
    ConvConditioner,
    HighwayConditioner,
    LinearConditioner,
)
from glowjax.networks.convolution import Method

CONDITIONERS: dict[str, type[nn.Module]] = {"conv": ConvConditioner, "highway": HighwayConditioner}
COMPUTE_DTYPES: tuple[ComputeDtype, ...] = (None, "bfloat16", "float32")


def nvp_glow(
    num_scales: int,
    num_steps: int,
    width: int | None = None,
    *,
    conditioner: str | nn.Module = "conv",
    activation: Activation | str = "relu",
    compute_dtype: ComputeDtype = None,
    convolution: Method = "auto",
    log_scale_bound: float = LOG_SCALE_BOUND,
    memory: Memory = "remat",
) -> Flow:
    """A Glow with affine couplings and conditional split priors (Kingma and Dhariwal 2018, figure 2).

    >>> import jax, numpy
    >>> images = numpy.arange(4 * 28 * 28, dtype=numpy.uint8).reshape(4, 28, 28, 1)
    >>> nvp_glow(num_scales=2, num_steps=8, width=64).init(jax.random.key(0), images)
    FlowParams(155,056 params, 28x28x1)

    Args:
        num_scales: number of scales; image height and width must be divisible by 2^num_scales.
        num_steps: steps of flow (ActNorm, 1x1 convolution, coupling) per scale.
        width: hidden features of the couplings' networks "conv" and "highway".
        conditioner: "conv" for the 3x3-1x1-3x3 network of the reference implementation, "highway" for the kind of
            network in Nalisnick et al. 2019, or any linen module that maps (x_a [..., H, W, C], num_outputs) to
            [..., H, W, num_outputs].
        activation: activation of "conv" and "highway", such as "tanh" or `jax.nn.tanh`.
        compute_dtype: dtype inside "conv" and "highway"; params, couplings and log-dets keep the dtype of the images.
        convolution: implementation of convolutions in "conv", "highway" and the split priors; see
            `glowjax.networks.convolution.Method`.
        log_scale_bound: bound on the raw log-scales of the couplings, see `LOG_SCALE_BOUND`. With a larger bound, the
            model fits better and its inverse is less exact.
        memory: what the backward pass stores, see `Repeat`; the default is the fastest on a CPU.
    """
    if not log_scale_bound > 0:
        raise InputError(f"log_scale_bound is {log_scale_bound}, but must be positive, such as {LOG_SCALE_BOUND}.")
    coupling = AffineCoupling(_network(conditioner, width, activation, compute_dtype, convolution), log_scale_bound)
    return _glow(num_scales, num_steps, coupling, SplitPrior(LinearConditioner(convolution)), memory)


def cv_glow(
    num_scales: int,
    num_steps: int,
    width: int | None = None,
    *,
    conditioner: str | nn.Module = "conv",
    activation: Activation | str = "relu",
    compute_dtype: ComputeDtype = None,
    convolution: Method = "auto",
    memory: Memory = "remat",
) -> Flow:
    """A Glow with constant volume: additive couplings and a fixed prior, so log |det dz/dx| is the same for all x.

    The arguments are those of `nvp_glow`, except for `log_scale_bound`, because additive couplings have no scales.
    ActNorm and 1x1 convolutions are kept: their log-det is constant but not zero.
    """
    coupling = AdditiveCoupling(_network(conditioner, width, activation, compute_dtype, convolution))
    return _glow(num_scales, num_steps, coupling, Split(), memory)


def _network(
    conditioner: str | nn.Module,
    width: int | None,
    activation: Activation | str,
    compute_dtype: ComputeDtype,
    convolution: Method,
) -> nn.Module:
    if isinstance(conditioner, nn.Module):
        if width is not None or activation != "relu" or compute_dtype is not None:
            raise InputError(
                f"width, activation and compute_dtype belong to the conditioners {' and '.join(CONDITIONERS)}; give "
                f"such options to {type(conditioner).__name__} itself."
            )
        return conditioner
    if conditioner not in CONDITIONERS:
        raise unknown("conditioner", conditioner, CONDITIONERS)
    if compute_dtype not in COMPUTE_DTYPES:
        raise unknown("compute dtype", str(compute_dtype), [name for name in COMPUTE_DTYPES if name])
    return CONDITIONERS[conditioner](
        width=width, activation=activation, compute_dtype=compute_dtype, convolution=convolution
    )


def _glow(num_scales: int, num_steps: int, coupling: Layer, split: Split | SplitPrior, memory: Memory) -> Flow:
    check_count("num_scales", num_scales)
    check_count("num_steps", num_steps)
    steps = Repeat(Chain((ActNorm(), Conv1x1(), coupling)), num_steps, memory)
    first = Chain((PixelScaling(), Squeeze(), steps))
    return Flow(MultiScale((first, *[Chain((Squeeze(), steps))] * (num_scales - 1)), split))
