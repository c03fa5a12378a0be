"""Every experiment for every pair of data sets that is here (all figures): a plan of commands, run one by one.

    python -m experiments paper --size small
    python -m experiments paper --size paper --pairs cifar10/svhn --seeds 0 1 2

For each pair A/B, models are trained on A and evaluated on B, for every figure of the paper and for what this project
adds. Each command runs in a process of its own. The same command resumes: a finished stage is run again only if its
command, its images or a stage that it reads has changed. Size small takes hours per pair on 2 cores; size paper needs
an accelerator. The report links to the pages of all stages, and says what was skipped and why.
"""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.presets import adapted, preset_named, train_command
from experiments.report.options import Data
from experiments.report.page import Cell, Link, Number, Result, Section, Table
from experiments.report.trained import title
from experiments.stages import Outcome, Stage, run_plan
from glowjax.checks import InputError
from glowjax.data import load, splits
from glowjax.data.stored import digest

PAIRS = (
    "fashion_mnist/mnist",
    "notmnist_small/mnist",
    "cifar10/svhn",
    "celeba32/svhn",
    "imagenet32/cifar10",
    "imagenet32/cifar100",
    "imagenet32/svhn",
)
"""The pairs of the paper, and of its first version."""

QUESTION = (
    "Every experiment of the paper, for every pair of data sets that is here: when are other images more likely than "
    "those on which a model was trained, and why?"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperConfig(Data):
    """Options of the plan.

    Attributes:
        size: size of the presets: small (2 cores, hours) or paper (about the paper's sizes).
        pairs: pairs of data sets: fashion_mnist/mnist trains on the first and evaluates the second.
        models: models to train: nvp, cv, pixelcnn, vae; the first one is also used for ensemble and reverse direction.
        seeds: random seeds of training; with several, all tables show means over seeds.
        ensemble_seeds: random seeds of the ensemble's members; with fewer than two there is no ensemble.
        training_steps: number of training steps of every model; default: the presets'.
        num_latent_draws: importance samples per image for a VAE.
        classifier_steps: number of training steps of the classifier that the models protect.
    """

    size: Literal["small", "paper"] = "small"
    pairs: tuple[str, ...] = PAIRS
    models: tuple[str, ...] = ("nvp", "cv", "pixelcnn", "vae")
    seeds: tuple[int, ...] = (0,)
    ensemble_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    training_steps: int | None = None
    num_images: int = 2_000
    num_latent_draws: int = 100
    classifier_steps: int = 1_500


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two data sets that are here.

    Attributes:
        in_dist: the set to train on.
        out_dist: the set to evaluate, with its split, such as "mnist:test".
        preset: name of the presets for this size and image height, such as "small-28".
        has_reverse: whether the second set has test images too, so that the reverse direction can be evaluated.
    """

    in_dist: str
    out_dist: str
    preset: str
    has_reverse: bool = True

    @property
    def other(self) -> str:
        """The second set without its split."""
        return self.out_dist.partition(":")[0]

    @property
    def name(self) -> str:
        """The pair as a folder name."""
        return f"{self.in_dist}-{self.other}"


def main(config: PaperConfig) -> Result:
    """Runs the stages that are not finished yet."""
    if not config.models or not config.pairs or not config.seeds:
        raise InputError("--models, --pairs and --seeds must name one or more each.")
    pairs, absent = pairs_here(config)
    planner = Planner(pairs, config)
    stages = {stage.name: stage for pair in pairs for stage in planner.plan(pair)}
    outcomes = run_plan(stages)
    skipped = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    reasons = [f"Left out: {pair}. {reason}" for pair, reason in absent.items()]
    reasons += [f"Skipped: {name}. {reason}" for name, reason in skipped.items()]
    rows = [_row(stages[name], outcome) for name, outcome in outcomes.items()]
    overview = Table("All stages in order, with links to their pages", ["stage", "time", "command"], rows)
    return Result(
        "Do deep generative models know what they don't know?",
        QUESTION,
        f"Pairs of data sets: {len(pairs)} compared, {len(absent)} left out. Stages: {len(outcomes) - len(skipped)} "
        f"finished, {len(skipped)} skipped.",
        [
            Section("Likelihoods of each pair", tables=[_headlines(pairs, stages, outcomes)]),
            Section("Stages", "\n\n".join(reasons), [overview]),
        ],
        {"seconds or reason": outcomes, "absent": absent},
    )


def pairs_here(config: PaperConfig) -> tuple[list[Pair], dict[str, str]]:
    """The pairs that can be run here, and {pair: why not} for the others."""
    pairs, absent = [], {}
    for name in config.pairs:
        in_dist, _, out_dist = name.partition("/")
        if not (in_dist and out_dist):
            raise InputError(f"The pair '{name}' is incomplete; expected two data sets: --pairs fashion_mnist/mnist")
        try:
            pairs.append(find(in_dist, out_dist, config))
        except InputError as error:
            absent[name] = str(error)
        else:
            if not pairs[-1].has_reverse:
                absent[f"{out_dist}/{in_dist}"] = f"The data set '{out_dist}' has no test images here."
    return pairs, absent


def find(in_dist: str, out_dist: str, config: PaperConfig) -> Pair:
    """The pair. Raises InputError if images are missing, their shapes differ, or no preset suits them."""
    for split in ("train", "test"):
        if split not in splits(in_dist, config.data_dir):
            load(in_dist, split, config.data_dir)  # which says what is missing and how to get it
    test = load(in_dist, "test", config.data_dir)
    split = "train" if list(splits(out_dist, config.data_dir)) == ["train"] else "test"
    other = load(out_dist, split, config.data_dir)
    if test.shape != other.shape:
        raise InputError(
            f"The images of '{in_dist}' and '{out_dist}' have the shapes {test.shape} and {other.shape}; expected one."
        )
    preset = f"{config.size}-{test.shape[0]}"
    for kind in config.models:
        preset_named(kind, preset)
    has_reverse = "test" in splits(out_dist, config.data_dir)
    return Pair(in_dist, f"{out_dist}:{split}", preset, has_reverse)


def partners(pairs: Iterable[Pair]) -> dict[str, tuple[str, ...]]:
    """{data set: the sets it is compared with in any pair, in either direction}, since pairs share its runs."""
    found: dict[str, dict[str, None]] = {}
    for pair in pairs:
        found.setdefault(pair.in_dist, {})[pair.out_dist] = None
        found.setdefault(pair.other, {})[f"{pair.in_dist}:test"] = None
    return {name: tuple(others) for name, others in found.items()}


class Planner:
    """Makes the stages of each pair."""

    def __init__(self, pairs: Sequence[Pair], config: PaperConfig) -> None:
        self.config, self.watched = config, partners(pairs)
        self.marks = {name: images_mark(name, config.data_dir) for name in self.watched}

    def plan(self, pair: Pair) -> list[Stage]:
        """Every stage of a pair, each after those that it needs."""
        config, first = self.config, self.config.models[0]
        runs = {kind: self.trainings(kind, pair.in_dist, pair.preset, config.seeds) for kind in config.models}
        every = [stage for trainings in runs.values() for stage in trainings]
        sets = {"in_dist": f"{pair.in_dist}:train", "out_dist": pair.out_dist, "num_images": None}
        stages = [*every, self.stage("moments", "", [], pair, **sets)]
        for kind, trainings in runs.items():
            stages += self.of_one_model(kind, trainings, pair)
        latents = {"num_latent_draws": config.num_latent_draws}
        common: dict[str, Any] = {"out_dists": pair.out_dist, **latents}
        together = common | {"run_dirs": tuple(map(_run_dir, runs.values()))}
        stages.append(self.stage("model-classes", "", every, pair, **together))
        stages.append(self.stage("detection", "", every, pair, **together))
        together |= {"classifier_steps": config.classifier_steps}
        stages.append(self.stage("filter", "", every, pair, **together))
        members = self.trainings(first, pair.in_dist, pair.preset, config.ensemble_seeds)
        if len(members) > 1:
            run_dirs = tuple(stage.output_dir for stage in members)
            stages += [*members, self.stage("ensemble", first, members, pair, run_dirs=run_dirs, **common)]
        if not pair.has_reverse:
            return stages
        back = self.trainings(first, pair.other, pair.preset, config.seeds)
        run_dirs = (_run_dir(runs[first]), _run_dir(back))
        return [*stages, *back, self.stage("reverse", first, [*runs[first], *back], pair, run_dirs=run_dirs, **latents)]

    def trainings(self, kind: str, in_dist: str, preset: str, seeds: Sequence[int]) -> list[Stage]:
        """A training per seed, in a folder that other options or images do not share."""
        stages, mark = [], self.marks[in_dist]
        sets = {"in_dist": in_dist, "watch": self.watched[in_dist], "data_dir": self.config.data_dir}
        for seed in seeds:
            run = adapted(preset_named(kind, preset), self.config.training_steps, seed, **sets)
            options = repr((run.model, dataclasses.replace(run.training, seed=0), mark))
            folder = f"{in_dist}-{kind}-{hashlib.blake2b(options.encode(), digest_size=3).hexdigest()}"
            folder += "" if seed in self.config.seeds else "-members"
            run = dataclasses.replace(run, output_dir=self.config.folder / "runs" / folder / f"seed-{seed}")
            words, identity = (
                tuple(shlex.split(train_command(one))[1:]) for one in (run, dataclasses.replace(run, watch=()))
            )
            stages.append(Stage(f"train {kind} on {in_dist}, seed {seed}", words, run.output_dir, (), mark, identity))
        return stages

    def of_one_model(self, kind: str, needs: Sequence[Stage], pair: Pair) -> list[Stage]:
        """The experiments on one model; derivatives and scales need a Glow."""
        draws = {"num_draws": self.config.num_latent_draws if kind == "vae" else 1}
        options: dict[str, dict[str, Any]] = dict.fromkeys(("likelihoods", "rankings", "model-samples"), draws)
        if kind in ("nvp", "cv"):
            options |= {name: {} for name in ("scales", "contrast", "spectrum", "detection-scales")}
            options["second-order"] = {"num_paths": max(2, self.config.num_images // 10)}
            options["curvature-by-scale"] = {"num_paths": max(2, self.config.num_images // 2)}
        common = {"run_dir": _run_dir(needs), "out_dists": pair.out_dist}
        return [self.stage(name, kind, needs, pair, **common, **more) for name, more in options.items()]

    def stage(self, name: str, kind: str, needs: Sequence[Stage], pair: Pair, **options: Any) -> Stage:
        """An experiment on the pair, in a folder of its own; options that are None are left out."""
        config, label = self.config, f"{name} {kind}".strip()
        folder = config.folder / pair.name / label.replace(" ", "-")
        common = {"data_dir": config.data_dir, "output_dir": folder, "seed": config.seed}
        words = ["-m", "experiments", name]
        for option, value in {**common, "num_images": config.num_images, **options}.items():
            if value is not None:
                words += [f"--{option.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
        images = self.marks[pair.in_dist] + self.marks[pair.other]
        return Stage(f"{pair.name}: {label}", tuple(words), folder, tuple(stage.name for stage in needs), images)


def _run_dir(trainings: Sequence[Stage]) -> Path:
    """The run, or the folder of all seeds."""
    return trainings[0].output_dir if len(trainings) == 1 else trainings[0].output_dir.parent


def images_mark(name: str, data_dir: Path | None) -> str:
    """A fingerprint of a set: where its splits are, and the images of the one that is evaluated."""
    places = splits(name, data_dir)
    images = load(name, "test" if "test" in places else next(iter(places)), data_dir).images
    content = f"{digest(images)} {sorted(places.items())}"
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _row(stage: Stage, outcome: Outcome) -> list[Cell]:
    page = stage.output_dir / "report.html"
    if isinstance(outcome, str):
        return [stage.name, "skipped", stage.command]
    spent = f"{outcome:.0f} s" if outcome < 100 else f"{outcome / 60:.0f} min"
    return [Link(stage.name, page) if page.is_file() else stage.name, spent, stage.command]


def _headlines(pairs: Sequence[Pair], stages: Mapping[str, Stage], outcomes: Mapping[str, Outcome]) -> Table:
    """Bits/dim and AUROC of each pair under each model, from the results of `likelihoods`."""
    rows: list[list[Cell]] = []
    for pair in pairs:
        for name, stage in stages.items():
            if not name.startswith(f"{pair.name}: likelihoods") or isinstance(outcomes[name], str):
                continue
            numbers = json.loads((stage.output_dir / "results.json").read_text())
            by_seed = list(numbers.values()) if next(iter(numbers)).startswith("seed ") else [numbers]
            values = [
                (
                    one[f"{pair.in_dist}:test"]["bits_per_dim"]["value"],
                    one[pair.out_dist]["bits_per_dim"]["value"],
                    one[pair.out_dist]["detection"]["auroc"]["value"],
                )
                for one in by_seed
            ]
            label = f"{title(pair.in_dist)} / {title(pair.out_dist)}, {name.rpartition(' ')[2]}"
            rows.append([label, *(Number(float(value), ".3f") for value in np.mean(values, axis=0))])
    caption = "Means over images, and over seeds if there are several; the pages of the stages give the intervals"
    return Table(caption, ["pair, model", "bits/dim, test set", "bits/dim, other set", "AUROC"], rows)
