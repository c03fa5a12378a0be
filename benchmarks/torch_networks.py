"""A Gated PixelCNN and a convolutional VAE in plain PyTorch, with the arrays of ours and a softmax for every value.

They are written as one would write them in PyTorch to be fast on a CPU: images [N, C, H, W] for F.conv2d, one F.pad
per causal convolution, and logits [values, levels] straight out of F.linear, so that F.cross_entropy reads them
along their contiguous axis. Arrays whose layout differs from PyTorch's are transposed when they are copied.
PixelCNN's kernels are stored channels last, and its activations follow: a step took two thirds of the time. For the VAE
that was slower.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the usual name
from torch import Tensor

from glowjax.models import VAE, ModelParams, PixelCNN
from glowjax.networks.gated import NUM_OCTAVES
from glowjax.typing import Params

Tensors: TypeAlias = dict[str, Tensor]

HIGHEST_LEVEL = 255


@dataclasses.dataclass(frozen=True)
class TorchPixelCNN:
    """The tensors of every gated layer, and of every channel's head."""

    layers: list[Tensors]
    heads: list[Tensors]

    num_latents = 0

    @property
    def parameters(self) -> list[Tensor]:
        """The learned tensors, the very objects that the network computes with."""
        return [tensor for part in (*self.layers, *self.heads) for tensor in part.values()]

    def log_likelihood(self, levels: Tensor, noise: Tensor) -> Tensor:
        """Nats [N], exactly, of int64 levels [N, C, H, W]; the noise plays no part."""
        del noise
        x = scaled(levels)
        first, *others = self.layers
        before_gate, horizontal = gated_layer(first, F.pad(x, (0, 0, 1, -1)), F.pad(x, (1, -1)))
        for layer in others:  # written so that the last layer's vertical gate, which is unused, is not computed
            before_gate, horizontal = gated_layer(layer, gate(before_gate), horizontal)
        features = rows_of_features(F.relu(horizontal))
        logits = [head_logits(head, features, x[:, :channel]) for channel, head in enumerate(self.heads)]
        return torch.stack([log_prob(of, levels[:, channel]) for channel, of in enumerate(logits)]).sum(0)


def gated_layer(layer: Tensors, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor]:
    """From a layer's inputs its vertical stack before the gate [N, 2F, H, W], and its horizontal one [N, F, H, W]."""
    rows, columns = layer["vertical"].shape[2:]
    above = F.pad(vertical, (0, 0, rows - 1, 0))
    before_gate = F.conv2d(above, layer["vertical"], layer["vertical_bias"], padding=(0, columns // 2))
    left = F.pad(horizontal, (layer["horizontal"].shape[3] - 1, 0))
    convolved = F.conv2d(left, layer["horizontal"], layer["horizontal_bias"]) + F.conv2d(before_gate, layer["across"])
    out = F.conv2d(gate(convolved), layer["out"])
    return before_gate, out + horizontal if horizontal.shape == out.shape else out


def gate(x: Tensor) -> Tensor:
    """Tanh of the first half of the features times sigmoid of the second."""
    values, gates = x.chunk(2, dim=1)
    return values.tanh() * gates.sigmoid()


def head_logits(head: Tensors, features: Tensor, earlier: Tensor) -> Tensor:
    """Logits [NHW, levels] of a channel from features [NHW, F] and the earlier channels [N, c, H, W] in [-1, 1]."""
    hidden = F.linear(features, head["features"], head["bias"])
    if earlier.shape[1]:
        angles = rows_of_features(earlier)[:, None] * (math.pi * 2.0 ** torch.arange(NUM_OCTAVES))[:, None]
        shown = torch.cat([rows_of_features(earlier), angles.sin().flatten(1), angles.cos().flatten(1)], dim=1)
        hidden = hidden + F.linear(shown, head["channels"])
    return F.linear(F.relu(hidden), head["out"], head["out_bias"])


@dataclasses.dataclass(frozen=True)
class TorchVAE:
    """The tensors of the encoder and the decoder: weights and biases of their convolutions and linear maps."""

    encoder: list[Tensors]
    posterior: Tensors
    latents: Tensors
    decoder: list[Tensors]
    out: Tensors

    @property
    def num_latents(self) -> int:
        """Dimensions of the latent vector."""
        return self.latents["weight"].shape[1]

    @property
    def parameters(self) -> list[Tensor]:
        """The learned tensors."""
        parts = (*self.encoder, self.posterior, self.latents, *self.decoder, self.out)
        return [tensor for part in parts for tensor in part.values()]

    def log_likelihood(self, levels: Tensor, noise: Tensor) -> Tensor:
        """One draw of the evidence lower bound [N], in nats, of int64 levels [N, C, H, W]."""
        hidden = scaled(levels)
        for conv in self.encoder:
            hidden = F.relu(F.conv2d(F.pixel_unshuffle(hidden, 2), conv["weight"], conv["bias"], padding=1))
        mean, log_scale = F.linear(hidden.flatten(1), **self.posterior).chunk(2, dim=1)
        latents = mean + log_scale.exp() * noise
        small = (-1, self.decoder[0]["weight"].shape[1], *hidden.shape[2:])
        hidden = F.relu(F.linear(latents, **self.latents)).reshape(small)
        for conv in self.decoder:
            hidden = F.relu(F.pixel_shuffle(F.conv2d(hidden, conv["weight"], conv["bias"], padding=1), 2))
        logits = F.linear(rows_of_features(hidden), **self.out).unflatten(1, (levels.shape[1], -1)).flatten(0, 1)
        log_prior_ratio = (0.5 * (noise**2 - latents**2) + log_scale).sum(1)  # the constants cancel
        return log_prob(logits, levels.permute(0, 2, 3, 1)) + log_prior_ratio


TorchNetwork: TypeAlias = TorchPixelCNN | TorchVAE


def scaled(levels: Tensor) -> Tensor:
    """Levels as float32 from -1 to 1."""
    return levels.float() * (2 / HIGHEST_LEVEL) - 1


def rows_of_features(x: Tensor) -> Tensor:
    """[N, F, H, W] -> [NHW, F]."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def log_prob(logits: Tensor, levels: Tensor) -> Tensor:
    """Nats [N] of levels [N, ...], under logits [values, num_levels] in their order."""
    return -F.cross_entropy(logits, levels.flatten(), reduction="none").view(len(levels), -1).sum(1)


def copied(model: PixelCNN | VAE, params: ModelParams) -> TorchNetwork:
    """The PyTorch network with the arrays of one of ours, whose pixels are a softmax over 256 levels.

    Every tensor is a leaf that takes a gradient. Gradients by our arrays, given as `params`, come out in the order and
    the layout of those by the tensors.
    """
    return _pixelcnn(params.arrays) if isinstance(model, PixelCNN) else _vae(params.arrays)


def _pixelcnn(network: Params) -> TorchPixelCNN:
    layer_ways = {"vertical": _conv, "horizontal": _conv, "across": _pointwise, "out": _pointwise}
    head_ways = dict.fromkeys(("features", "channels", "out"), np.transpose)
    layers = [_tensors(layer, layer_ways, torch.channels_last) for layer in network["layers"]]
    return TorchPixelCNN(layers, [_tensors(head, head_ways) for head in network["heads"]])


def _vae(network: Params) -> TorchVAE:
    encoder, decoder = network["encoder"]["params"], network["decoder"]["params"]
    return TorchVAE(
        [_layer(encoder[f"Conv_{n}"], _conv) for n in range(2)],
        _layer(encoder["Dense_0"], np.transpose),
        _layer(decoder["Dense_0"], np.transpose),
        [_layer(decoder[f"Conv_{n}"], _conv) for n in range(2)],
        _layer(decoder, np.transpose),
    )


def _layer(params: Params, way: Callable[[Any], np.ndarray]) -> Tensors:
    return _tensors({"weight": params["kernel"], "bias": params["bias"]}, {"weight": way})


def _tensors(
    arrays: Params,
    ways: Mapping[str, Callable[[Any], np.ndarray]],
    layout: torch.memory_format = torch.contiguous_format,
) -> Tensors:
    """Leaves that take gradients; the layout is that of kernels."""
    moved = {name: torch.tensor(ways.get(name, np.asarray)(np.array(array))) for name, array in arrays.items()}
    return {
        name: tensor.contiguous(memory_format=layout if tensor.ndim == 4 else torch.contiguous_format).requires_grad_()
        for name, tensor in moved.items()
    }


def _conv(kernel: np.ndarray) -> np.ndarray:
    """[rows, columns, C_in, C_out] -> [C_out, C_in, rows, columns]."""
    return kernel.transpose(3, 2, 0, 1)


def _pointwise(matrix: np.ndarray) -> np.ndarray:
    """[C_in, C_out] -> [C_out, C_in, 1, 1]."""
    return matrix.T[:, :, None, None]
