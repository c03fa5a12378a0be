"""log p(x) by scale of a Glow: which scale, and which of its terms, favors OOD images.

    python -m experiments scales --run-dir runs/fashion --out-dists mnist

After the steps of the finest scale, half of the dimensions leave the flow, with a prior given the rest; likewise at the
next one; the coarsest scale keeps the remainder. This page sums the prior and the log-determinant of each scale
separately. Expect for a Glow trained for two hours on FashionMNIST that MNIST gains about 700
nats, about 650 of them in the volume of the finest scale.
"""

import dataclasses
import functools

import jax
import numpy as np

from experiments.report.options import OneModel, References
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.scoring import gap, image_sets
from experiments.report.trained import Trained, heading, load_flow, title
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow, FlowTerms
from glowjax.stats import Estimate
from glowjax.train import in_batches
from glowjax.typing import Images, Key, Params

QUESTION = "At which scale of the flow, and in which of its terms, do other images gain their likelihood?"
TEXT = (
    "The prior of a scale is the log density of the latents factored out at that scale, given those passed on; its "
    "volume is the log-determinant of the scale's own steps. They sum to log p(x). The volume of the first scale "
    "includes the scaling of pixels, which is the same for every image, so only differences between sets are "
    "meaningful. In a constant-volume flow every volume is such a constant.\n\n"
    "Other reports split log p(x) into log p(z) and log |det dz/dx|, with the log-determinant of a split in the "
    "volume. Here it belongs to the prior of its scale, as in Glow, where the mean and the scale of the factored-out "
    "latents depend on the others."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesConfig(OneModel, References):
    """Options of the report by scale; the run must be one of a Glow."""


Parts = dict[str, Estimate]
"""{"scale 1, prior": mean over images in nats, ..., "total": ...}."""


def main(config: ScalesConfig) -> Result:
    """Computes the mean of each part for every set, and its difference from the test set."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, (*config.out_dists, *config.references), config)
    if not others:
        raise InputError("Neither --out-dists nor --references names a data set; name one: --out-dists mnist")
    own = parts_by_scale(trained, test, config.seed)
    means = {test.name: stats.mean(own, test.groups, name=title(test.name))}
    gaps = {}
    for one in others:
        values = parts_by_scale(trained, one, config.seed)
        means[one.name] = stats.mean(values, one.groups, name=title(one.name))
        gaps[one.name] = {part: gap(one, v, test, own[part]) for part, v in values.items()}
    figure = Figure(
        "scales",
        plots.gap_by_part({title(name): parts for name, parts in gaps.items()}, heading(trained)),
        gaps,
        f"Mean difference of each part from {title(test.name)} images; bars: 2 standard errors. Axes differ by panel.",
        "Bars of nats by scale, a panel for each set",
    )
    tables = [
        _table("Means of the parts of log p(x) over images in nats, ± standard error", means, ",.0f"),
        _table(
            f"Difference from {title(test.name)} in nats, ± standard error (paired by image for sets derived from it)",
            gaps,
            "+,.0f",
        ),
    ]
    return Result(
        f"Scale by scale, after training on {title(trained.name)}",
        QUESTION,
        summarize(test.name, gaps),
        [Section("log p(x) by scale", TEXT, tables, [figure])],
        {"means": means, "gaps": gaps},
    )


def parts_by_scale(trained: Trained[Flow], images: ImageSet, seed: int) -> dict[str, np.ndarray]:
    """{part of log p: [N] in nats} at one dequantization draw, the "total" last."""
    terms_of = functools.partial(_terms, trained.model, trained.params)
    terms = in_batches(terms_of, jax.random.key(seed), images.images)
    parts = {}
    for index in range(terms.steps_by_scale.shape[-1]):
        parts[f"scale {index + 1}, prior"] = np.asarray(terms.prior_by_scale[:, index])
        parts[f"scale {index + 1}, volume"] = np.asarray(terms.steps_by_scale[:, index])
    return parts | {"total": np.asarray(terms.log_prob)}


@functools.partial(jax.jit, static_argnums=0)
def _terms(flow: Flow, params: Params, key: Key, images: Images) -> FlowTerms:
    return flow.terms(params, dequantize(key, images))


def summarize(test: str, gaps: dict[str, Parts]) -> str:
    """The result in a sentence per set."""
    sentences = []
    for name, parts in gaps.items():
        largest = max((part for part in parts if part != "total"), key=lambda part: abs(parts[part].value))
        total = parts["total"]
        sentences.append(
            f"The mean log p of {title(name)} is {abs(total.value):,.0f} ± {total.sem:,.0f} nats "
            f"{'higher' if total.value > 0 else 'lower'} than that of {title(test)}; the part that differs most is "
            f"{largest}, by {parts[largest]:+,.0f}."
        )
    return " ".join(sentences)


def _table(caption: str, sets: dict[str, Parts], spec: str) -> Table:
    rows: list[list[Cell]] = [[title(name), *(Number(e, spec) for e in parts.values())] for name, parts in sets.items()]
    return Table(caption, ["set", *next(iter(sets.values()))], rows)
