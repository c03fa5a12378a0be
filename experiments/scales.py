"""Which scale of a Glow finds an image likely? log p(x) by scale, its priors and its volumes, in tables and a figure.

    python -m experiments.scales --run-dir runs/fashion --out-dists mnist

The finest scale lets half of the dimensions go after its steps, with a prior given the rest; so does the next; the
coarsest keeps what is left. Each scale's prior and log-determinant are summed apart, for the test set, foreign sets and
generated ones. Writes report.html, report.md, results.json and the figure below the run's folder.
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import jax
import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load_flow
from experiments.scoring import REFERENCES, gap, image_sets
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.checks import InputError, writable_directory
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow
from glowjax.stats import Estimate
from glowjax.train import in_batches
from glowjax.typing import Array, Images, Key, Params

QUESTION = "At which scale of the flow, and in which of its terms, do other images gain their likelihood?"


@dataclasses.dataclass(frozen=True)
class ScalesConfig:
    """Which run to look at, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train, of a Glow.
        out_dists: data sets to compare with the model's own test set, as "mnist", "mnist:train".
        references: generated sets to compare besides.
        num_images: at most how many images of each set.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "scales" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    references: tuple[str, ...] = REFERENCES
    num_images: int = 2_000
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


Parts = dict[str, Estimate]
"""{"scale 1, prior": its mean over images with the standard error, in nats, ...}, and the "total" last."""


def main(config: ScalesConfig) -> dict[str, Any]:
    """Computes, draws and reports; returns means and gaps by data set and part."""
    trained = load_flow(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "scales")
    specs = (*config.out_dists, *config.references)
    images = image_sets(trained, specs, config.data_dir, config.num_images, config.seed)
    if len(images) < 2:
        raise InputError("Neither out_dists nor references names a data set; name one, as: --out-dists mnist")
    values = {one.name: by_scale(trained, one, config.seed) for one in images}
    means = {one.name: {part: stats.mean(v, one.groups) for part, v in values[one.name].items()} for one in images}
    test, *others = images
    gaps = {
        one.name: {part: gap(one, values[one.name][part], test, values[test.name][part]) for part in means[test.name]}
        for one in others
    }
    results = {"means": _plain(means), "gaps": _plain(gaps)}
    lead = in_words(test.name, gaps)
    figure = plots.gap_by_part(
        {title(name): parts for name, parts in gaps.items()},
        trained.kind_and_data,
    )
    picture = Picture(
        plots.save(figure, folder / "scales", results),
        f"How much more each part gives to each set than to {title(test.name)} images, on average; bars: 2 standard "
        "errors. "
        "Every panel has its own axis.",
        "Bars of nats by scale, a panel for each set",
    )
    text = (
        "A scale's prior is the log density of the latents that leave there, given those that stay; its volume is the "
        "log-determinant of the scale's own steps. They sum to log p(x). At the first scale the volume includes the "
        "scaling of pixels, the same number for every image, so that only differences between sets tell something. In "
        "a constant-volume flow all volumes are such numbers.\n\n"
        "Where other reports split log p(x) into log p(z) and log |det dz/dx|, every latent has a standard normal "
        "density and a split's log-determinant belongs to the volume. Here it belongs to the scale's prior, as in "
        "Glow, whose prior of the latents that leave has a mean and a scale given by those that stay."
    )
    page = report.write(
        folder,
        f"Scale by scale, after training on {title(trained.name)}",
        QUESTION,
        lead,
        [
            Section(
                f"{trained.kind}: log p(x) by scale",
                text,
                [_table(means, "log p(x)"), _gaps(test.name, gaps)],
                [picture],
            )
        ],
        command("scales", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def by_scale(trained: Trained[Flow], images: ImageSet, seed: int) -> dict[str, Array]:
    """Each part of log p of `images`, [N] in nats, at one dequantisation draw, and the "total" last."""
    terms_of = functools.partial(_terms, trained.model, trained.params)
    terms = in_batches(terms_of, jax.random.key(seed), images.images)
    parts = {}
    for index in range(terms.steps.shape[-1]):
        parts[f"scale {index + 1}, prior"] = terms.prior[:, index]
        parts[f"scale {index + 1}, volume"] = terms.steps[:, index]
    return parts | {"total": terms.total.sum(-1)}


@functools.partial(jax.jit, static_argnums=0)
def _terms(flow: Flow, params: Params, key: Key, images: Images) -> an.ScaleTerms:
    return an.scale_terms(flow, params, dequantize(key, images))


def in_words(test: str, gaps: dict[str, Parts]) -> str:
    """The result in a sentence for each set."""
    sentences = []
    for name, parts in gaps.items():
        largest = max((part for part in parts if part != "total"), key=lambda part: abs(float(parts[part].value)))
        sentences.append(
            f"Against {title(test)}, the mean log p of {title(name)} is {parts['total']:+,.0f} nats; the part "
            f"that differs most is {largest}, {parts[largest]:+,.0f}."
        )
    return " ".join(sentences)


def _table(means: dict[str, Parts], what: str) -> Table:
    header = ["set", *next(iter(means.values()))]
    rows = [[title(name), *(f"{part:,.0f}" for part in parts.values())] for name, parts in means.items()]
    return Table(f"Means of the parts of {what} over images, in nats, with standard errors", header, rows)


def _gaps(test: str, gaps: dict[str, Parts]) -> Table:
    header = ["set", *next(iter(gaps.values()))]
    rows = [[title(name), *(f"{part:+,.0f}" for part in parts.values())] for name, parts in gaps.items()]
    return Table(
        f"The same less that of {title(test)}, in nats, with standard errors: of independent sets, but paired by image "
        "where a set is made of these images",
        header,
        rows,
    )


def _plain(sets: dict[str, Parts]) -> dict[str, Any]:
    return {
        name: {part: {"mean": float(e.value), "sem": float(e.sem)} for part, e in parts.items()}
        for name, parts in sets.items()
    }


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ScalesConfig, args=arguments, description=__doc__))
