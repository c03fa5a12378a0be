"""Likelihoods of a model's own samples beside real images, and the term of log p that explains the difference.

    python -m experiments model-samples --run-dir runs/fashion --out-dists mnist

Samples at several temperatures are rounded to 8 bits and evaluated like any other image set. For a Glow, log p of the
samples before rounding is also split into its two terms; the mean of the first is known from the temperature. Expect
for an NVP-Glow on FashionMNIST that samples are less likely than real images at temperature 1 (3.57 against 3.10
bits/dim), and more likely at 0.7 (2.12).
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report import histograms
from experiments.report.experiment import OneModel, References
from experiments.report.page import Figure, Number, Result, Section, Table
from experiments.report.scoring import Evaluation, Scored, evaluate, score
from experiments.report.trained import Trained, load, title
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.cores import side_by_side
from glowjax.data import ImageSet
from glowjax.likelihood import NUM_LEVELS, quantize
from glowjax.models import Flow, FlowTerms
from glowjax.stats import Estimate
from glowjax.train import samples
from glowjax.typing import Array, Images, Key, Params

BATCH_SIZE = 100
NUM_SHOWN = 20
"""Number of images of each set in the figure that shows them."""

TERMS = ("log p(z)", "log |det dz/dx|", "log p(x)")

QUESTION = "Are samples of a model as likely under it as real images, and if not, through which term of the likelihood?"
LIKELIHOODS_TEXT = (
    "If the model had the distribution of the real images, their histogram and that of the samples at temperature 1 "
    "would agree; a lower temperature keeps to more likely latents. The histograms do not say which samples look "
    "right: see the images below."
)
TERMS_TEXT = (
    "log p(x) = log p(z) + log |det dz/dx|. The latents of a sample are drawn from N(0, T^2 I), so the mean of the "
    "first term is known in advance: -D/2 (log 2 pi + T^2) for D dimensions. At temperature 1 the mean of log p over "
    "samples is minus the model's own entropy, and that over real images is minus a cross-entropy: either can be "
    "higher. Below it, log p(z) rises by D/2 (1 - T^2) nats for any model, whereas the change of the volume depends "
    "on the model. Samples are then rounded to 8 bits, clipped to 0..255 and evaluated with new dequantization "
    "noise, so that the flow sees images that it did not draw."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSamplesConfig(OneModel, References):
    """Options of the comparison of samples with real images.

    Attributes:
        num_images: maximum number of images per set, and number of samples per temperature.
        temperatures: temperatures of the samples; 1 samples from the model itself.
        num_draws: draws of noise (Glow) or of latents (VAE) per image.
    """

    num_images: int = 2_000
    temperatures: tuple[float, ...] = (1.0, 0.7)
    num_draws: int = 1


@dataclasses.dataclass(frozen=True)
class Samples:
    """Samples of a model at one temperature.

    Attributes:
        temperature: 1 samples from the model itself.
        images: the samples, rounded to 8 bits.
        terms: [N] each, the terms of log p of a flow's samples before rounding, in nats; None for another model.
        outside: the share of pixel values outside [0, 256), which are clipped.
    """

    temperature: float
    images: ImageSet
    terms: FlowTerms | None = None
    outside: float = 0.0

    @property
    def expected_log_pz(self) -> float:
        """The mean of log p(z) in nats for latents drawn from N(0, temperature^2 I)."""
        return -0.5 * math.prod(self.images.shape) * (math.log(2 * math.pi) + self.temperature**2)


def main(config: ModelSamplesConfig) -> Result:
    """Draws samples, and evaluates them and the other sets."""
    if not config.temperatures or min(config.temperatures) <= 0:
        raise InputError(f"temperatures is {config.temperatures}; give one or more, all positive: 1 0.7")
    trained = load(config.run_dir)
    specs = (*config.out_dists, *config.references)
    real = evaluate(trained, specs, config.data_dir, config.num_images, config.num_draws, config.seed)
    drawn = [draw(trained, temperature, config.num_images, config.seed) for temperature in config.temperatures]
    scored = {one.images.name: score(trained, one.images, config.num_draws, config.seed) for one in drawn}
    evaluation = Evaluation(real.test, scored | real.others)
    numbers: dict[str, Any] = {
        name: {
            "bits_per_dim": one.mean().as_dict(),
            "auroc": evaluation.detection(name).auroc.as_dict() if name in evaluation.others else None,
        }
        for name, one in evaluation.sets.items()
    }
    for one in drawn:
        if one.terms is not None:
            numbers[f"{one.images.name}, before rounding"] = _numbers(one, real.test)
    return Result(
        f"Samples and real images, after training on {title(trained.name)}",
        QUESTION,
        summarize(evaluation, drawn),
        [
            _likelihoods(trained, evaluation, config.num_draws),
            *_terms(evaluation, drawn),
            _images(evaluation),
        ],
        numbers,
    )


def draw(trained: Trained, temperature: float, num_images: int, seed: int) -> Samples:
    """`num_images` samples of the model at one temperature."""
    keys = jax.random.split(jax.random.key(seed), -(-num_images // BATCH_SIZE))
    name = f"samples, temperature {temperature:g}"
    source = f"{num_images:,} samples of the {trained.kind}, drawn with seed {seed}"
    if not isinstance(trained.model, Flow):
        images = samples(trained.model, trained.params, jax.random.key(seed), num_images, temperature, BATCH_SIZE)
        return Samples(temperature, ImageSet(name, images, source=source))
    batches = side_by_side(lambda key: jax.device_get(_draw(trained.model, trained.params, key, temperature)), keys)
    images, terms, outside = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_images], *batches)
    return Samples(temperature, ImageSet(name, images, source=source), terms, float(outside.mean()))


@functools.partial(jax.jit, static_argnums=0)
def _draw(flow: Flow, params: Params, key: Key, temperature: float) -> tuple[Images, FlowTerms, Array]:
    x = flow.sample_continuous(params, key, BATCH_SIZE, temperature)
    outside = jnp.mean((x < 0) | (x >= NUM_LEVELS), axis=(1, 2, 3))
    return quantize(x), flow.terms(params, x), outside


def summarize(evaluation: Evaluation, drawn: list[Samples]) -> str:
    """The result in a sentence per temperature."""
    test = evaluation.test.mean()
    sentences = [f"Real images ({title(evaluation.test.images.name)}) need {test:.3f[]} bits/dim."]
    for one in drawn:
        bits = evaluation.others[one.images.name].mean()
        if bits.interval[1] < test.interval[0]:
            verdict = "they are more likely than real images"
        elif bits.interval[0] > test.interval[1]:
            verdict = "they are less likely than real images"
        else:
            verdict = "the two intervals overlap"
        sentences.append(f"Samples at temperature {one.temperature:g} need {bits:.3f[]}: {verdict}.")
    return " ".join(sentences)


def _likelihoods(trained: Trained, evaluation: Evaluation, num_draws: int) -> Section:
    rows = [
        [
            title(name),
            scored.count(),
            Number(scored.mean(), ".3f[]"),
            "" if scored is evaluation.test else Number(evaluation.detection(name).auroc, ".3f[]"),
        ]
        for name, scored in evaluation.sets.items()
    ]
    caption = (
        "Bits per dimension (fewer bits are more likely) and AUROC against real images with bits/dim as the score "
        "(below 0.5: more likely than these), with 95 % intervals over images"
    )
    return Section(
        "Likelihoods of samples",
        f"The model: {trained.summarize()}. {trained.likelihood(num_draws)}\n\n{LIKELIHOODS_TEXT}",
        [Table(caption, ["set", "images", "bits/dim", "AUROC"], rows)],
        [histograms.one_model(evaluation, trained.num_dims, trained.kind_and_data, "log-likelihoods")],
    )


def _terms(evaluation: Evaluation, drawn: list[Samples]) -> list[Section]:
    """The terms that make samples and real images differ; nothing for a model that is not a flow."""
    test = evaluation.test
    if test.flow is None:
        return []
    groups = test.images.groups
    means: list[list[Any]] = [[title(test.images.name), "", *_means(test.flow.terms, groups)]]
    differences: list[list[Any]] = []
    sentences = []
    for one in drawn:
        rounded = evaluation.others[one.images.name].flow
        assert one.terms is not None
        assert rounded is not None
        name = one.images.name
        means.append([f"{name}, before rounding", Number(one.expected_log_pz, ",.0f"), *_means(one.terms)])
        means.append([f"{name}, 8 bits", "", *_means(rounded.terms)])
        from_real = _from_real(one.terms, test)
        rounding = [stats.mean(b - a) for a, b in zip(_three(one.terms), _three(rounded.terms), strict=True)]
        differences.append([f"{name}, before rounding, minus real images", *(Number(e, "+,.0f") for e in from_real)])
        differences.append([f"{name}, 8 bits minus before rounding", *(Number(e, "+,.0f") for e in rounding)])
        sentences.append(_sentence(one, from_real, rounding[2]))
    tables = [
        Table("Means in nats with 95 % intervals over images", ["set", "log p(z) by design", *TERMS], means),
        Table("Differences of means in nats, ± standard error", ["difference", *TERMS], differences),
    ]
    return [Section("Where the difference comes from", "\n\n".join([TERMS_TEXT, *sentences]), tables)]


def _three(terms: FlowTerms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N] each, in the order of `TERMS`."""
    log_pz, log_det = np.asarray(terms.log_pz), np.asarray(terms.log_det)
    return log_pz, log_det, log_pz + log_det


def _means(terms: FlowTerms, groups: np.ndarray | None = None) -> list[Number]:
    return [Number(stats.mean(values, groups), ",.0f[]") for values in _three(terms)]


def _from_real(terms: FlowTerms, test: Scored) -> list[Estimate]:
    """Means over samples minus means over real images, in the order of `TERMS`."""
    assert test.flow is not None
    pairs = zip(_three(terms), _three(test.flow.terms), strict=True)
    return [stats.difference(stats.mean(a), stats.mean(b, test.images.groups)) for a, b in pairs]


def _sentence(one: Samples, from_real: list[Estimate], rounding: Estimate) -> str:
    prior, volume, total = from_real
    larger = "volume" if abs(volume.value) > abs(prior.value) else "latents"
    return (
        f"At temperature {one.temperature:g}, samples before rounding differ from real images by {total:+,.0f} nats, "
        f"mostly through the {larger}: {prior:+,.0f} in log p(z) and {volume:+,.0f} in the volume. {one.outside:.1%} "
        "of their values lie outside a pixel's range; rounding and clipping change the mean of log p by "
        f"{rounding:+,.0f}."
    )


def _numbers(one: Samples, test: Scored) -> dict[str, Any]:
    assert one.terms is not None
    return {
        "log_pz_by_design_nats": one.expected_log_pz,
        "values_outside_the_range": one.outside,
        "minus_real_images_nats": {
            name: estimate.as_dict() for name, estimate in zip(TERMS, _from_real(one.terms, test), strict=True)
        },
    }


def _images(evaluation: Evaluation) -> Section:
    tiles = {title(name): scored.images.images[:NUM_SHOWN] for name, scored in evaluation.sets.items()}
    figure = Figure(
        "samples",
        plots.samples(tiles),
        {"sets": list(evaluation.sets)},
        "The first images of each set.",
        "Rows of real images, of samples and of generated images",
    )
    return Section("Images", figures=[figure])
