"""The plan for one pair of data sets: what is trained on the first, and every experiment that asks about the second."""

import dataclasses
import hashlib
from types import ModuleType
from typing import Any

import experiments.filter
from experiments import (
    contrast,
    curvature,
    ensemble,
    likelihoods,
    model_classes,
    moments,
    own_samples,
    rankings,
    reverse,
    scales,
    spectrum,
    train,
)
from experiments.command_line import command, train_command
from experiments.pairs import Pair, PaperConfig, Watched
from experiments.presets import PRESETS, TrainConfig, adapted
from experiments.stages import Stage
from glowjax.data import load, splits
from glowjax.models.configs import GLOWS


def stages(pair: Pair, watched: Watched, config: PaperConfig) -> dict[str, Stage]:
    """Every stage by name."""
    first = config.models[0]
    runs = {kind: _training(kind, pair.in_dist, pair.preset, watched, config, config.seed) for kind in config.models}
    plan = {_name(run): run for run in runs.values()}
    for kind, one in runs.items():
        plan |= _of_model(kind, one, pair, config)
    plan |= _of_all(list(runs.values()), pair, config)
    members = [
        _training(first, pair.in_dist, pair.preset, watched, config, config.seed + n) for n in range(config.num_members)
    ]
    if len(members) > 1:
        plan |= {_name(member): member for member in members} | _ensemble(members, pair, config)
    back = _training(first, pair.other, pair.preset, watched, config, config.seed)
    return plan | {_name(back): back} | _reverse([runs[first], back], pair, config)


def _training(kind: str, in_dist: str, preset: str, watched: Watched, config: PaperConfig, seed: int) -> Stage:
    """In a folder that other options or images do not share: a run goes on only with its own."""
    places = _places(config, in_dist)
    run = adapted(
        PRESETS[kind][preset],
        in_dist=in_dist,
        watch=watched[in_dist],
        data_dir=config.data_dir,
        output_dir=config.root / "runs",
        num_steps=config.num_steps,
        seed=seed,
    )
    trained = hashlib.blake2b(repr((run.model, run.training, places)).encode(), digest_size=3).hexdigest()
    run = dataclasses.replace(run, output_dir=run.output_dir / f"{in_dist}-{kind}-{seed}-{trained}")
    return Stage(_train, run, train_command(run), ignored=("watch",), places=places)


def _train(config: TrainConfig) -> dict[str, Any]:
    """Trains, if there are test images: every experiment asks about these."""
    load(config.in_dist, "test", config.data_dir)
    return train.main(config)


def _name(training: Stage) -> str:
    run = training.config
    return f"train {run.model.kind} on {run.in_dist}, seed {run.training.seed}"


def _of_model(kind: str, training: Stage, pair: Pair, config: PaperConfig) -> dict[str, Stage]:
    """What looks at one model alone; derivatives and scales are asked of Glows."""
    common: dict[str, Any] = {"run_dir": training.config.output_dir, "out_dists": (pair.out_dist,)}
    draws: dict[str, Any] = {"num_images": config.num_images}
    draws["num_draws"] = config.num_latent_draws if kind == "vae" else 1
    configs: list[tuple[ModuleType, Any]] = [
        (likelihoods, likelihoods.LikelihoodsConfig(**common, **draws)),
        (rankings, rankings.RankingsConfig(**common, **draws)),
        (own_samples, own_samples.OwnSamplesConfig(**common, **draws)),
    ]
    if kind in GLOWS:
        few = max(2, config.num_images // 10)
        configs += [
            (scales, scales.ScalesConfig(**common, num_images=config.num_images)),
            (curvature, curvature.CurvatureConfig(**common, num_images=config.num_images, num_paths=few)),
            (contrast, contrast.ContrastConfig(**common, num_images=config.num_images)),
            (spectrum, spectrum.SpectrumConfig(**common, num_images=config.num_images)),
        ]
    return dict(_stage(module, one, kind, [training], pair, config) for module, one in configs)


def _of_all(trainings: list[Stage], pair: Pair, config: PaperConfig) -> dict[str, Stage]:
    """What compares the models, and the moments, which need none."""
    run_dirs = tuple(training.config.output_dir for training in trainings)
    common: dict[str, Any] = {
        "run_dirs": run_dirs,
        "out_dists": (pair.out_dist,),
        "num_images": config.num_images,
        "num_latent_draws": config.num_latent_draws,
    }
    gates = experiments.filter.FilterConfig(**common, classifier_steps=config.classifier_steps)
    return dict(
        [
            _stage(moments, moments.MomentsConfig(f"{pair.in_dist}:train", pair.out_dist), "", [], pair, config),
            _stage(model_classes, model_classes.ModelClassesConfig(**common), "", trainings, pair, config),
            _stage(experiments.filter, gates, "", trainings, pair, config),
        ]
    )


def _ensemble(members: list[Stage], pair: Pair, config: PaperConfig) -> dict[str, Stage]:
    averaged = ensemble.EnsembleConfig(
        (pair.out_dist,),
        tuple(member.config.output_dir for member in members),
        num_images=config.num_images,
        num_latent_draws=config.num_latent_draws,
    )
    return dict([_stage(ensemble, averaged, config.models[0], members, pair, config)])


def _reverse(trainings: list[Stage], pair: Pair, config: PaperConfig) -> dict[str, Stage]:
    directions = reverse.ReverseConfig(
        tuple(training.config.output_dir for training in trainings),
        num_images=config.num_images,
        num_latent_draws=config.num_latent_draws,
    )
    return dict([_stage(reverse, directions, config.models[0], trainings, pair, config)])


def _stage(
    module: ModuleType, options: Any, kind: str, trainings: list[Stage], pair: Pair, config: PaperConfig
) -> tuple[str, Stage]:
    """An experiment of the pair with its name, in a folder of its own."""
    short = module.__name__.rpartition(".")[2]
    folder = config.root / pair.name / "-".join(filter(None, (short, kind)))
    placed = dataclasses.replace(options, data_dir=config.data_dir, output_dir=folder, seed=config.seed)
    name = " ".join(filter(None, (f"{pair.name}:", short, kind)))
    needs, places = tuple(map(_name, trainings)), _places(config, pair.in_dist, pair.other)
    return name, Stage(module.main, placed, command(short, placed), needs, places=places)


def _places(config: PaperConfig, *data_sets: str) -> str:
    """Where the splits of the sets are: a set may be bundled first and complete in a data folder later."""
    return ", ".join(f"{name}: {splits(name, config.data_dir)}" for name in data_sets)
