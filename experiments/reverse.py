"""Both directions of each pair in one table: trained on A and asked about B, trained on B and asked about A.

    python -m experiments.reverse --run-dirs runs/fashion runs/mnist

The paradox has a direction: a model of clothes prefers digits, a model of digits does not prefer clothes. Every two of
the runs with images of one shape, models of one kind and different training sets make a pair. Writes report.html,
report.md, results.json and a figure of histograms for each pair.
"""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import tyro

from experiments import histograms
from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load
from experiments.scoring import REFERENCES, Sets, detection, gap, score_alike, summary
from glowjax.checks import InputError, writable_directory
from glowjax.stats import Estimate

QUESTION = "Where a model finds other images likelier than those it learned: does it do so in the other direction too?"


@dataclasses.dataclass(frozen=True)
class ReverseConfig:
    """Which runs to compare, and with which images.

    Attributes:
        run_dirs: folders of runs of experiments.train, on two data sets or more.
        references: generated sets, drawn beneath the histograms.
        num_images: at most how many images of each set.
        num_draws: dequantisation draws an image for a Glow.
        num_latent_draws: importance samples an image for a VAE.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where the report goes.
        seed: chooses images and noise.
    """

    run_dirs: tuple[Path, ...]
    references: tuple[str, ...] = REFERENCES
    num_images: int = 2_000
    num_draws: int = 1
    num_latent_draws: int = 1_000
    data_dir: Path | None = None
    output_dir: Path = Path("results/reverse")
    seed: int = 0


Pair = dict[str, Sets]
"""{"NVP-Glow trained on A": its sets, A's test set first and B's second, and the same for B}."""


def main(config: ReverseConfig) -> dict[str, Any]:
    """Scores, draws and reports; returns the numbers of the table by pair, model and data set."""
    models = [load(run_dir) for run_dir in config.run_dirs]
    pairs = pairs_of(models)
    folder = writable_directory(config.output_dir)
    scored = [both_directions(pair, config) for pair in pairs]
    results = {
        f"{a.name} and {b.name}, {a.kind}": {model: summary_with_gaps(sets) for model, sets in pair.items()}
        for (a, b), pair in zip(pairs, scored, strict=True)
    }
    lead = in_words(scored)
    described = "\n\n".join(f"{trained.summarize()}." for trained in models)
    figures = [
        histograms.panels(sets, pair[0].num_dims, folder / f"{pair[0].name}-{pair[1].name}-{pair[0].kind}")
        for pair, sets in zip(pairs, scored, strict=True)
    ]
    text = (
        "A positive gap with an AUROC below 0.5 is the paradox: the set that the model never saw is likelier than test "
        "images of the set that it learned."
    )
    page = report.write(
        folder,
        "Both directions of each pair",
        QUESTION,
        lead,
        [Section("The models", described), Section("Both directions", text, [_table(scored)], figures)],
        command("reverse", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def pairs_of(models: Sequence[Trained]) -> list[tuple[Trained, Trained]]:
    """Every two models of one kind and image shape that learned different sets.

    Raises InputError where there is none, or two models are of one kind and learned one set.
    """
    kinds = [one.kind_and_data for one in models]
    if len(set(kinds)) < len(kinds):
        raise InputError(
            f"The runs are of {', '.join(kinds)}; expected one of each: compare those that are alike with each "
            "other, by experiments.model_classes."
        )
    pairs = [
        (a, b)
        for a, b in itertools.combinations(models, 2)
        if a.kind == b.kind and a.name != b.name and a.description["image_shape"] == b.description["image_shape"]
    ]
    if not pairs:
        given = ", ".join(f"{one.kind_and_data} ({one.description['image_shape']})" for one in models)
        raise InputError(
            f"The runs are of {given or 'nothing'}; expected two or more models of one kind and image shape, trained "
            "on different sets."
        )
    return pairs


def both_directions(pair: tuple[Trained, Trained], config: ReverseConfig) -> Pair:
    """The sets of one pair under either model."""
    directions: Pair = {}
    for trained, other in (pair, pair[::-1]):
        specs = (f"{other.in_dist}:test", *config.references)
        directions[trained.kind_and_data] = score_alike(trained, specs, config)
    return directions


def gap_to_first(sets: Sets, name: str) -> Estimate:
    """The mean log P of a set less that of the first one, in nats, with its standard error."""
    test, other = next(iter(sets.values())), sets[name]
    return gap(other.images, jnp.asarray(other.log_likelihood), test.images, jnp.asarray(test.log_likelihood))


def summary_with_gaps(sets: Sets) -> dict[str, Any]:
    """A model's numbers by data set, as JSON has them."""
    numbers = summary(sets)
    for name in list(sets)[1:]:
        of_gap = gap_to_first(sets, name)
        numbers[name]["gap_nats"] = {"mean": float(of_gap.value), "sem": float(of_gap.sem)}
    return numbers


def in_words(pairs: list[Pair]) -> str:
    """The result in a sentence for each direction."""
    sentences = []
    for pair in pairs:
        for model, sets in pair.items():
            (own_name, own), (other_name, other) = list(sets.items())[:2]
            if other.mean().interval[1] < own.mean().interval[0]:
                verdict = "are likelier than"
            elif other.mean().interval[0] > own.mean().interval[1]:
                verdict = "are less likely than"
            else:
                verdict = "are within the intervals of"
            sentences.append(
                f"Under the {model}, {title(other_name)} images {verdict} {title(own_name)} images: "
                f"{other.mean().value:.2f} and {own.mean().value:.2f} bits/dim."
            )
    return " ".join(sentences)


def _table(pairs: list[Pair]) -> Table:
    rows = []
    for pair in pairs:
        for model, sets in pair.items():
            (own_name, own), (name, scored) = list(sets.items())[:2]
            of_gap = gap_to_first(sets, name)
            rows.append(
                [
                    model,
                    f"{title(own_name)}: {own.mean():,.3f[]}",
                    f"{title(name)}: {scored.mean():,.3f[]}",
                    f"{of_gap:+,.0f}",
                    f"{detection(own, scored).auroc:,.3f[]}",
                ]
            )
    own_sets = [next(iter(sets.items())) for pair in pairs for sets in pair.values()]
    counts = {title(name): scored.count() for name, scored in own_sets}
    caption = (
        "Bits per dimension (fewer is likelier) and AUROC of bits per dimension as the score, with 95 % intervals over "
        "images; gap: mean log P of the other set less that of the model's own, in nats, with its standard error. "
        f"Images: {', '.join(f'{name} {count}' for name, count in counts.items())}"
    )
    return Table(caption, ["model", "own test set, bits/dim", "other set, bits/dim", "gap [nats]", "AUROC"], rows)


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ReverseConfig, args=arguments, description=__doc__))
