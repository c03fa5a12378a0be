"""The tables of detection: AUROCs by score and set under one run or several, differences, costs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from docs.tables.kept import MINUS, Estimate, Rows, interval, kept, value
from experiments.report.trained import title
from glowjax import stats

MARK = " \\*"
"""Marks an AUROC above that of the best null model, by more than the interval of the paired difference."""

Scores = dict[str, list[Any]]
"""{score: its numbers, once per seed}."""


def detection_costs(run: str) -> Rows:
    """A row per score: what it saw, the milliseconds per image of its statistics, and the number of images per set."""
    yield ["score", "has seen", "ms / image", "images"]
    for name, by_seed in _scores(run).items():
        milliseconds = float(f"{np.mean([1000 * one['seconds_per_image'] for one in by_seed]):.2g}")
        num_images = min(one["num_images"] for one in by_seed)
        yield [name, by_seed[0]["has_seen"], f"{milliseconds:,.10g}", f"{num_images:,}"]


def detection_easy(run: str) -> Rows:
    """A row per score: its AUROC on each set that should be easy."""
    sets = _sets(run, easy=True)
    yield ["score", *map(title, sets)]
    scores = _scores(run)
    for name in scores:
        yield [name, *(_auroc(scores, name, one) for one in sets)]


def detection_sets(run: str, *names: str) -> Rows:
    """A row per named score: its AUROC on every set."""
    sets = [*_sets(run, easy=False), *_sets(run, easy=True)]
    yield ["score", *map(title, sets)]
    scores = _scores(run)
    for name in names:
        yield [name, *(_auroc(scores, name, one) for one in sets)]


def detection_differences(run: str) -> Rows:
    """A row per score: its AUROC minus that of the likelihood, on each set that was asked for."""
    sets = _sets(run, easy=False)
    yield ["score", *map(title, sets)]
    for name, by_seed in _scores(run).items():
        cells = [_cell(by_seed, one, lambda found: (found["minus likelihood"] or {}).get("auroc")) for one in sets]
        if any(cells):
            yield [name, *(cell.replace("-", MINUS) for cell in cells)]


def detection_runs(out_dist: str, *runs: str) -> Rows:
    """A row per score, null models last: its AUROC on one set under each of the runs."""
    yield ["score", *runs]
    by_run = {run: _scores(run) for run in runs}
    names = dict.fromkeys(name for scores in by_run.values() for name in scores)
    for name in sorted(names, key=lambda name: name.startswith("null-")):
        cells = [_auroc(scores, name, out_dist) if name in scores else "" for scores in by_run.values()]
        yield [name, *cells]


def detection_seeds(run: str, out_dist: str) -> Rows:
    """A row per score: its AUROC on one set, for each training seed."""
    seeds = kept(run, "detection")
    yield ["score", *seeds]
    by_seed = _scores(run)
    for name in by_seed:
        columns = ({other: [found[place]] for other, found in by_seed.items()} for place in range(len(seeds)))
        yield [name, *(_auroc(one, name, out_dist) for one in columns)]


def detection_corruptions(run: str, strength: str, *names: str) -> Rows:
    """A row per kind of corruption: the AUROC of some scores at one strength."""
    yield ["corruption", *names]
    scores = _scores(run)
    for one in _sets(run, easy=False):
        kind, _, own = one.rpartition("-")
        if own == strength:
            yield [kind.replace("_", " "), *(_auroc(scores, name, one) for name in names)]


def _seeds(run: str) -> list[Mapping[str, Any]]:
    """What was found for each seed, for the run's only model."""
    found = kept(run, "detection")
    by_seed = list(found.values()) if next(iter(found)).startswith("seed ") else [found]
    return [next(iter(models.values())) for models in by_seed]


def _of_one_seed(run: str) -> Mapping[str, Any]:
    return _seeds(run)[0]


def _sets(run: str, *, easy: bool) -> list[str]:
    found = _of_one_seed(run)
    compared = dict.fromkeys(name for score in found["scores"].values() for name in score.get("sets", ()))
    return [name for name in compared if found["sets"][name]["should_be_easy"] is easy]


def _scores(run: str) -> Scores:
    """The scores that every seed has."""
    seeds = [one["scores"] for one in _seeds(run)]
    able = [name for name in seeds[0] if all("sets" in one.get(name, ()) for one in seeds)]
    return {name: [one[name] for one in seeds] for name in able}


def _auroc(scores: Scores, name: str, out_dist: str) -> str:
    """An AUROC, bold if it is the best of the single images' scores, with a mark if it beats the null models."""
    by_seed = scores[name]
    cell = _cell(by_seed, out_dist, lambda found: found["auroc"])
    if not cell:
        return "-"
    means = {other: _mean(of_other, out_dist) for other, of_other in scores.items() if _is_comparable(of_other)}
    cell = f"**{cell}**" if _is_comparable(by_seed) and means[name] == max(means.values()) else cell
    return cell + MARK * all(one["sets"][out_dist]["beats_null_models"] for one in by_seed)


def _is_comparable(by_seed: list[Any]) -> bool:
    return by_seed[0]["images_per_score"] == 1


def _mean(by_seed: list[Any], out_dist: str) -> float:
    found = [one["sets"][out_dist]["auroc"] for one in by_seed if out_dist in one["sets"]]
    return float(np.mean([value(one) for one in found])) if found else -1.0


def _cell(by_seed: list[Any], out_dist: str, pick: Callable[[Any], Estimate | None]) -> str:
    """An estimate with its interval over images, or over seeds if there are several; "" if a seed lacks it."""
    found = [pick(one["sets"][out_dist]) for one in by_seed if out_dist in one["sets"]]
    there = [one for one in found if one]
    if not there or len(there) < len(by_seed):
        return ""
    if len(there) == 1:
        return interval(there[0])
    return f"{stats.mean(np.array([value(one) for one in there])):.3f[]}"
