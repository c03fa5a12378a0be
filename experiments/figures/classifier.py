"""A small convolutional classifier."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from glowjax.checks import InputError
from glowjax.data import ImageSet, batch_indices
from glowjax.train import in_batches
from glowjax.typing import Array, Images, Key

BATCH_SIZE = 128


class Network(nn.Module):
    """Three convolutions, two of them with stride 2, and two dense layers."""

    num_classes: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Logits [N, num_classes] of images [N, H, W, C] in [-1, 1]."""
        for features, stride in ((32, 1), (64, 2), (64, 2)):
            x = nn.relu(nn.Conv(features, (3, 3), (stride, stride))(x))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(128)(x.reshape(len(x), -1))))


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A classifier's answers to N images.

    Attributes:
        label: [N] the class with the highest probability.
        confidence: [N] that probability.
    """

    label: np.ndarray
    confidence: np.ndarray


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Attributes:
        network: the module.
        params: its arrays.
    """

    network: Network
    params: Any

    def predict(self, images: np.ndarray) -> Prediction:
        """The predictions for uint8 images [N, H, W, C]."""
        key = jax.random.key(0)  # `in_batches` passes a key to every batch; predictions ignore it
        probabilities = in_batches(functools.partial(_probabilities, self.network, self.params), key, images)
        return Prediction(probabilities.argmax(axis=1), probabilities.max(axis=1))


def train_classifier(images: ImageSet, num_steps: int, seed: int) -> Classifier:
    """A classifier after `num_steps` steps of Adam on batches of 128, with a cosine schedule."""
    if images.labels is None:
        raise InputError(
            f"'{images.name}' has no labels, so no classifier can be trained on it; use a set with classes."
        )
    network = Network(int(images.labels.max()) + 1)
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, num_steps))
    params = network.init(jax.random.key(seed), _scaled(images.images[:1]))
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, opt_state: Any, batch: Images, labels: Array) -> tuple[Any, Any]:
        def loss(params: Any) -> Array:
            logits: Any = network.apply(params, _scaled(batch))
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    for index in tqdm(range(num_steps), unit="step", desc="classifier"):
        chosen = batch_indices(seed, index, images.num_images, min(BATCH_SIZE, images.num_images))
        params, opt_state = step(params, opt_state, images.images[chosen], images.labels[chosen])
    return Classifier(network, params)


def _scaled(images: Images) -> Array:
    return jnp.asarray(images).astype(jnp.float32) / 127.5 - 1


@functools.partial(jax.jit, static_argnums=0)
def _probabilities(network: Network, params: Any, key: Key, images: Images) -> Array:
    del key
    logits: Any = network.apply(params, _scaled(images))
    return jax.nn.softmax(logits)
