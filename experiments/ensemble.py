"""Does averaging help? Several models that differ in their seed, each alone and as one mixture.

    python -m experiments.ensemble --run-dirs runs/seed-0 runs/seed-1 runs/seed-2 --out-dists mnist
    python -m experiments.ensemble --preset small-28 --num-members 5 --out-dists mnist --output-dir results/ensemble

The mixture's likelihood is the mean of the members' likelihoods, log mean exp of their log P(image). With a preset the
members are trained first, below the output folder; the same command again resumes them. Writes report.html, report.md,
results.json and two figures of histograms.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tyro

from experiments import old_report as report
from experiments import train
from experiments.command_line import command, run
from experiments.ensemble_page import MEAN, MIXTURE, in_words, sections
from experiments.presets import PRESETS, TrainConfig, TrainingConfig, adapted
from experiments.report.published import title
from experiments.report.trained import Trained, load
from experiments.scoring import REFERENCES, Scored, Sets, score_alike, summary
from glowjax.checks import InputError, unknown, writable_directory
from glowjax.likelihood import log_mean_exp

QUESTION = "Does the mean of several models' likelihoods repair what one model gets wrong?"


@dataclasses.dataclass(frozen=True)
class EnsembleConfig:
    """Which models to average, and which images to ask them about.

    Attributes:
        out_dists: foreign data sets, as "mnist", "mnist:train".
        run_dirs: folders of runs of experiments.train that differ only in their seed.
        preset: in the place of run_dirs, the preset to train members of, as small-28.
        model: the preset's model: nvp, cv, pixelcnn or vae.
        in_dist: the data set to train on; default: the preset's.
        num_members: how many to train, with the seeds from `seed` on.
        num_steps: training steps of each member; default: the preset's.
        references: generated sets, drawn beneath the histograms.
        num_images: at most how many images of each set.
        num_draws: dequantisation draws an image for a Glow.
        num_latent_draws: importance samples an image for a VAE.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where the report goes, and the members that are trained here.
        seed: of the first member, of the images and the noise.
    """

    out_dists: tuple[str, ...]
    run_dirs: tuple[Path, ...] = ()
    preset: str | None = None
    model: str = "nvp"
    in_dist: str | None = None
    num_members: int = 5
    num_steps: int | None = None
    references: tuple[str, ...] = REFERENCES
    num_images: int = 2_000
    num_draws: int = 1
    num_latent_draws: int = 1_000
    data_dir: Path | None = None
    output_dir: Path = Path("results/ensemble")
    seed: int = 0


def main(config: EnsembleConfig) -> dict[str, Any]:
    """Trains where asked, scores, draws and reports; returns the numbers of the table by model and data set."""
    if not config.out_dists:
        raise InputError("--out-dists names no data set; name at least one, as: --out-dists mnist")
    if bool(config.run_dirs) == bool(config.preset):
        raise InputError("Give either --run-dirs of trained members or a --preset to train them from, and not both.")
    if config.preset and config.num_members < 2:
        raise InputError(f"--num-members is {config.num_members}; an ensemble has two members or more.")
    folder = writable_directory(config.output_dir)
    run_dirs = config.run_dirs or train_members(config)
    members = load_members(run_dirs)
    scored = {
        f"seed {one.description['training']['seed']}": score_alike(one, (*config.out_dists, *config.references), config)
        for one in members
    }
    joined = {MIXTURE: averaged(list(scored.values()), mixture), MEAN: averaged(list(scored.values()), mean)}
    every = scored | joined
    results = {name: summary(sets) for name, sets in every.items()} | {"spread_nats": spread(scored)}
    lead = in_words(scored, joined[MIXTURE])
    page = report.write(
        folder,
        f"{len(members)} {members[0].kind}s that differ in their seed, trained on {title(members[0].name)}",
        QUESTION,
        lead,
        sections(members[0], every, config.num_draws, results["spread_nats"], folder),
        command("ensemble", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def train_members(config: EnsembleConfig) -> tuple[Path, ...]:
    """The folders of the members, each trained, resumed or found finished."""
    run_dirs = []
    for one in member_configs(config):
        train.main(one)
        run_dirs.append(one.output_dir)
    return tuple(run_dirs)


def member_configs(config: EnsembleConfig) -> list[TrainConfig]:
    """A training run for each member, alike but for seed and folder. Raises InputError for an unknown preset."""
    if config.model not in PRESETS:
        raise unknown("model", config.model, PRESETS)
    if config.preset not in PRESETS[config.model]:
        raise unknown("preset", str(config.preset), PRESETS[config.model])
    preset = PRESETS[config.model][config.preset]
    return [
        adapted(
            preset,
            in_dist=config.in_dist or preset.in_dist,
            watch=config.out_dists,
            data_dir=config.data_dir,
            output_dir=config.output_dir / f"member-{n}",
            num_steps=config.num_steps,
            seed=config.seed + n,
        )
        for n in range(config.num_members)
    ]


def load_members(run_dirs: tuple[Path, ...]) -> list[Trained]:
    """The members of an ensemble. Raises InputError unless there are two or more that differ in their seed alone."""
    members = [load(run_dir) for run_dir in run_dirs]
    seeds = [one.description["training"]["seed"] for one in members]
    if len(members) < 2 or len(set(seeds)) < len(seeds) or len(set(map(_but_for_the_seed, members))) > 1:
        names = "; ".join(f"{one.kind_and_data}: {one.summarize()}" for one in members)
        raise InputError(
            f"The runs have the seeds {seeds} and are: {names or 'none'}; expected two or more of one architecture, "
            "trained alike on the same images, with different seeds."
        )
    return members


def _but_for_the_seed(one: Trained) -> tuple[Any, ...]:
    """What the members of an ensemble have in common."""
    training = dataclasses.replace(TrainingConfig(**one.description["training"]), seed=0, evaluate_every=1)
    return one.name, one.architecture, one.description.get("images"), training


def mixture(log_likelihoods: np.ndarray) -> np.ndarray:
    """[N] log of the mean over members of P(image), of [members, N] log P(image)."""
    return np.asarray(log_mean_exp(jnp.asarray(log_likelihoods)))


def mean(log_likelihoods: np.ndarray) -> np.ndarray:
    """[N] the mean over members of log P(image); by Jensen's inequality no more than `mixture`."""
    return log_likelihoods.mean(axis=0)


def averaged(members: list[Sets], average: Any) -> Sets:
    """The sets under an average of the members."""
    return {
        name: Scored(scored.images, average(np.stack([sets[name].log_likelihood for sets in members])))
        for name, scored in members[0].items()
    }


def spread(members: dict[str, Sets]) -> dict[str, dict[str, float]]:
    """How far the members disagree, in nats: {"of means": {set: its value}, "about images": {set: its value}}.

    Standard deviations over members: of a set's mean log P, and of an image's log P less that mean (averaged over
    images as variances). The first says how differently well they learned, the second how differently they see images.
    """
    of_means, about_images = {}, {}
    for name in next(iter(members.values())):
        values = np.stack([sets[name].log_likelihood for sets in members.values()])
        means = values.mean(axis=1, keepdims=True)
        of_means[name] = float(means.std(ddof=1))
        about_images[name] = float(np.sqrt((values - means).var(axis=0, ddof=1).mean()))
    return {"of means": of_means, "about images": about_images}


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(EnsembleConfig, args=arguments, description=__doc__))
