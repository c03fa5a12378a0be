"""The statistics that the chosen scores need, for all sets: of the model itself, a background model and an ensemble."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from experiments.ood.budget import Seconds, measured_seconds, num_images_by_family
from experiments.ood.kept import Source
from experiments.report import progress
from glowjax import ood
from glowjax.data import ImageSet
from glowjax.ood import Entry


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where statistics come from.

    Attributes:
        own: the model whose scores are asked for.
        background: the background model of likelihood ratios, or None.
        members: the members of an ensemble, or none.
    """

    own: Source
    background: Source | None = None
    members: Sequence[Source] = ()

    def lacks(self, entry: Entry) -> str:
        """Why a score cannot be computed from these models, as a sentence; "" if it can."""
        there = {"background": self.background is not None, "members": len(self.members) > 1}
        if lacking := [OPTIONS[other] for other in entry.others if not there.get(other, False)]:
            return f"It needs {' and '.join(lacking)}."
        background = [] if self.background is None else [self.background]
        for other, models in (("", [self.own]), ("background", background), ("members", self.members)):
            for source in models:
                for reason in ood.missing(source.trained.model, ood.needed([entry.name], other)).values():
                    return f"{reason[0].upper()}{reason[1:]}."
        return ""


OPTIONS = {
    "background": "a background model: --background-run",
    "members": "an ensemble: two or more --members",
    "classifier": "a classifier, as the experiment filter trains it",
}


@dataclasses.dataclass(frozen=True)
class Collected:
    """Statistics of all sets.

    Attributes:
        by_set: {set: {need of a score: its statistics}}.
        num_images: {need: the largest number of images per set}; 0 if it takes too long.
        seconds: {need: seconds per image, the median over sets}; those that take too long have their measured time.
        forward: the needs that one forward pass gives together.
    """

    by_set: Mapping[str, Mapping[str, ood.Statistics]]
    num_images: Mapping[str, int]
    seconds: Seconds
    forward: Sequence[str]

    def num_images_of(self, entry: Entry) -> int:
        """The largest number of images per set that have all that a score needs."""
        return min(self.num_images[need] for need in entry.score.needs)

    def seconds_of(self, entry: Entry) -> float:
        """The seconds per image of all that a score needs."""
        shared = [self.seconds[need] for need in entry.score.needs if need in self.forward]
        others = [self.seconds[need] for need in entry.score.needs if need not in self.forward]
        return max(shared, default=0.0) + sum(others)

    def of(self, name: str, entry: Entry) -> ood.Statistics:
        """The statistics of a set that a score needs."""
        found = self.by_set[name]
        count = min(found[need].num_images for need in entry.score.needs)
        first, *others = (found[need].select(slice(count)) for need in entry.score.needs)
        for one in others:
            first = first.joined(one)
        return first


def collect(sources: Sources, sets: Sequence[ImageSet], names: Sequence[str], minutes: float | None) -> Collected:
    """The statistics that the scores `names` need, of all `sets`; the first is the reference.

    What needs no forward pass of its own, and the forward pass itself, are computed for all images. The other families
    share `minutes`.
    """
    families = ood.needed(names)
    forward = [name for name in families if ood.FAMILIES[name].is_forward]
    others = [name for name in families if name not in forward]
    largest = max(one.num_images for one in sets)
    seconds = measured_seconds(sources.own, sets[0], others)
    num_images = dict.fromkeys(forward, largest) | num_images_by_family(seconds, largest, len(sets), minutes)
    by_set: dict[str, dict[str, ood.Statistics]] = {one.name: {} for one in sets}
    for group in filter(None, [forward, *([name] for name in others if num_images[name])]):
        _add(by_set, sources.own, sets, group, num_images[group[0]])
    for name, stats in _of_others(sources, sets, names).items():
        for need, one in stats.items():
            by_set[name][need] = one
            num_images[need] = largest
    medians = {
        need: float(np.median([found[need].about["seconds"][need] for found in by_set.values()]))
        for need in next(iter(by_set.values()))
    }
    return Collected(by_set, num_images, seconds | medians, forward)


def _add(
    by_set: Mapping[str, dict[str, ood.Statistics]],
    source: Source,
    sets: Sequence[ImageSet],
    families: Sequence[str],
    num_images: int,
) -> None:
    """Adds the statistics of families that are computed together, for each set."""
    shown = [one.select(slice(num_images), "first") for one in sets]
    total, before = sum(one.num_images for one in shown), 0
    with progress.shown(f"statistics: {', '.join(families)}", "image") as report:
        for one in shown:
            found = source.statistics(one, families, functools.partial(_report, report, before, total))
            by_set[one.name].update(found)
            before += one.num_images
            report(before, total)


def _report(report: Callable[[int, int], None], before: int, total: int, _: str, done: int, __: int) -> None:
    """Reports the images of one set as a part of all."""
    report(before + done, total)


def _of_others(
    sources: Sources, sets: Sequence[ImageSet], names: Sequence[str]
) -> dict[str, dict[str, ood.Statistics]]:
    """{set: {need: its statistics}} by a background model and an ensemble."""
    found: dict[str, dict[str, ood.Statistics]] = {one.name: {} for one in sets}
    families = {other: ood.needed(names, other) for other in ood.OTHERS}
    if sources.background is not None:
        for family in families["background"]:
            for name, stats in _by_set(sources.background, sets, family).items():
                found[name][f"background.{family}"] = stats.named("background")
    if families["members"] and sources.members:
        by_member = [_by_set(member, sets, "log_prob") for member in sources.members]
        for name in found:
            found[name]["members.log_prob"] = ood.ensemble([of_sets[name] for of_sets in by_member])
    return found


def _by_set(source: Source, sets: Sequence[ImageSet], family: str) -> dict[str, ood.Statistics]:
    by_set: dict[str, dict[str, ood.Statistics]] = {one.name: {} for one in sets}
    _add(by_set, source, sets, [family], max(one.num_images for one in sets))
    return {name: found[family] for name, found in by_set.items()}
