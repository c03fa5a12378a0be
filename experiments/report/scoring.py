"""Evaluates a trained model on image sets: log P(image) of every image, and for a flow the terms of log p."""

import dataclasses
import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from experiments.report.options import Data
from experiments.report.page import Cell, Number
from experiments.report.trained import Trained, title
from glowjax import stats
from glowjax.checks import InputError
from glowjax.data import ImageSet, parse_spec, resolve, splits
from glowjax.data.generated import is_generated
from glowjax.data.paths import is_path
from glowjax.data.stored import is_equal
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowTerms
from glowjax.ood import DetectionMetrics, detection_metrics
from glowjax.stats import Estimate
from glowjax.train import in_batches, log_likelihoods
from glowjax.typing import Array, Images, Key, Params


@dataclasses.dataclass(frozen=True)
class FlowDetails:
    """Details of a set under a flow, at one dequantization draw.

    Attributes:
        terms: [N] each, in nats.
        inversion_error: [N] the largest |decode(encode(x)) - x| of each image, in grey levels.
    """

    terms: FlowTerms
    inversion_error: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scored:
    """An image set under a model.

    Attributes:
        images: the set.
        log_likelihood: [N] log P(image) in nats.
        flow: details of a flow; None for another model.
    """

    images: ImageSet
    log_likelihood: np.ndarray
    flow: FlowDetails | None = None

    @property
    def bits_per_dim(self) -> np.ndarray:
        """[N] bits per dimension."""
        return np.asarray(bits_per_dim(self.log_likelihood, math.prod(self.images.shape)))

    def mean(self, values: ArrayLike | None = None) -> Estimate:
        """The mean of `values` [N], by default of the bits per dimension."""
        values = np.asarray(self.bits_per_dim if values is None else values)
        return stats.mean(values, self.images.groups, name=title(self.images.name))

    def count(self) -> str:
        """The number of images, and of their groups: the photos or fonts, say, from which they were cut."""
        groups = self.images.groups
        return f"{self.images.num_images:,}" + ("" if groups is None else f" ({len(np.unique(groups)):,} groups)")


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Image sets under one model.

    Attributes:
        test: the test set of the data set that the model was trained on.
        others: {name: set} of all others, in the order in which they were named.
    """

    test: Scored
    others: dict[str, Scored]

    @property
    def sets(self) -> dict[str, Scored]:
        """{name: set}, the test set first."""
        return {self.test.images.name: self.test, **self.others}

    @property
    def real(self) -> dict[str, Scored]:
        """The real data sets among the others."""
        return {name: scored for name, scored in self.others.items() if not scored.images.generated}

    @property
    def references(self) -> dict[str, Scored]:
        """The generated sets."""
        return {name: scored for name, scored in self.others.items() if scored.images.generated}

    def detection(self, name: str) -> DetectionMetrics:
        """How well bits per dimension, as the score, separate another set (the positive class) from the test set."""
        test, other = self.test, self.others[name]
        groups, other_groups = test.images.groups, other.images.groups
        return detection_metrics(test.bits_per_dim, other.bits_per_dim, groups_in=groups, groups_out=other_groups)

    def gap(self, name: str) -> Estimate:
        """The mean log P of another set minus that of the test set, in nats."""
        other = self.others[name]
        return gap(other.images, other.log_likelihood, self.test.images, self.test.log_likelihood)

    def likelihood(self, name: str) -> str:
        """Whether another set is "more" or "less" likely than the test set, or "" if the 95 % intervals overlap."""
        (low, high), test = self.others[name].mean().interval, self.test.mean().interval
        return "more" if high < test[0] else "less" if low > test[1] else ""

    def row(self, name: str) -> list[Cell]:
        """For a table: the number of images of a set, its bits per dimension, and its AUROC."""
        scored = self.sets[name]
        auroc = "" if scored is self.test else Number(self.detection(name).auroc, ".3f[]")
        return [scored.count(), Number(scored.mean(), ".3f[]"), auroc]

    def numbers(self) -> dict[str, dict[str, Any]]:
        """{name: its numbers}."""
        return {
            name: {
                "num_images": scored.images.num_images,
                "bits_per_dim": scored.mean(),
                "auroc": None if scored is self.test else self.detection(name).auroc,
                "source": scored.images.source,
            }
            for name, scored in self.sets.items()
        }


def image_sets(trained: Trained, specs: Iterable[str], config: Data) -> tuple[ImageSet, list[ImageSet]]:
    """The test set of what the model was trained on, and the other sets that `specs` name, each once.

    A set without a test split, of which only one split is at hand, is that split: "mnist" is the bundled "mnist:train".
    Raises InputError if two sets have one title, such as two files images.npz of two folders.
    """
    options = (config.data_dir, config.num_images, config.seed)
    test = resolve(f"{trained.in_dist}:test", None, *options)
    titled = {title(test.name): test}
    for spec in specs:
        one = resolve(_with_split(spec, config.data_dir), test, *options)
        if not is_equal(titled.setdefault(title(one.name), one).images, one.images):
            raise InputError(
                f"'{spec}' would be called '{title(one.name)}' in tables and figures, and so would another of the "
                "sets: rename the file or the folder of one."
            )
    _, *others = titled.values()
    return test, others


def _with_split(spec: str, data_dir: Path | None) -> str:
    """The name of a set with its only split, if it names none and that is not "test"."""
    name, split = parse_spec(spec)
    if split is not None or is_generated(spec) or is_path(spec):
        return spec
    found = splits(name, data_dir)
    return f"{name}:{next(iter(found))}" if len(found) == 1 and "test" not in found else spec


def evaluate(trained: Trained, specs: Iterable[str], config: Data) -> Evaluation:
    """The test set and the sets that `specs` name, under the model; every model gets the same images and noise."""
    test, others = image_sets(trained, specs, config)
    own, *scored = (score(trained, one, num_draws(trained, config), config.seed) for one in (test, *others))
    return Evaluation(own, {one.images.name: one for one in scored})


def num_draws(trained: Trained, config: Any) -> int:
    """The number of draws per image: of latents for a VAE, of noise for others."""
    return getattr(config, "num_latent_draws" if isinstance(trained.model, VAE) else "num_draws", config.num_draws)


def score(trained: Trained, images: ImageSet, num_draws: int, seed: int) -> Scored:
    """`images` under the model, with `num_draws` draws of noise or of latents per image for log P(image).

    Raises InputError if the model gives likelihoods that are not finite.
    """
    likelihood_key, terms_key = jax.random.split(jax.random.key(seed))
    log_likelihood = log_likelihoods(trained.model, trained.params, likelihood_key, images.images, num_draws)
    if num_bad := np.count_nonzero(~np.isfinite(log_likelihood)):
        raise InputError(
            f"Under the {trained.title}, log P is not finite for {num_bad} of the {len(log_likelihood)} images of "
            f"{title(images.name)}: the model diverged. Train it again with a lower learning rate."
        )
    if not isinstance(trained.model, Flow):
        return Scored(images, log_likelihood)
    details = functools.partial(_details, trained.model, trained.params)
    return Scored(images, log_likelihood, FlowDetails(*in_batches(details, terms_key, images.images)))


def gap(images: ImageSet, values: ArrayLike, test: ImageSet, test_values: ArrayLike) -> Estimate:
    """The mean of a set's values minus that of the test set's, paired by image for a set made from these."""
    values, test_values = np.asarray(values), np.asarray(test_values)
    own, name = title(test.name), title(images.name)
    if images.derived_from == test.name:
        return stats.mean(values - test_values, test.groups, name=f"{name} minus {own}")
    return stats.gap(test_values, values, groups_in=test.groups, groups_out=images.groups, names=(own, name))


@functools.partial(jax.jit, static_argnums=0)
def _details(flow: Flow, params: Params, key: Key, images: Images) -> tuple[FlowTerms, Array]:
    x = dequantize(key, images)
    back = flow.decode(params, flow.encode(params, x))
    return flow.terms(params, x), jnp.abs(back - x).max(axis=(-3, -2, -1))
