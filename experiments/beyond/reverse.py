"""Both directions of a pair of data sets: trained on A and evaluated on B, trained on B and evaluated on A.

    python -m experiments reverse --run-dirs runs/fashion runs/mnist

The paradox has a direction: a model of clothes prefers digits, a model of digits does not prefer clothes. Two runs form
a pair if their images have one shape, the models are of one kind, and the training sets differ. Expect after minutes of
training an AUROC of about 0.1 for MNIST under a model of FashionMNIST, and near 1 the other way round.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from experiments.report import histograms
from experiments.report.options import References, SeveralModels
from experiments.report.page import Cell, Number, Result, Section, Table, slug
from experiments.report.scoring import Evaluation, evaluate, gap
from experiments.report.trained import Trained, heading, load, title
from glowjax.checks import InputError
from glowjax.stats import Estimate

QUESTION = "A model can find other images more likely than those it was trained on. Does it in both directions?"
TEXT = (
    "A positive gap with an AUROC below 0.5 is the paradox: the set that the model never saw is more likely than test "
    "images of the set on which it was trained."
)
VERDICTS = {
    "more": "are more likely than",
    "less": "are less likely than",
    "": "are as likely, within the intervals, as",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReverseConfig(SeveralModels, References):
    """Options of the comparison; every run is also evaluated on --out-dists."""


def main(config: ReverseConfig) -> Result:
    """Evaluates either model of each pair on the test sets of both."""
    models = [load(run_dir) for run_dir in config.run_dirs]
    evaluated: list[tuple[str, Evaluation]] = []
    figures, numbers = [], {}
    changes: list[list[Cell]] = []
    for a, b in pairs_of(models):
        by_model = both_directions(a, b, config)
        changed = change(by_model)
        changes.append([f"from {title(a.name)} to {title(b.name)}, {a.title}", Number(changed, "+,.0f")])
        evaluated += by_model.items()  # a model is in several pairs if there are three
        figures.append(histograms.several_models(by_model, a.num_dims, slug(f"{a.name}-{b.name}-{a.title}")))
        numbers[f"{a.name} and {b.name}, {a.title}"] = {
            model: {
                name: row
                | ({"gap_nats": one.gap(name)} if name in one.others else {})
                | ({"gap_minus_other_model_nats": changed} if name == next(iter(one.others)) else {})
                for name, row in one.numbers().items()
            }
            for model, one in by_model.items()
        }
    described = "\n\n".join(f"{heading(trained)}: {trained.summarize()}." for trained in models)
    sections = [
        Section("The models", described),
        Section("Both directions", TEXT, [_table(evaluated), _paired(changes)], figures),
    ]
    return Result("Both directions of each pair", QUESTION, summarize(evaluated), sections, numbers)


def pairs_of(models: Sequence[Trained]) -> list[tuple[Trained, Trained]]:
    """Every two models of one kind and image shape that were trained on different sets.

    Raises InputError if there is none, or if two models of one kind were trained on one set.
    """
    kinds = list(map(heading, models))
    if len(set(kinds)) < len(kinds):
        raise InputError(
            f"The runs are {', '.join(kinds)}; expected one of each. To compare models of one data set: python -m "
            "experiments model-classes --run-dirs ..."
        )
    pairs = [
        (a, b)
        for a, b in itertools.combinations(models, 2)
        if a.title == b.title and a.name != b.name and a.description["image_shape"] == b.description["image_shape"]
    ]
    if not pairs:
        given = ", ".join(f"{heading(one)} ({one.description['image_shape']})" for one in models)
        raise InputError(
            f"The runs are {given or 'none'}; expected two or more models of one kind and image shape, trained on "
            "different sets."
        )
    return pairs


def both_directions(a: Trained, b: Trained, config: ReverseConfig) -> dict[str, Evaluation]:
    """{model: its own test set and the others, that of the other model first}."""
    more = (*config.out_dists, *config.references)
    return {heading(own): evaluate(own, (f"{other.in_dist}:test", *more), config) for own, other in ((a, b), (b, a))}


def change(by_model: dict[str, Evaluation]) -> Estimate:
    """The gap from the first model's test set to the second's under the first model, minus that under the second.

    The other way round it is the same number.
    """
    a, b = by_model.values()
    in_b, in_a = b.sets[a.test.images.name], a.sets[b.test.images.name]
    own = a.test.log_likelihood - in_b.log_likelihood
    return gap(in_a.images, in_a.log_likelihood - b.test.log_likelihood, a.test.images, own)


def summarize(evaluated: Sequence[tuple[str, Evaluation]]) -> str:
    """The result in a sentence per direction."""
    sentences = []
    for model, evaluation in evaluated:
        name, other = next(iter(evaluation.others.items()))
        sentences.append(
            f"Under the {model}, {title(name)} images {VERDICTS[evaluation.likelihood(name)]} "
            f"{title(evaluation.test.images.name)} images: {other.mean().value:.2f} and "
            f"{evaluation.test.mean().value:.2f} bits/dim."
        )
    return " ".join(sentences)


def _paired(changes: Sequence[Sequence[Cell]]) -> Table:
    return Table(
        "The same images under both models of a pair: the gap under the model of the first set minus the gap under the "
        "model of the second, ± standard error, paired by image",
        ["gap", "difference [nats]"],
        changes,
    )


def _table(evaluated: Sequence[tuple[str, Evaluation]]) -> Table:
    rows: list[list[Cell]] = []
    for model, evaluation in evaluated:
        own = evaluation.test.images.name
        count, bits, _ = evaluation.row(own)
        name = next(iter(evaluation.others))
        other_count, other_bits, auroc = evaluation.row(name)
        sets = [f"{title(own)}, {count}", bits, f"{title(name)}, {other_count}", other_bits]
        rows.append([model, *sets, Number(evaluation.gap(name), "+,.0f"), auroc])
    caption = (
        "Bits per dimension (fewer is more likely) and AUROC of bits per dimension as the score, with 95 % intervals "
        "over images; gap: mean log P of the other set minus that of the model's own, ± standard error"
    )
    header = ["model", "own test set, images", "bits/dim", "other set, images", "bits/dim", "gap [nats]", "AUROC"]
    return Table(caption, header, rows)
