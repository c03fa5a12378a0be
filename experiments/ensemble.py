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

from experiments import histograms, report, train
from experiments.command_line import command, run
from experiments.model_classes import draws_for
from experiments.presets import PRESETS, TrainConfig, adapted
from experiments.published import title
from experiments.report import Section, Table
from experiments.scoring import REFERENCES, Scored, Sets, collected, detection, image_sets, score_each
from experiments.trained import Trained, load
from glowjax.errors import InputError, unknown
from glowjax.likelihood import log_mean_exp
from glowjax.output import writable_directory

MIXTURE, MEAN = "ensemble: mean of likelihoods", "mean of log-likelihoods"

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
    folder = writable_directory(config.output_dir)
    run_dirs = config.run_dirs or train_members(config)
    members = load_members(run_dirs)
    scored = {f"seed {one.description['training']['seed']}": score_sets(config, one) for one in members}
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
    learned = {(one.name, one.architecture) for one in members}
    if len(members) < 2 or len(set(seeds)) < len(seeds) or len(learned) > 1:
        names = ", ".join(f"{one.kind_and_data}, {one.architecture.in_words()}" for one in members)
        raise InputError(
            f"The runs have the seeds {seeds} and are: {names or 'none'}; expected two or more of one architecture, "
            "trained on one data set with different seeds."
        )
    return members


def score_sets(config: EnsembleConfig, trained: Trained) -> Sets:
    """The sets under one member, the same images and noise for every member."""
    specs = (*config.out_dists, *config.references)
    images = image_sets(trained, specs, config.data_dir, config.num_images, config.seed)
    return score_each(trained, images, draws_for(trained, config.num_draws, config.num_latent_draws), config.seed)


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
    """By set: the mean over images of the standard deviation over members of log P(image), in nats."""
    named = list(members.values())
    result = {}
    for name, scored in named[0].items():
        deviations = np.std([sets[name].log_likelihood for sets in named], axis=0, ddof=1)
        result[name] = scored.mean(deviations)._asdict()
    return result


def summary(sets: Sets) -> dict[str, Any]:
    """A model's numbers by data set, as JSON has them."""
    test = next(iter(sets.values()))
    return {
        name: {
            "num_images": scored.images.num_images,
            "bits_per_dim": scored.mean()._asdict(),
            "auroc": None if scored is test else detection(test, scored).auroc._asdict(),
        }
        for name, scored in sets.items()
    }


def in_words(members: dict[str, Sets], ensemble: Sets) -> str:
    """The result in a sentence for each foreign set."""
    test_name, *others = collected(ensemble)
    sentences = []
    for name in others:
        single = [detection(sets[test_name], sets[name]).auroc.value for sets in members.values()]
        joint = detection(ensemble[test_name], ensemble[name]).auroc
        likelier = ensemble[name].mean().high < ensemble[test_name].mean().low
        verdict = "is still likelier than" if likelier else "is not likelier, beyond the intervals, than"
        sentences.append(
            f"Under the mean likelihood of {len(members)} models {title(name)} {verdict} {title(test_name)}: "
            f"{ensemble[name].mean().mean:.3f} and {ensemble[test_name].mean().mean:.3f} bits/dim. AUROC {joint}; of "
            f"the members alone {min(single):.3f} to {max(single):.3f}."
        )
    return " ".join(sentences)


def sections(
    trained: Trained, every: dict[str, Sets], num_draws: int, of_spread: dict[str, dict[str, float]], folder: Path
) -> list[Section]:
    """Tables and figures, the latter saved below `folder`."""
    names = list(every[MIXTURE])
    first, *others = names
    header = [
        "model",
        *(f"{title(n)}, bits/dim" for n in collected(every[MIXTURE])),
        *(f"AUROC, {title(n)}" for n in others),
    ]
    rows = [
        [
            model,
            *(sets[n].mean().brief(3) for n in collected(sets)),
            *(detection(sets[first], sets[n]).auroc.brief(3) for n in others),
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
        "How far the members disagree: standard deviation over members of an image's log P, mean over images with its "
        "95 % interval",
        ["set", "nats"],
        [[title(n), f"{v['mean']:,.1f} [{v['low']:,.1f}, {v['high']:,.1f}]"] for n, v in of_spread.items()],
    )
    text = (
        f"The members are like this one: {trained.in_words()}. {trained.architecture.likelihood(num_draws)}\n\n"
        "For every image a mixture of K models is between its best member's log P and that less log K: it cannot make "
        "unlikely what one of them finds likely."
    )
    alone = {model: sets for model, sets in every.items() if model not in (MIXTURE, MEAN)}
    return [
        Section("Members and ensemble", text, [table, disagreement]),
        Section(
            "The ensemble's log-likelihoods",
            figures=[histograms.picture(every[MIXTURE], trained.num_dims, MIXTURE, folder / "ensemble")],
        ),
        Section("Each member's", figures=[histograms.panels(alone, trained.num_dims, folder / "members")]),
    ]


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(EnsembleConfig, args=arguments, description=__doc__))
