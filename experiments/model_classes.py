"""Do other model classes see it too? Glow, CV-Glow, PixelCNN and VAE side by side (figure 3 of the paper).

    python -m experiments.model_classes --run-dirs runs/nvp runs/cv runs/pixelcnn runs/vae --out-dists mnist

Each run is one of experiments.train, all on one data set. Writes report.html, report.md, results.json and a figure of
histograms for every foreign set.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tyro

from experiments import histograms
from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load, name_each
from experiments.scoring import REFERENCES, Sets, collected, detection, draws_for, score_alike, summary
from glowjax.checks import InputError, writable_directory

QUESTION = (
    "Is it peculiar to flows that foreign images are likely, or do other models with a likelihood do the same? The "
    "same images under every model, each trained on the same set."
)


@dataclasses.dataclass(frozen=True)
class ModelClassesConfig:
    """Which runs to compare, and with which images.

    Attributes:
        run_dirs: folders of runs of experiments.train, all on one data set.
        out_dists: data sets to compare with the test set, as "mnist", "mnist:train".
        references: generated sets, drawn beneath the histograms.
        num_images: at most how many images of each set.
        num_draws: dequantisation draws an image for a Glow.
        num_latent_draws: importance samples an image for a VAE.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where the report goes.
        seed: chooses images and noise.
    """

    run_dirs: tuple[Path, ...]
    out_dists: tuple[str, ...]
    references: tuple[str, ...] = REFERENCES
    num_images: int = 1_000
    num_draws: int = 1
    num_latent_draws: int = 1_000
    data_dir: Path | None = None
    output_dir: Path = Path("results/model-classes")
    seed: int = 0


def main(config: ModelClassesConfig) -> dict[str, Any]:
    """Scores, draws and reports; returns the numbers of the table by model and data set."""
    if not config.out_dists:
        raise InputError("--out-dists names no data set; name at least one, as: --out-dists mnist")
    models = load_alike(config.run_dirs)
    folder = writable_directory(config.output_dir)
    scored = {
        name: score_alike(trained, (*config.out_dists, *config.references), config) for name, trained in models.items()
    }
    numbers = {name: summary(sets) for name, sets in scored.items()}
    lead = in_words(scored)
    page = report.write(
        folder,
        f"Model classes side by side, trained on {title(next(iter(models.values())).name)}",
        QUESTION,
        lead,
        sections(config, models, scored, folder),
        command("model_classes", config),
    )
    (folder / "results.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return numbers


def load_alike(run_dirs: tuple[Path, ...]) -> dict[str, Trained]:
    """The models of the runs by name. Raises InputError where there is none, or they were trained on several sets."""
    models = name_each([load(run_dir) for run_dir in run_dirs])
    learned = {(trained.name, trained.description.get("images")) for trained in models.values()}
    if len(learned) != 1:
        given = [f"{trained.description['num_images']:,} images of {trained.name}" for trained in models.values()]
        raise InputError(
            f"The runs were trained on {', '.join(given) or 'nothing'}; expected one or more runs, all on the same "
            "images: compare the others apart."
        )
    return models


def in_words(scored: dict[str, Sets]) -> str:
    """The result in a sentence for each foreign set."""
    test, *others = collected(next(iter(scored.values())))
    sentences = []
    for name in others:
        misled = [
            model for model, sets in scored.items() if sets[name].mean().interval[1] < sets[test].mean().interval[0]
        ]
        verdict = f"{len(misled)} of {len(scored)} models" + (f" ({', '.join(misled)})" if misled else "")
        sentences.append(
            f"To {verdict} {title(name)} images are on average more likely than {title(test)} images, beyond the 95 % "
            "intervals of both."
        )
    return " ".join(sentences)


def sections(
    config: ModelClassesConfig, models: dict[str, Trained], scored: dict[str, Sets], folder: Path
) -> list[Section]:
    """The table, and a figure for each foreign set."""
    test, *foreign = collected(next(iter(scored.values())))
    rows = [
        [
            model,
            title(name),
            entry.count(),
            f"{entry.mean():,.3f[]}",
            "" if n == 0 else f"{detection(next(iter(sets.values())), entry).auroc:,.3f[]}",
        ]
        for model, sets in scored.items()
        for n, (name, entry) in enumerate(sets.items())
    ]
    table = Table(
        "Bits per dimension (fewer is likelier) and AUROC of bits per dimension as the score (below 0.5: inverted), "
        "with 95 % intervals over images",
        ["model", "evaluated on", "images", "bits/dim", "AUROC"],
        rows,
    )
    described = "\n\n".join(f"{trained.summarize()}. {_likelihood(config, trained)}" for trained in models.values())
    return [
        Section("The models", described),
        Section("The likelihoods", "The same images for every model.", [table]),
        *(_histograms(models, scored, name, folder) for name in foreign or [test]),
    ]


def _likelihood(config: ModelClassesConfig, trained: Trained) -> str:
    return trained.architecture.likelihood(draws_for(trained, config))


def _histograms(models: dict[str, Trained], scored: dict[str, Sets], name: str, folder: Path) -> Section:
    test = next(iter(next(iter(scored.values()))))
    shown = {
        model: {other: one for other, one in sets.items() if other in (test, name) or one.images.generated}
        for model, sets in scored.items()
    }
    num_dims = next(iter(models.values())).num_dims
    path = folder / f"against-{name.replace(':', '-').replace('/', '-')}"
    return Section(f"Against {title(name)}", figures=[histograms.panels(shown, num_dims, path)])


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ModelClassesConfig, args=arguments, description=__doc__))
