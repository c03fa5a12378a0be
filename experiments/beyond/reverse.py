"""Both directions of a pair of data sets: trained on A and evaluated on B, trained on B and evaluated on A.

    python -m experiments reverse --run-dirs runs/fashion runs/mnist

The paradox has a direction: a model of clothes prefers digits, a model of digits does not prefer clothes. Two runs form
a pair if their images have one shape, the models are of one kind, and the training sets differ. Expect after minutes of
training an AUROC of about 0.2 for MNIST under a model of FashionMNIST, and near 1 the other way round.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from experiments.report import histograms
from experiments.report.experiment import References, SeveralModels
from experiments.report.page import Cell, Number, Result, Section, Table, slug
from experiments.report.scoring import Evaluation, evaluate_alike
from experiments.report.trained import Trained, load, title
from glowjax.checks import InputError

QUESTION = "A model can find other images more likely than those it was trained on. Does it in both directions?"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReverseConfig(SeveralModels, References):
    """Options of the comparison; every run is also evaluated on --out-dists."""


def main(config: ReverseConfig) -> Result:
    """Evaluates either model of each pair on the test sets of both."""
    models = [load(run_dir) for run_dir in config.run_dirs]
    pairs = pairs_of(models)
    evaluated = [both_directions(pair, config) for pair in pairs]
    figures = [
        histograms.several_models(by_model, a.num_dims, slug(f"{a.name}-{b.name}-{a.kind}"))
        for (a, b), by_model in zip(pairs, evaluated, strict=True)
    ]
    described = "\n\n".join(f"{trained.kind_and_data}: {trained.summarize()}." for trained in models)
    text = (
        "A positive gap with an AUROC below 0.5 is the paradox: the set that the model never saw is more likely than "
        "test images of the set on which it was trained."
    )
    return Result(
        "Both directions of each pair",
        QUESTION,
        summarize(evaluated),
        [Section("The models", described), Section("Both directions", text, [_table(evaluated)], figures)],
        {
            f"{a.name} and {b.name}, {a.kind}": {model: _numbers(one) for model, one in by_model.items()}
            for (a, b), by_model in zip(pairs, evaluated, strict=True)
        },
    )


def pairs_of(models: Sequence[Trained]) -> list[tuple[Trained, Trained]]:
    """Every two models of one kind and image shape that were trained on different sets.

    Raises InputError if there is none, or if two models of one kind were trained on one set.
    """
    kinds = [one.kind_and_data for one in models]
    if len(set(kinds)) < len(kinds):
        raise InputError(
            f"The runs are {', '.join(kinds)}; expected one of each. To compare models of one data set: python -m "
            "experiments model_classes --run-dirs ..."
        )
    pairs = [
        (a, b)
        for a, b in itertools.combinations(models, 2)
        if a.kind == b.kind and a.name != b.name and a.description["image_shape"] == b.description["image_shape"]
    ]
    if not pairs:
        given = ", ".join(f"{one.kind_and_data} ({one.description['image_shape']})" for one in models)
        raise InputError(
            f"The runs are {given or 'none'}; expected two or more models of one kind and image shape, trained on "
            "different sets."
        )
    return pairs


def both_directions(pair: tuple[Trained, Trained], config: ReverseConfig) -> dict[str, Evaluation]:
    """{model: its own test set and the others, that of the other model first}."""
    return {
        own.kind_and_data: evaluate_alike(own, (f"{other.in_dist}:test", *config.out_dists, *config.references), config)
        for own, other in (pair, pair[::-1])
    }


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    gaps = {name: {"gap_nats": evaluation.gap(name).as_dict()} for name in evaluation.others}
    return {name: row | gaps.get(name, {}) for name, row in evaluation.numbers().items()}


def summarize(evaluated: Sequence[dict[str, Evaluation]]) -> str:
    """The result in a sentence per direction."""
    sentences = []
    for model, evaluation in (item for by_model in evaluated for item in by_model.items()):
        name, other = next(iter(evaluation.others.items()))
        bits, own = other.mean(), evaluation.test.mean()
        if bits.interval[1] < own.interval[0]:
            verdict = "are more likely than"
        elif bits.interval[0] > own.interval[1]:
            verdict = "are less likely than"
        else:
            verdict = "are as likely, within the intervals, as"
        sentences.append(
            f"Under the {model}, {title(name)} images {verdict} {title(evaluation.test.images.name)} images: "
            f"{bits.value:.2f} and {own.value:.2f} bits/dim."
        )
    return " ".join(sentences)


def _table(evaluated: Sequence[dict[str, Evaluation]]) -> Table:
    rows: list[list[Cell]] = []
    for model, evaluation in (item for by_model in evaluated for item in by_model.items()):
        own = evaluation.test
        name, other = next(iter(evaluation.others.items()))
        rows.append(
            [
                model,
                f"{title(own.images.name)}, {own.count()}",
                Number(own.mean(), ".3f[]"),
                f"{title(name)}, {other.count()}",
                Number(other.mean(), ".3f[]"),
                Number(evaluation.gap(name), "+,.0f"),
                Number(evaluation.detection(name).auroc, ".3f[]"),
            ]
        )
    caption = (
        "Bits per dimension (fewer is more likely) and AUROC of bits per dimension as the score, with 95 % intervals "
        "over images; gap: mean log P of the other set minus that of the model's own, ± standard error"
    )
    header = ["model", "own test set, images", "bits/dim", "other set, images", "bits/dim", "gap [nats]", "AUROC"]
    return Table(caption, header, rows)
