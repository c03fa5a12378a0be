"""A small classifier, with the logits and the features from which its own scores are computed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from glowjax import ood
from glowjax.checks import InputError
from glowjax.data import ImageSet, batch_indices
from glowjax.train import in_batches
from glowjax.typing import Array, Images, Params

BATCH_SIZE = 128


class Network(nn.Module):
    """Three convolutions, two of them with stride 2, and two dense layers."""

    num_classes: int

    @nn.compact
    def __call__(self, images: Images) -> tuple[Array, Array]:
        """Logits [N, num_classes] and features [N, 128], the activations before the last layer, of uint8 images."""
        x = jnp.asarray(images).astype(jnp.float32) / 127.5 - 1
        for features, stride in ((32, 1), (64, 2), (64, 2)):
            x = nn.relu(nn.Conv(features, (3, 3), (stride, stride))(x))
        x = nn.relu(nn.Dense(128)(x.reshape(len(x), -1)))
        return nn.Dense(self.num_classes)(x), x


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier, as a source of statistics.

    Attributes:
        network: its architecture.
        params: its params.
    """

    network: Network
    params: Params

    def statistics(self, images: ImageSet) -> ood.Statistics:
        """The logits and the features of `images`."""
        return ood.classifier_statistics(*self._run(images), name=images.name)

    def reference(self, images: ImageSet) -> ood.Reference:
        """The same of images whose labels are the classes, for scores to be fitted to."""
        return ood.classifier_statistics(*self._run(images), images.labels, images.name).as_reference()

    def _run(self, images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
        apply: Callable[..., Any] = self.network.apply
        run = jax.jit(lambda _, batch: apply(self.params, batch))  # it needs no key
        return in_batches(run, jax.random.key(0), images.images)


def train_classifier(images: ImageSet, num_steps: int, seed: int) -> Classifier:
    """A classifier after `num_steps` steps of Adam on batches of 128, with a cosine schedule."""
    if images.labels is None:
        raise InputError(
            f"'{images.name}' has no labels, so no classifier can be trained on it; use a set with classes."
        )
    network = Network(int(images.labels.max()) + 1)
    apply: Callable[..., Any] = network.apply
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, num_steps))
    params = network.init(jax.random.key(seed), images.images[:1])
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, opt_state: Any, batch: Images, labels: Array) -> tuple[Any, Any]:
        def loss(params: Any) -> Array:
            return optax.softmax_cross_entropy_with_integer_labels(apply(params, batch)[0], labels).mean()

        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to the power of the step
            updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    for index in tqdm(range(num_steps), unit="step", desc="classifier"):
        chosen = batch_indices(seed, index, images.num_images, min(BATCH_SIZE, images.num_images))
        params, opt_state = step(params, opt_state, images.images[chosen], images.labels[chosen])
    return Classifier(network, params)
