"""Averaging over seeds: several models alone, and as one mixture (the paper's ensemble, section 4).

    python -m experiments ensemble --run-dirs runs/fashion --out-dists mnist
    python -m experiments ensemble --preset small-28 --seeds 0 1 2 3 4 --out-dists mnist --output-dir results/ensemble

The likelihood of the mixture is the mean of the members' likelihoods: log mean exp of their log P(image). With a preset
the members are trained first, below the output folder; the same command again resumes them. Expect for five Glows
trained for minutes on FashionMNIST that MNIST stays more likely under the mixture, with an AUROC of 0.146.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments import train
from experiments.presets import TrainConfig, adapted, preset_named
from experiments.report import histograms, paired
from experiments.report.experiment import runs_of
from experiments.report.options import Data, LatentDraws, References
from experiments.report.page import Number, Result, Section, Table
from experiments.report.scoring import Evaluation, Scored, evaluate, num_draws
from experiments.report.trained import Trained, described, heading, load, title
from glowjax.checks import InputError
from glowjax.likelihood import log_mean_exp

MIXTURE, MEAN = "ensemble: mean of likelihoods", "mean of log-likelihoods"
QUESTION = "Does the mean of several models' likelihoods repair the errors of one model?"
TEXT = (
    "For every image, log P of a mixture of K models lies between that of its best member and that minus log K: a "
    "mixture cannot make unlikely what one of them finds likely."
)

Spread = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsembleConfig(Data, References, LatentDraws):
    """Options of the ensemble.

    Attributes:
        out_dists: OOD sets to compare with the test set, such as mnist or mnist:train.
        run_dirs: folders of runs of `train` that differ only in their seed, or one folder that holds them (seed-0,
            seed-1, ...).
        preset: instead of --run-dirs, the preset from which members are trained, such as small-28.
        model: the preset's model: nvp, cv, pixelcnn or vae.
        in_dist: data set to train on; default: the preset's.
        seeds: the seed of each member to train.
        training_steps: number of training steps of each member; default: the preset's.
    """

    out_dists: tuple[str, ...]
    run_dirs: tuple[Path, ...] = ()
    preset: str | None = None
    model: str = "nvp"
    in_dist: str | None = None
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    training_steps: int | None = None


def main(config: EnsembleConfig) -> Result:
    """Trains the members if asked to, evaluates each of them, and their averages."""
    if not config.out_dists:
        raise InputError("--out-dists names no data set; name at least one: --out-dists mnist")
    if bool(config.run_dirs) == bool(config.preset):
        raise InputError("Give either --run-dirs of trained members or a --preset to train them from, not both.")
    if config.preset and len(set(config.seeds)) < 2:
        raise InputError(f"--seeds names {list(config.seeds)}; an ensemble has two seeds or more: --seeds 0 1 2")
    run_dirs = config.run_dirs or tuple(train.train(one) for one in member_configs(config))
    members = load_members([run for folder in run_dirs for run in runs_of(folder)])
    one, specs = members[0], (*config.out_dists, *config.references)
    evaluations = {f"seed {member.seed}": evaluate(member, specs, config) for member in members}
    averages = {
        name: averaged(list(evaluations.values()), average) for name, average in ((MIXTURE, mixture), (MEAN, mean))
    }
    spread = spread_over_members(list(evaluations.values()))
    compared = paired.all_differences(evaluations | averages, MIXTURE)
    numbers = paired.with_differences(
        {name: evaluation.numbers() for name, evaluation in (evaluations | averages).items()}, compared, MIXTURE
    )
    mixed = histograms.one_model(averages[MIXTURE], one.num_dims, MIXTURE, "ensemble")
    each = histograms.several_models(evaluations, one.num_dims, "members")
    text = f"One of the members: {described(one, num_draws(one, config))}\n\n{TEXT}"
    tables = [_table(evaluations | averages), *paired.table(compared, MIXTURE), _disagreement(len(members), spread)]
    return Result(
        f"{len(members)} {one.title}s that differ in their seed, trained on {title(one.name)}",
        QUESTION,
        summarize(evaluations, averages[MIXTURE]),
        [
            Section("Members and ensemble", text, tables),
            Section("Log-likelihoods under the ensemble", figures=[mixed]),
            Section("Log-likelihoods under each member", figures=[each]),
        ],
        numbers | {"spread_nats": spread},
    )


def member_configs(config: EnsembleConfig) -> list[TrainConfig]:
    """A training run for each seed, each in a folder of its own."""
    preset = preset_named(config.model, str(config.preset))
    return [
        adapted(
            preset,
            config.training_steps,
            seed,
            in_dist=config.in_dist or preset.in_dist,
            watch=config.out_dists,
            data_dir=config.data_dir,
            output_dir=config.folder / f"seed-{seed}",
        )
        for seed in config.seeds
    ]


def load_members(run_dirs: Sequence[Path]) -> list[Trained]:
    """The members of an ensemble. Raises InputError unless there are two or more that differ in their seed alone."""
    members = [load(run_dir) for run_dir in run_dirs]
    seeds = [one.seed for one in members]
    if len(members) < 2 or len(set(seeds)) < len(seeds) or len(set(map(_apart_from_seed, members))) > 1:
        names = "; ".join(f"{heading(one)}: {one.summarize()}" for one in members)
        raise InputError(
            f"The runs have the seeds {seeds} and are: {names or 'none'}; expected two or more of one architecture, "
            "trained alike on the same images, with different seeds."
        )
    return members


def _apart_from_seed(one: Trained) -> str:
    training = one.description["training"] | dict.fromkeys(("seed", "evaluate_every", "log_every"))
    return repr((one.name, one.description["model"], one.description.get("images"), training))


def mixture(log_likelihoods: np.ndarray) -> np.ndarray:
    """[N] log of the mean over members of P(image), from [members, N] log P(image)."""
    return np.asarray(log_mean_exp(jnp.asarray(log_likelihoods)))


def mean(log_likelihoods: np.ndarray) -> np.ndarray:
    """[N] the mean over members of log P(image); by Jensen's inequality no more than `mixture`."""
    return log_likelihoods.mean(axis=0)


def averaged(members: Sequence[Evaluation], average: Callable[[np.ndarray], np.ndarray]) -> Evaluation:
    """The sets under an average of the members."""
    test, *others = (
        Scored(scored.images, average(np.stack([member.sets[name].log_likelihood for member in members])))
        for name, scored in members[0].sets.items()
    )
    return Evaluation(test, {scored.images.name: scored for scored in others})


def spread_over_members(members: Sequence[Evaluation]) -> Spread:
    """How far the members disagree, in nats: {"of means": {set: value}, "about images": {set: value}}.

    Both are standard deviations over members: of a set's mean log P, and of the log P of an image minus that mean
    (averaged over images as variances). The first says how differently well the members fit, the second how
    differently they rank images.
    """
    of_means, about_images = {}, {}
    for name in members[0].sets:
        values = np.stack([member.sets[name].log_likelihood for member in members])
        means = values.mean(axis=1, keepdims=True)
        of_means[name] = float(means.std(ddof=1))
        about_images[name] = float(np.sqrt((values - means).var(axis=0, ddof=1).mean()))
    return {"of means": of_means, "about images": about_images}


def summarize(members: dict[str, Evaluation], ensemble: Evaluation) -> str:
    """The result in two sentences per OOD set."""
    sentences = []
    for name, scored in ensemble.real.items():
        single = [float(member.detection(name).auroc.value) for member in members.values()]
        more_likely = ensemble.likelihood(name) == "more"
        verdict = "are still more likely than" if more_likely else "are not more likely, beyond the intervals, than"
        sentences.append(
            f"Under the mean likelihood of {len(members)} models, {title(name)} images {verdict} "
            f"{title(ensemble.test.images.name)} images: {scored.mean().value:.3f} and "
            f"{ensemble.test.mean().value:.3f} bits/dim. The AUROC is {ensemble.detection(name).auroc:.3f[]}; that of "
            f"single members is {min(single):.3f} to {max(single):.3f}."
        )
    return " ".join(sentences)


def _table(models: dict[str, Evaluation]) -> Table:
    first = next(iter(models.values()))
    real = [first.test.images.name, *first.real]
    return Table(
        "Bits per dimension, and AUROC of bits per dimension as the score (below 0.5: inverted), with 95 % intervals "
        "over images",
        ["model", *(f"{title(n)}, bits/dim" for n in real), *(f"AUROC, {title(n)}" for n in first.others)],
        [
            [
                model,
                *(Number(evaluation.sets[name].mean(), ".3f[]") for name in real),
                *(Number(evaluation.detection(name).auroc, ".3f[]") for name in evaluation.others),
            ]
            for model, evaluation in models.items()
        ],
    )


def _disagreement(num_members: int, spread: Spread) -> Table:
    return Table(
        f"Disagreement of the {num_members} members in nats: standard deviations over members of a set's mean log P, "
        f"known to about {1 / math.sqrt(2 * num_members - 2):.0%}, and of the per-image deviations from that mean",
        ["set", "of the means", "about images"],
        [
            [title(name), *(Number(values[name], ",.1f") for values in spread.values())]
            for name in next(iter(spread.values()))
        ],
    )
