"""A small classifier, and detectors in front of it: the shares of an image set that they accept.

Every detector has a score, higher for more out-of-distribution images, and rejects images above a threshold: a quantile
of the scores of validation images. No OOD image is used.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from glowjax import stats
from glowjax.checks import InputError
from glowjax.data import ImageSet, batch_indices
from glowjax.data.stored import AnyImages
from glowjax.plots.selection import Detector
from glowjax.train import in_batches
from glowjax.typing import Array, Images

BATCH_SIZE = 128

LIKELIHOOD, TYPICALITY = "likelihood", "typicality"
CLASSIFIER: Detector = ("classifier", "confidence")
ACCEPTED, AND_WRONG = "accepted", "accepted_and_confidently_wrong"
MINUS_CLASSIFIER = {ACCEPTED: "accepted_minus_classifier", AND_WRONG: "accepted_and_confidently_wrong_minus_classifier"}
"""The names of the differences of these shares from those of the classifier's confidence, paired by image."""

Classifier: TypeAlias = Callable[[AnyImages], np.ndarray]
"""A classifier maps uint8 images [N, H, W, C] to the probabilities of classes [N, num_classes]."""


class Network(nn.Module):
    """Three convolutions, two of them with stride 2, and two dense layers."""

    num_classes: int

    @nn.compact
    def __call__(self, images: Images) -> Array:
        """Logits [N, num_classes] of uint8 images [N, H, W, C]."""
        x = jnp.asarray(images).astype(jnp.float32) / 127.5 - 1
        for features, stride in ((32, 1), (64, 2), (64, 2)):
            x = nn.relu(nn.Conv(features, (3, 3), (stride, stride))(x))
        return nn.Dense(self.num_classes)(nn.relu(nn.Dense(128)(x.reshape(len(x), -1))))


def train_classifier(images: ImageSet, num_steps: int, seed: int) -> Classifier:
    """A classifier after `num_steps` steps of Adam on batches of 128, with a cosine schedule."""
    if images.labels is None:
        raise InputError(
            f"'{images.name}' has no labels, so no classifier can be trained on it; use a set with classes."
        )
    network = Network(int(images.labels.max()) + 1)
    logits: Callable[..., Any] = network.apply
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, num_steps))
    params = network.init(jax.random.key(seed), images.images[:1])
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, opt_state: Any, batch: Images, labels: Array) -> tuple[Any, Any]:
        def loss(params: Any) -> Array:
            return optax.softmax_cross_entropy_with_integer_labels(logits(params, batch), labels).mean()

        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to the power of the step
            updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    for index in tqdm(range(num_steps), unit="step", desc="classifier"):
        chosen = batch_indices(seed, index, images.num_images, min(BATCH_SIZE, images.num_images))
        params, opt_state = step(params, opt_state, images.images[chosen], images.labels[chosen])
    probabilities = jax.jit(lambda _, batch: jax.nn.softmax(logits(params, batch)))  # it needs no key
    return functools.partial(in_batches, probabilities, jax.random.key(0))


@dataclasses.dataclass(frozen=True)
class Answers:
    """An image set under the classifier and the models.

    Attributes:
        images: the set.
        confidence: [N] the probability of the class that the classifier answers, its highest one.
        correct: [N] whether each answer is the image's class; never for OOD images.
        log_likelihood: {model: [N] log P(image) in nats}.
    """

    images: ImageSet
    confidence: np.ndarray
    correct: np.ndarray
    log_likelihood: Mapping[str, np.ndarray]

    def scores(self, validation: "Answers") -> dict[Detector, np.ndarray]:
        """{detector: [N] score, higher for more out-of-distribution}.

        The score of likelihood is -log P. That of typicality is |log P - its mean over validation images|, in nats: an
        image that is too likely is as suspect as one that is too unlikely (Nalisnick et al. 2019, "Detecting
        out-of-distribution inputs to deep generative models using typicality", for single images). The classifier's is
        1 - confidence (Hendrycks and Gimpel 2017).
        """
        scores: dict[Detector, np.ndarray] = {CLASSIFIER: 1 - self.confidence}
        for model, log_likelihood in self.log_likelihood.items():
            scores[model, LIKELIHOOD] = -log_likelihood
            scores[model, TYPICALITY] = np.abs(log_likelihood - validation.log_likelihood[model].mean())
        return scores


def shares_of(answers: Answers, validation: Answers, kept: Sequence[float], confident: float) -> dict[str, Any]:
    """The numbers of a set: accuracy, mean confidence, the share of confident wrong answers, and shares by detector.

    For each detector and each share `kept` of validation images that it accepts, "detectors" holds the share of images
    that it accepts, the share that it accepts and that is then answered wrongly with confidence, and the differences of
    both from the shares of the classifier's own confidence on the same images.
    """
    groups, reference, own = answers.images.groups, validation.scores(validation), answers.scores(validation)
    wrong = ~answers.correct & (answers.confidence >= confident)
    detectors: dict[Detector, dict[float, Any]] = {}
    for detector in own:
        detectors[detector] = {}
        for share in kept:
            by_classifier, accepted = (own[d] <= np.quantile(reference[d], share) for d in (CLASSIFIER, detector))
            flags = {ACCEPTED: (accepted, by_classifier), AND_WRONG: (accepted & wrong, by_classifier & wrong)}
            detectors[detector][share] = {what: stats.share(one, groups) for what, (one, _) in flags.items()} | {
                MINUS_CLASSIFIER[what]: stats.share_difference(*pair, groups) for what, pair in flags.items()
            }
    return {
        "num_images": len(answers.correct),
        "accuracy": stats.share(answers.correct, groups),
        "confidence": stats.mean(answers.confidence, groups, name=answers.images.name),
        "confidently_wrong": stats.share(wrong, groups),
        "detectors": detectors,
    }
