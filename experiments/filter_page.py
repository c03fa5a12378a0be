"""The tables and figures of the filter experiment, as sections of a report."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.gates import (
    CLASSIFIER,
    LIKELIHOOD,
    TYPICALITY,
    Answered,
    scores,
    thresholds,
)
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained
from glowjax import plots
from glowjax.ood import area_under_risk, risk_coverage
from glowjax.stats import Estimate, mean, share

NUM_POINTS = 200
"""Of a risk-coverage curve in the figure."""

Results = dict[str, Any]


def in_words(test: str, foreign: list[str], results: Results, kept: float) -> str:
    """The result in a few sentences."""
    sentences = [
        f"The classifier is right on {results[test]['accuracy']['value']:.1%} of {title(test)} images, and wrong with "
        f"confidence on {results[test]['confidently_wrong']['value']:.1%} of them."
    ]
    for name in foreign:
        gates = results[name]["gates"]
        passing = {gate: values[f"{kept:g}"]["passing"]["value"] for gate, values in gates.items()}
        by_rule = {
            rule: [f"{passing[gate]:.0%} ({gate.removesuffix(f', {rule}')})" for gate in gates if gate.endswith(rule)]
            for rule in (LIKELIHOOD, TYPICALITY)
        }
        sentences.append(
            f"On {title(name)} it is confident, and so wrong, on {results[name]['confidently_wrong']['value']:.1%}. "
            f"Gates that keep {kept:.0%} of validation images let pass, by likelihood: "
            f"{', '.join(by_rule[LIKELIHOOD])}; by typicality: {', '.join(by_rule[TYPICALITY])}; by the classifier's "
            f"own confidence: {passing[', '.join(CLASSIFIER)]:.0%}."
        )
    return " ".join(sentences)


def sections(
    models: dict[str, Trained],
    results: Results,
    rotated: dict[float, Answered],
    foreign: dict[str, Answered],
    validation: Answered,
    kept: tuple[float, ...],
    confident: float,
    folder: Path,
) -> list[Section]:
    """Tables and figures, the latter saved below `folder`."""
    described = "\n\n".join(f"{trained.summarize()}." for trained in models.values())
    return [
        Section("The models", described),
        _classifier(results, confident),
        *(_gates(results, limit, confident) for limit in kept),
        _by_angle(rotated, validation, kept[0], folder),
        _risk_coverage(rotated[0.0], foreign, validation, folder),
    ]


def _brief(values: dict[str, float]) -> str:
    return f"{Estimate(count=0, **values):,.3f[]}"


def _classifier(results: Results, confident: float) -> Section:
    rows = [
        [
            title(name),
            f"{entry['num_images']:,}",
            _brief(entry["accuracy"]),
            f"{entry['confidence']['mean']:.3f}",
            _brief(entry["confidently_wrong"]),
        ]
        for name, entry in results.items()
    ]
    return Section(
        "The classifier alone",
        "A foreign image has no class here: every answer to it is wrong. Rotated images keep their class.",
        [
            Table(
                f"Shares of images with 95 % intervals; confident means a probability of {confident:g} or more",
                ["set", "images", "right", "mean confidence", "confidently wrong"],
                rows,
            )
        ],
    )


def _gates(results: Results, limit: float, confident: float) -> Section:
    gates = list(next(iter(results.values()))["gates"])

    def table(what: str, caption: str) -> Table:
        rows = [
            [title(name), *(_brief(entry["gates"][gate][f"{limit:g}"][what]) for gate in gates)]
            for name, entry in results.items()
        ]
        return Table(caption, ["set", *gates], rows)

    return Section(
        f"Gates that keep {limit:.0%} of validation images",
        "A likelihood gate refuses what is less likely than a threshold; a two-sided, typicality gate refuses what is "
        "further from the mean log-likelihood of validation images than one, on either side.",
        [
            table("passing", "Share of images that pass, with 95 % intervals"),
            table(
                "passing_and_confidently_wrong",
                f"Share of images that pass and are then answered wrongly with a confidence of {confident:g} or more",
            ),
        ],
    )


def _by_angle(rotated: dict[float, Answered], validation: Answered, kept: float, folder: Path) -> Section:
    limits = thresholds(validation, kept)
    passing = {
        gate: [share(scores(images, validation)[gate] <= limit, images.groups) for images in rotated.values()]
        for gate, limit in limits.items()
    }
    accuracy = [share(images.right, images.groups) for images in rotated.values()]
    confidence = [mean(images.predicted.confidence, images.groups) for images in rotated.values()]
    figure = plots.acceptance_by_angle(list(rotated), accuracy, confidence, passing, kept)
    data = {
        "angles": list(rotated),
        "accuracy": accuracy,
        "confidence": confidence,
        "passing": {", ".join(gate): values for gate, values in passing.items()},
    }
    picture = Picture(
        plots.save(figure, folder / "rotated", data),
        "Left: accuracy and confidence by angle; Louizos and Welling saw the former fall faster than the latter. "
        f"Right: the share of rotated images that each gate lets through, if it keeps {kept:.0%} of validation images.",
        "Accuracy and confidence by angle, and the share that passes each gate",
    )
    return Section("Rotated images", figures=[picture])


def _risk_coverage(clean: Answered, foreign: dict[str, Answered], validation: Answered, folder: Path) -> Section:
    coverage, risk, best, rows = {}, {}, {}, []
    for name, images in foreign.items():
        count = min(len(clean.right), len(images.right))
        halves = [(~one.right[:count], None if one.groups is None else one.groups[:count]) for one in (clean, images)]
        wrong = np.concatenate([half[0] for half in halves])
        inside, outside = scores(clean, validation), scores(images, validation)
        curves, areas = {}, {}
        grid = np.linspace(1 / NUM_POINTS, 1, NUM_POINTS)
        for gate in inside:
            of_halves = (inside[gate][:count], outside[gate][:count])
            covered, risks = risk_coverage(np.concatenate(of_halves), wrong)
            curves[gate] = np.interp(grid, covered, risks)
            areas[", ".join(gate)] = area_under_risk(
                [(score, *half) for score, half in zip(of_halves, halves, strict=True)]
            )
        covered, risks = risk_coverage(wrong.astype(float) + np.arange(2 * count) / (4 * count), wrong)
        key = title(name)
        coverage[key], risk[key], best[key] = grid, curves, np.interp(grid, covered, risks)
        rows += [[key, gate, f"{area:,.3f[]}"] for gate, area in areas.items()]
    figure = plots.risk_coverage(coverage, risk, best)
    data = {
        name: {"coverage": coverage[name], "best": best[name], **{", ".join(g): c for g, c in risk[name].items()}}
        for name in risk
    }
    picture = Picture(
        plots.save(figure, folder / "risk-coverage", data),
        "Half of the images are clean test images, half foreign ones, to which every answer is wrong. Images are "
        "accepted in the order of each gate's score. Lower is better; a gate that prefers foreign images starts high.",
        "Risk against coverage for each gate",
    )
    return Section(
        "Risk and coverage",
        "A gate that knows foreign images accepts clean ones first: its risk stays low until half is accepted.",
        [Table("Area under the risk-coverage curve, with 95 % bootstrap intervals", ["half", "gate", "area"], rows)],
        [picture],
    )
