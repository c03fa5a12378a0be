"""Every score for out-of-distribution detection on the same images and models, beside null models.

    python -m experiments detection --run pretrained:fashion-mnist --out-dists mnist

All scores that the model can give are fitted to in-distribution validation images alone, and compared on OOD sets and
on generated sets that should be easy. Expect for the pretrained NVP-Glow of FashionMNIST that the likelihood ranks
nearly every digit as more likely than the test images, and that several scores which win on digits lose on constant
images. Statistics are kept in files, so a killed command goes on where it was.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.figures.ensemble import load_members
from experiments.figures.model_classes import load_alike
from experiments.ood import figures, tables, tuned
from experiments.ood.budget import check_minutes
from experiments.ood.collected import Sources, collect
from experiments.ood.kept import Source
from experiments.ood.outcomes import LIKELIHOOD, NULL, Row, rows_of
from experiments.ood.sets import SAMPLES, Sets, image_sets_of, with_samples
from experiments.report.experiment import runs_of
from experiments.report.options import REFERENCES, References, SeveralModels
from experiments.report.page import Result, Section, moved
from experiments.report.trained import Trained, described, load, title
from glowjax import ood
from glowjax.checks import InputError
from glowjax.models import Flow

QUESTION = (
    "Which score of a generative model recognizes images from elsewhere? Each score is a number per image, higher if "
    "it takes the image for out-of-distribution. Null models, which know nothing of the model, show what a set gives "
    "away for free."
)
HONESTY = (
    "Every score is fitted to the reference alone: {reference}. No score has seen an OOD image or label, and the sign "
    "of a score is that of its paper, whatever the AUROC. Rows named 'tuned with OOD labels' are the exception: they "
    "follow a paper's protocol, and their numbers are what one would get by knowing the answer. Best and worst are "
    "chosen by AUROC, to describe this page and not to choose a score."
)
READING = (
    "An AUROC of 0.5 is chance, 1 is perfect, and below 0.5 the OOD images look more in-distribution than the test "
    "images do. The interval is over images, by photo or font if these are known; it does not cover the choice of the "
    "model. Scores of batches belong to consecutive images in a random order; their intervals take the batches as "
    "independent. Their difference from the likelihood is left out, because the likelihood scores single images."
)

EASY = (
    "Noise, constant images and faded test images are told apart by eye, and a good model's samples are not. A score "
    "that is far below 0.5 on the former does not measure novelty, however well it does on another data set."
)

MOST_REASONS = 5
"""The number of scores whose failure is told if all fail."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectionConfig(SeveralModels, References):
    """Options of the comparison of scores.

    Attributes:
        run_dirs: the models, each a folder of a run of `train`, or of several that differ in their seed (seed-0,
            seed-1, ...); pretrained:NAME; or a saved .safetensors file.
        references: generated sets that should be easy, in every table; a score that wins elsewhere may lose on them.
            "samples" are the model's own, except for a PixelCNN, which samples slowly.
        num_images: maximum number of images per set.
        num_latent_draws: importance samples per image for a VAE.
        scores: scores or groups of scores by name; default: all that the models can give.
        minutes: the time that the statistics share which need more than one forward pass; slow ones are computed on
            as many images as fit. None: all images.
        background_run: the run of a background model, for likelihood ratios.
        members: the runs of an ensemble, for WAIC and the variance over members; or the folder of several seeds.
    """

    run_dirs: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=("--run", "--run-dir"))]
    references: tuple[str, ...] = (*REFERENCES, SAMPLES)
    num_images: int = 2_000
    num_latent_draws: int = 50
    scores: tuple[str, ...] = ()
    minutes: float | None = 4.5
    background_run: Path | None = None
    members: tuple[Path, ...] = ()


def main(config: DetectionConfig) -> Result:
    """Computes statistics, fits every score, and compares them."""
    check_minutes(config.minutes)
    names = chosen(config.scores)
    models = load_alike(config.run_dirs)
    trained = next(iter(models.values()))
    without_samples = image_sets_of(trained, config.out_dists, config.references, config)
    sections, summaries = [], []
    numbers: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for name, model in models.items():
        sets = with_samples(without_samples, model, config.seed) if SAMPLES in config.references else without_samples
        rows, lacking = compared(config, model, names, sets)
        failures |= lacking | {row.entry.name: "; ".join(set(row.failures.values())) for row in rows}
        of_model = _sections(config, model, rows, lacking, sets)
        is_single = len(models) == 1
        sections += of_model if is_single else [moved(one, name, f"model-{len(numbers)}") for one in of_model]
        found = summarize(rows, sets)
        summaries.append(found if is_single else f"{name}: {found}")
        numbers[name] = {
            "model": model.summarize(),
            "sets": sets.numbers(),
            "scores": tables.numbers(rows, lacking),
            "tuned_with_ood_labels": tuned.hulls(rows),
        }
    if not any(score.get("sets") for one in numbers.values() for score in one["scores"].values()):
        reasons = [f"{name}: {reason}" for name, reason in failures.items()]
        raise InputError("No score has a number. " + "\n".join(reasons[:MOST_REASONS]))
    return Result(
        f"Scores for OOD detection after training on {title(trained.name)}",
        QUESTION,
        "\n\n".join(summaries),
        sections,
        numbers,
    )


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The scores that names of scores and groups stand for; all of them by default."""
    return tuple(one.name for one in ood.entries(names)) or tuple(ood.SCORES)


def compared(
    config: DetectionConfig, trained: Trained, names: Sequence[str], sets: Sets
) -> tuple[list[Row], dict[str, str]]:
    """The rows of one model, and {score: why it has none}."""
    options = ood.Options(num_draws=config.num_draws, num_latent_draws=config.num_latent_draws)
    folder = config.folder / "statistics"
    background = [] if config.background_run is None else [load(config.background_run)]
    runs = [run_dir for several in config.members for run_dir in runs_of(several)]
    members = load_members(runs) if runs else []
    own, *others = (Source(one, options, config.seed, folder) for one in (trained, *background, *members))
    sources = Sources(own, others[0] if background else None, others[len(background) :])
    reasons = {name: sources.lacks(ood.SCORES[name]) for name in (LIKELIHOOD, *names)}
    able = [name for name, reason in reasons.items() if not reason]
    rows, lacking = rows_of(collect(sources, sets.all, able, config.minutes), able, sets)
    rows = tables.ordered([row for row in rows if row.entry.name in names])
    return rows, {name: reason for name, reason in reasons.items() if reason} | lacking


def summarize(rows: Sequence[Row], sets: Sets) -> str:
    """The result in a few sentences per set that was asked for, or per easy set if there is no other."""
    return " ".join(_sentence(rows, one.name) for one in sets.shown)


def _sentence(rows: Sequence[Row], name: str) -> str:
    able = [row for row in rows if name in row.outcomes]
    own = [row for row in able if not row.is_null and not row.is_of_batches]
    base = [row.outcomes[name].metrics.auroc for row in own if row.entry.name == LIKELIHOOD]
    parts = [f"the likelihood has AUROC {auroc:.3f[]}" for auroc in base]
    if winner := tables.best(own, name):
        parts.append(f"the best score is {winner.entry.name} with {winner.outcomes[name].metrics.auroc:.3f[]}")
    if null := tables.best([row for row in able if row.is_null], name):
        better = sum(row.outcomes[name].beats_null for row in own)
        parts.append(
            f"{better} of {len(own)} scores are above the best of the {NULL}, {null.entry.name} with "
            f"{null.outcomes[name].metrics.auroc:.3f[]}, by more than their intervals"
        )
    return f"{title(name)}: {'; '.join(parts)}." if parts else f"{title(name)}: no score has a number."


def _sections(
    config: DetectionConfig,
    trained: Trained,
    rows: Sequence[Row],
    lacking: Mapping[str, str],
    sets: Sets,
) -> list[Section]:
    last = Section("What each score is", "", [tables.formulas(rows), tables.foot(rows, lacking)])
    if not any(row.outcomes for row in rows):
        return [last]
    count = f"{sets.reference.num_images:,} images of {title(sets.reference.name)}"
    honesty = HONESTY.format(reference=f"{count} ({sets.reference.source})")
    sections = [
        Section(
            "All scores",
            "\n\n".join([described(trained, config.num_draws), honesty, READING]),
            [tables.main_table(rows, sets.shown)],
            [figures.heat_map(rows, sets)],
        ),
        Section(
            "The best, the worst and the likelihood",
            figures=[figures.curves(rows, sets), *(figures.histograms(rows, one, sets.test) for one in sets.shown)],
        ),
    ]
    if sets.asked and sets.easy:
        sections.append(Section("Sets that should be easy", EASY, [tables.auroc_table(rows, sets.easy)]))
    text = "Areas under precision and recall are balanced: both sets weigh the same, so chance is 0.5."
    sections.append(Section("Other metrics", text, [tables.precision_table(rows, one.name) for one in sets.shown]))
    if tuned.DIMENSION in chosen(config.scores) and isinstance(trained.model, Flow):
        sections.append(tuned.section(tuned.hulls(rows), sets))
    return [*sections, last]
