"""Everything that one image set's likelihoods tell about a trained model, in arrays."""

import dataclasses
import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from experiments.report.trained import Trained
from glowjax import stats
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve
from glowjax.likelihood import bits_per_dim, dequantize
from glowjax.models import VAE, Flow, FlowTerms
from glowjax.ood import DetectionMetrics, detection_metrics
from glowjax.stats import Estimate, difference
from glowjax.train import in_batches, log_likelihoods
from glowjax.typing import Array, Images, Key, Params

REFERENCES = ("contrast-0.5", "constant", "noise")
"""Generated sets that stand in every histogram: less contrast, no content, no structure."""


@dataclasses.dataclass(frozen=True)
class FlowDetails:
    """What a flow says besides, at one dequantisation draw.

    Attributes:
        terms: each [N] in nats.
        inversion_error: [N] largest |decode(encode(x)) - x| of an image, in grey levels.
    """

    terms: FlowTerms
    inversion_error: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scored:
    """An image set under a model.

    Attributes:
        images: the set.
        log_likelihood: [N] log P(image) in nats.
        flow: what a flow says besides; None for another model.
    """

    images: ImageSet
    log_likelihood: np.ndarray
    flow: FlowDetails | None = None

    @property
    def bits_per_dim(self) -> np.ndarray:
        """[N] bits per dimension."""
        return np.asarray(bits_per_dim(self.log_likelihood, math.prod(self.images.shape)))

    def mean(self, values: ArrayLike | None = None) -> Estimate:
        """The mean of `values` [N], or of the bits per dimension, with its interval; by group where there are some."""
        return stats.mean(self.bits_per_dim if values is None else np.asarray(values), self.images.groups)

    def count(self) -> str:
        """The number of images, and of their groups: the photos or fonts, say, that they were cut from."""
        groups = self.images.groups
        return f"{self.images.num_images:,}" + ("" if groups is None else f" ({len(np.unique(groups)):,} groups)")


Sets = dict[str, Scored]
"""Image sets under one model by name; the test set of what it was trained on first."""


def mean_as_dict(estimate: Estimate) -> dict[str, Any]:
    """A mean as JSON has it: {"mean", "sem", "low", "high"}."""
    numbers = estimate.as_dict()
    return {"mean": numbers.pop("value"), **numbers}


class Comparison(Protocol):
    """The options of an experiment that asks several models about the same images."""

    @property
    def num_images(self) -> int:
        """At most how many images of each set."""

    @property
    def num_draws(self) -> int:
        """Dequantisation draws an image for a Glow."""

    @property
    def num_latent_draws(self) -> int:
        """Importance samples an image for a VAE."""

    @property
    def data_dir(self) -> Path | None:
        """A folder of .npz archives or of image folders."""

    @property
    def seed(self) -> int:
        """Chooses images and noise."""


def image_sets(
    trained: Trained, specs: Iterable[str], data_dir: Path | None, num_images: int | None, seed: int
) -> list[ImageSet]:
    """The test set of what the model was trained on, and the sets that `specs` name, at most `num_images` of each.

    Each set comes once. Raises InputError for two sets of one name, such as two files images.npz of two folders.
    """
    test = resolve(f"{trained.in_dist}:test", None, data_dir, num_images, seed)
    named = {test.name: test}
    for spec in specs:
        one = resolve(spec, test, data_dir, num_images, seed)
        if not np.array_equal(named.setdefault(one.name, one).images, one.images):
            raise InputError(
                f"'{spec}' would be called '{one.name}' in tables and figures, and so would another of the sets: "
                "rename the file or the folder of one."
            )
    return list(named.values())


def score_each(trained: Trained, images: Iterable[ImageSet], num_draws: int, seed: int) -> Sets:
    """Each set under the model, by its name."""
    return {one.name: score(trained, one, num_draws, seed) for one in images}


def draws_for(trained: Trained, options: Comparison) -> int:
    """How many draws an image the model's likelihood takes: of latents for a VAE, of noise otherwise."""
    return options.num_latent_draws if isinstance(trained.model, VAE) else options.num_draws


def score_alike(trained: Trained, specs: Iterable[str], options: Comparison) -> Sets:
    """The test set and the sets that `specs` name under the model; with the same options, the same images and noise."""
    images = image_sets(trained, specs, options.data_dir, options.num_images, options.seed)
    return score_each(trained, images, draws_for(trained, options), options.seed)


def summary(sets: Sets) -> dict[str, dict[str, Any]]:
    """A model's numbers by data set, as JSON has them."""
    test = next(iter(sets.values()))
    return {
        name: {
            "num_images": scored.images.num_images,
            "bits_per_dim": mean_as_dict(scored.mean()),
            "auroc": None if scored is test else detection(test, scored).auroc.as_dict(),
            "source": scored.images.source,
        }
        for name, scored in sets.items()
    }


def collected(sets: Sets) -> Sets:
    """Those that are no generated references."""
    return {name: scored for name, scored in sets.items() if not scored.images.generated}


def references(sets: Sets) -> Sets:
    """The generated ones, such as `REFERENCES`."""
    return {name: scored for name, scored in sets.items() if scored.images.generated}


def score(trained: Trained, images: ImageSet, num_draws: int, seed: int) -> Scored:
    """`images` under the model, with `num_draws` draws of noise or latents an image for log P(image)."""
    likelihood_key, terms_key = jax.random.split(jax.random.key(seed))
    log_likelihood = log_likelihoods(trained.model, trained.params, likelihood_key, images.images, num_draws)
    if not isinstance(trained.model, Flow):
        return Scored(images, log_likelihood)
    details = functools.partial(_details, trained.model, trained.params)
    return Scored(images, log_likelihood, FlowDetails(*in_batches(details, terms_key, images.images)))


def gap(images: ImageSet, values: Array, test: ImageSet, own: Array) -> Estimate:
    """The mean of a set's values less that of the test set's, image by image where the set is made of these images."""
    if images.derived_from == test.name:
        return stats.mean(values - own, test.groups)
    return difference(stats.mean(values, images.groups), stats.mean(own, test.groups))


def detection(in_dist: Scored, out_dist: Scored) -> DetectionMetrics:
    """How well bits per dimension, as the score, tells `out_dist` (the positive class) from `in_dist`."""
    return detection_metrics(
        in_dist.bits_per_dim,
        out_dist.bits_per_dim,
        groups_in=in_dist.images.groups,
        groups_out=out_dist.images.groups,
    )


@functools.partial(jax.jit, static_argnums=0)
def _details(flow: Flow, params: Params, key: Key, images: Images) -> tuple[FlowTerms, Array]:
    x = dequantize(key, images)
    back = flow.decode(params, flow.encode(params, x))
    return flow.terms(params, x), jnp.abs(back - x).max(axis=(-3, -2, -1))
