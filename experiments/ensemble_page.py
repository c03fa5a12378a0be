"""What a report says of an ensemble: its members and their averages side by side."""

import math
from pathlib import Path

from experiments import histograms
from experiments.old_report import Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained
from experiments.scoring import Sets, collected, detection

MIXTURE, MEAN = "ensemble: mean of likelihoods", "mean of log-likelihoods"


def in_words(members: dict[str, Sets], ensemble: Sets) -> str:
    """The result in a sentence for each foreign set."""
    test_name, *others = collected(ensemble)
    sentences = []
    for name in others:
        single = [detection(sets[test_name], sets[name]).auroc.value for sets in members.values()]
        joint = detection(ensemble[test_name], ensemble[name]).auroc
        likelier = ensemble[name].mean().interval[1] < ensemble[test_name].mean().interval[0]
        verdict = "is still likelier than" if likelier else "is not likelier, beyond the intervals, than"
        sentences.append(
            f"Under the mean likelihood of {len(members)} models {title(name)} {verdict} {title(test_name)}: "
            f"{ensemble[name].mean().value:.3f} and {ensemble[test_name].mean().value:.3f} bits/dim. "
            f"AUROC {joint:.3f[]}; of the members alone {min(single):.3f} to {max(single):.3f}."
        )
    return " ".join(sentences)


def sections(
    trained: Trained, every: dict[str, Sets], num_draws: int, of_spread: dict[str, dict[str, float]], folder: Path
) -> list[Section]:
    """Tables and figures, the latter saved below `folder`."""
    names = list(every[MIXTURE])
    members = {model: sets for model, sets in every.items() if model not in (MIXTURE, MEAN)}
    first, *others = names
    header = [
        "model",
        *(f"{title(n)}, bits/dim" for n in collected(every[MIXTURE])),
        *(f"AUROC, {title(n)}" for n in others),
    ]
    rows = [
        [
            model,
            *(f"{sets[n].mean():,.3f[]}" for n in collected(sets)),
            *(f"{detection(sets[first], sets[n]).auroc:,.3f[]}" for n in others),
        ]
        for model, sets in every.items()
    ]
    table = Table(
        "Bits per dimension, and AUROC of bits per dimension as the score (below 0.5: inverted), with 95 % intervals "
        "over images",
        header,
        rows,
    )
    disagreement = Table(
        f"How far the {len(members)} members disagree, in nats: standard deviations over them of a set's mean log P, "
        f"with an error of about {1 / math.sqrt(2 * len(members) - 2):.0%}, and of an image's log P less that mean, "
        "which is known better the more independently images deviate",
        ["set", "of the means", "about images"],
        [[title(n), *(f"{values[n]:,.1f}" for values in of_spread.values())] for n in names],
    )
    text = (
        f"The members are like this one: {trained.summarize()}. {trained.architecture.likelihood(num_draws)}\n\n"
        "For every image a mixture of K models is between its best member's log P and that less log K: it cannot make "
        "unlikely what one of them finds likely."
    )
    return [
        Section("Members and ensemble", text, [table, disagreement]),
        Section(
            "The ensemble's log-likelihoods",
            figures=[histograms.picture(every[MIXTURE], trained.num_dims, MIXTURE, folder / "ensemble")],
        ),
        Section("Each member's", figures=[histograms.panels(members, trained.num_dims, folder / "members")]),
    ]
