"""Likelihoods of model samples beside real images, and the term of log p that explains the difference.

    python -m experiments model-samples --run-dir runs/fashion --out-dists mnist

Samples at several temperatures are rounded to 8 bits and evaluated like any other image set. For a Glow, log p of the
samples before rounding is also split into its two terms; the mean of the first is known from the temperature. Expect
for an NVP-Glow on FashionMNIST that samples are less likely than real images at temperature 1 (3.60 against 3.08
bits/dim), and more likely at 0.7 (2.13). --seeds repeats the comparison with other samples.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report import histograms
from experiments.report.keys import key_for
from experiments.report.options import Draws, OneModel, References, Seeded
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.samples import BATCH_SIZE, named, own_samples
from experiments.report.scoring import Evaluation, FlowDetails, evaluate, score
from experiments.report.trained import Trained, described, heading, load, title
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.cores import on_default_device, side_by_side
from glowjax.data import ImageSet
from glowjax.likelihood import NUM_LEVELS, quantize
from glowjax.models import Flow, FlowTerms
from glowjax.stats import Estimate
from glowjax.typing import Array, Images, Key, Params

NUM_SHOWN = 20
"""Number of images of each set in the figure that shows them."""

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
    "on the model. Samples are then rounded to 8 bits, clipped to 0..255 and evaluated with new dequantization noise."
)
VERDICTS = {
    "more": "they are more likely than real images",
    "less": "they are less likely than real images",
    "": "the two intervals overlap",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSamplesConfig(OneModel, References, Draws, Seeded):
    """Options of the comparison of samples with real images.

    Attributes:
        num_images: maximum number of images per set, and number of samples per temperature.
        temperatures: temperatures of the samples; 1 samples from the model itself.
    """

    num_images: int = 2_000
    temperatures: tuple[float, ...] = (1.0, 0.7)


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
    real = evaluate(trained, (*config.out_dists, *config.references), config)
    drawn = [draw(trained, temperature, config.num_images, config.seed) for temperature in config.temperatures]
    scored = {one.images.name: score(trained, one.images, config.num_draws, config.seed) for one in drawn}
    evaluation = Evaluation(real.test, scored | real.others)
    numbers: dict[str, Any] = {
        name: {what: row[what] for what in ("bits_per_dim", "auroc")} for name, row in evaluation.numbers().items()
    }
    histogram = histograms.one_model(evaluation, trained.num_dims, heading(trained), "log-likelihoods")
    text = f"{described(trained, config.num_draws)}\n\n{LIKELIHOODS_TEXT}"
    sections = [Section("Likelihoods of samples", text, [histograms.table({"": evaluation})], [histogram])]
    if real.test.flow:
        sections.append(_terms(evaluation, drawn))
        numbers |= {
            f"{one.images.name}, before rounding": {
                "log_pz_by_design_nats": one.expected_log_pz,
                "values_outside_the_range": one.outside,
                "minus_real_images_nats": differences(one, evaluation)[0],
            }
            for one in drawn
        }
    return Result(
        f"Samples and real images, after training on {title(trained.name)}",
        QUESTION,
        summarize(evaluation, drawn),
        [*sections, Section("Images", figures=[_images(evaluation)])],
        numbers,
    )


def draw(trained: Trained, temperature: float, num_images: int, seed: int) -> Samples:
    """`num_images` samples of the model at one temperature."""
    if not isinstance(trained.model, Flow):
        return Samples(temperature, own_samples(trained, num_images, seed, temperature))
    keys = jax.random.split(key_for("samples", seed), -(-num_images // BATCH_SIZE))
    call = on_default_device(functools.partial(_draw, trained.model, trained.params))
    batches = side_by_side(lambda key: jax.device_get(call(key, temperature)), list(keys))
    images, terms, outside = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_images], *batches)
    return Samples(temperature, named(trained, images, seed, temperature), terms, float(outside.mean()))


@functools.partial(jax.jit, static_argnums=0)
def _draw(flow: Flow, params: Params, key: Key, temperature: float) -> tuple[Images, FlowTerms, Array]:
    x = flow.sample_continuous(params, key, BATCH_SIZE, temperature)
    outside = jnp.mean((x < 0) | (x >= NUM_LEVELS), axis=(1, 2, 3))
    return quantize(x), flow.terms(params, x), outside


def summarize(evaluation: Evaluation, drawn: list[Samples]) -> str:
    """The result in a sentence per temperature."""
    test = evaluation.test
    sentences = [f"Real images ({title(test.images.name)}) need {test.mean():.3f[]} bits/dim."]
    for one in drawn:
        bits, verdict = evaluation.sets[one.images.name].mean(), VERDICTS[evaluation.likelihood(one.images.name)]
        sentences.append(f"Samples at temperature {one.temperature:g} need {bits:.3f[]}: {verdict}.")
    return " ".join(sentences)


def differences(one: Samples, evaluation: Evaluation) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Differences of the terms of log p, {term: nats}, for the samples of a flow.

    First, means over samples before rounding minus means over real images; then, means over rounded samples minus means
    over the same samples before.
    """
    before, rounded = _by_term(one), _by_term(evaluation.sets[one.images.name].flow)
    real, groups = _by_term(evaluation.test.flow), evaluation.test.images.groups
    return (
        {term: stats.difference(stats.mean(v), stats.mean(real[term], groups)) for term, v in before.items()},
        {term: stats.mean(rounded[term] - v) for term, v in before.items()},
    )


def _by_term(flow: FlowDetails | Samples | None) -> dict[str, np.ndarray]:
    """{term of log p: [N] in nats} of a set under a flow, or of its samples."""
    assert flow is not None
    assert flow.terms is not None
    log_pz, log_det = np.asarray(flow.terms.log_pz), np.asarray(flow.terms.log_det)
    return {"log p(z)": log_pz, "log |det dz/dx|": log_det, "log p(x)": log_pz + log_det}


def _terms(evaluation: Evaluation, drawn: list[Samples]) -> Section:
    """The terms that make samples and real images differ."""
    test, groups = evaluation.test, evaluation.test.images.groups
    own = _by_term(test.flow)
    means: list[list[Cell]] = [
        [title(test.images.name), "", *(Number(stats.mean(v, groups), ",.0f[]") for v in own.values())]
    ]
    changes: list[list[Cell]] = []
    sentences = []
    for one in drawn:
        name = one.images.name
        by_design = Number(one.expected_log_pz, ",.0f")
        for label, expected, flow in (("before rounding", by_design, one), ("8 bits", "", evaluation.sets[name].flow)):
            numbers = (Number(stats.mean(v), ",.0f[]") for v in _by_term(flow).values())
            means.append([f"{name}, {label}", expected, *numbers])
        from_real, rounding = differences(one, evaluation)
        labels = {"before rounding, minus real images": from_real, "8 bits minus before rounding": rounding}
        for label, by_term in labels.items():
            changes.append([f"{name}, {label}", *(Number(e, "+,.0f") for e in by_term.values())])
        prior, volume, total = from_real.values()
        larger = "volume" if abs(volume.value) > abs(prior.value) else "latents"
        sentences.append(
            f"At temperature {one.temperature:g}, samples before rounding differ from real images by {total:+,.0f} "
            f"nats, mostly through the {larger}. {one.outside:.1%} of their values lie outside a pixel's range."
        )
    tables = [
        Table("Means in nats with 95 % intervals over images", ["set", "log p(z) by design", *own], means),
        Table("Differences of means in nats, ± standard error", ["difference", *own], changes),
    ]
    return Section("Where the difference comes from", "\n\n".join([TERMS_TEXT, *sentences]), tables)


def _images(evaluation: Evaluation) -> Figure:
    return Figure(
        "samples",
        plots.samples({title(name): scored.images.images[:NUM_SHOWN] for name, scored in evaluation.sets.items()}),
        {"sets": list(evaluation.sets)},
        "The first images of each set.",
        "Rows of real images, of samples and of generated images",
    )
