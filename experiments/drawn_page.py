"""Why samples are likelier than real images, or less likely: the two terms of a flow's log density, as a section."""

from typing import Any

import numpy as np

from experiments.drawn import Continuous, Drawn
from experiments.old_report import Section, Table
from experiments.report.published import title
from experiments.scoring import Scored
from glowjax import stats
from glowjax.models import FlowTerms
from glowjax.stats import Estimate, difference

Samples = list[tuple[Drawn, Scored]]
"""Samples at each temperature, and their scores as 8-bit images."""

TERMS = ("log p(z)", "log |det dz/dx|", "log p(x)")


def in_words(test_name: str, test: Scored, samples: Samples) -> str:
    """The result in a sentence for each temperature."""
    sentences = [f"Real images ({title(test_name)}) take {test.mean():.3f[]} bits/dim."]
    for drawn, scored in samples:
        mean = scored.mean()
        if mean.interval[1] < test.mean().interval[0]:
            verdict = "samples are likelier than real images"
        elif mean.interval[0] > test.mean().interval[1]:
            verdict = "samples are less likely than real images"
        else:
            verdict = "the two intervals overlap"
        sentences.append(f"At temperature {drawn.temperature:g} the model's own samples take {mean:.3f[]}: {verdict}.")
    return " ".join(sentences)


def numbers(drawn: Drawn, test: Scored) -> dict[str, Any]:
    """What a flow says of one temperature's samples as drawn, as JSON has it; differences from `test` in nats."""
    assert drawn.continuous is not None
    assert test.flow is not None
    gaps = _gaps(drawn.continuous.terms, test.flow.terms, test)
    return {
        "log_pz_by_design_nats": drawn.expected_log_pz(),
        "values_outside_the_range": drawn.continuous.outside,
        "less_real_images_nats": {
            name: {"mean": float(gap.value), "sem": float(gap.sem)} for name, gap in zip(TERMS, gaps, strict=True)
        },
    }


def explanation(kind: str, test_name: str, test: Scored, samples: Samples) -> list[Section]:
    """Where the difference between samples and real images lies; nothing for a model that is no flow."""
    if test.flow is None:
        return []
    rows, gaps, words = [[title(test_name), "", *_means(test.flow.terms, test.images.groups)]], [], []
    for drawn, scored in samples:
        assert drawn.continuous is not None
        assert scored.flow is not None
        name = drawn.images.name
        rows.append([f"{name}, as drawn", f"{drawn.expected_log_pz():,.0f}", *_means(drawn.continuous.terms)])
        rows.append([f"{name}, 8 bits", "", *_means(scored.flow.terms)])
        against = _gaps(drawn.continuous.terms, test.flow.terms, test)
        rounding = _rounding(drawn.continuous, scored.flow.terms)
        gaps.append([f"{name}, as drawn, less real images", *(f"{gap:+,.0f}" for gap in against)])
        gaps.append([f"{name}, 8 bits less as drawn", *(f"{change:+,.0f}" for change in rounding)])
        words.append(_one_in_words(drawn, against, rounding[2]))
    text = (
        "log p(x) = log p(z) + log |det dz/dx|. A sample's latents are drawn as N(0, T^2 I), so the mean of its first "
        "term is known before any image is made: -D/2 (log 2 pi + T^2) for D dimensions. At temperature 1 the mean of "
        "log p over samples is minus the model's own entropy, and that over real images minus a cross-entropy: nothing "
        "says which is higher. Below it log p(z) rises by D/2 (1 - T^2) nats whatever the model has learned, and the "
        "volume goes its own way. Then samples are rounded to 8 bits and clipped to 0..255, and scored with fresh "
        "dequantisation noise, which makes images that the flow did not draw.\n\n"
    ) + "\n\n".join(words)
    tables = [
        Table(
            "Means in nats with 95 % intervals over images",
            ["set", "log p(z) by design", *TERMS],
            rows,
        ),
        Table("Differences of means in nats, with standard errors", ["difference", *TERMS], gaps),
    ]
    return [Section(f"{kind}: why", text, tables)]


def _one_in_words(drawn: Drawn, against: tuple[Estimate, ...], rounding: Estimate) -> str:
    prior, volume, total = against
    assert drawn.continuous is not None
    larger = "volume" if abs(float(volume.value)) > abs(float(prior.value)) else "latents"
    return (
        f"At temperature {drawn.temperature:g}, as measured: as they are drawn, samples differ from real images by "
        f"{total:+,.0f} nats, {prior:+,.0f} in log p(z) and {volume:+,.0f} in the volume: the larger of "
        f"the two is that of the {larger}. {drawn.continuous.outside:.1%} of their values lie outside a pixel's range; "
        f"rounding and clipping change the mean of log p by {rounding:+,.0f}."
    )


def _gaps(terms: FlowTerms, real: FlowTerms, test: Scored) -> tuple[Estimate, Estimate, Estimate]:
    """Means over samples less means over real images: of log p(z), of the volume and of their sum."""
    groups = test.images.groups
    prior = difference(stats.mean(terms.log_pz), stats.mean(real.log_pz, groups))
    volume = difference(stats.mean(terms.log_det), stats.mean(real.log_det, groups))
    total = difference(stats.mean(terms.log_pz + terms.log_det), stats.mean(real.log_pz + real.log_det, groups))
    return prior, volume, total


def _rounding(drawn: Continuous, rounded: FlowTerms) -> tuple[Estimate, Estimate, Estimate]:
    """The mean change of each term as the same samples become 8-bit images."""
    prior, volume = rounded.log_pz - drawn.terms.log_pz, rounded.log_det - drawn.terms.log_det
    return stats.mean(prior), stats.mean(volume), stats.mean(prior + volume)


def _means(terms: FlowTerms, groups: np.ndarray | None = None) -> list[str]:
    values = (terms.log_pz, terms.log_det, terms.log_pz + terms.log_det)
    return [f"{stats.mean(one, groups):,.0f[]}" for one in values]
