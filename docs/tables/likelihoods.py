"""The tables of likelihoods: of one model, of several, of an ensemble, by training time and by scale."""

from collections.abc import Sequence

import numpy as np

from docs.tables.kept import MINUS, Rows, interval, kept, signed
from experiments.report.trained import title
from glowjax import stats


def likelihoods(run: str) -> Rows:
    """Bits per dimension, their parts and AUROCs of the sets under one model."""
    yield [
        "evaluated on",
        "images",
        "bits/dim",
        "paper",
        "log p(z) [nats]",
        "log \\|det dz/dx\\| [nats]",
        "AUROC of bits/dim",
        "inversion error",
    ]
    for place, (name, found) in enumerate(kept(run, "likelihoods").items()):
        photos = " (256 photos)" if name == "svhn:test" else ""
        yield [
            title(name),
            f"{found['num_images']:,}{photos}",
            interval(found["bits_per_dim"]),
            str(found["published_bits_per_dim"] or ""),
            f"{found['log_pz_nats']['mean']:.0f}",
            f"{found['log_det_nats']['mean']:.0f}",
            interval(found["detection"]["auroc"]) if place else "",
            f"{found['largest_inversion_error_grey_levels']:.4f}",
        ]


def quantiles(run: str) -> Rows:
    """Bits per dimension by rank, and the share of images that are more likely than the median training image."""
    yield ["set", "images", "median", "95 %", "highest", "more likely than the median training image"]
    for name, found in kept(run, "rankings").items():
        ranks = [f"{found['quantiles'][rank]:.2f}" for rank in ("0.5", "0.95", "1.0")]
        share = found.get("more_likely_than_median", found.get("likelier"))
        yield [title(name), f"{found['num_images']:,}", *ranks, interval(share)]


def search(name: str) -> Rows:
    """Candidates for architecture and schedule, the best first."""
    yield [
        "candidate",
        "seconds per step",
        "steps",
        "bits/dim, validation",
        "difference (standard error)",
        "inversion error",
    ]
    for candidate, found in sorted(kept(name).items(), key=lambda item: item[1]["bits_per_dim"]["mean"]):
        difference = found["difference"]
        yield [
            candidate,
            f"{found['seconds_a_step']:.3f}",
            f"{found['num_steps']:,}",
            f"{found['bits_per_dim']['mean']:.3f}",
            f"{difference['mean']:+.3f} ({difference['sem']:.3f})" if difference["sem"] else "",
            f"{found['largest_inversion_error_grey_levels']:.4f}",
        ]


def bits_by_time() -> Rows:
    """Four trainings of one model on FashionMNIST, by their length."""
    yield ["steps", "time", "validation, bits/dim", "test, bits/dim", "MNIST test, bits/dim"]
    for run, file, label, cores in (
        ("nvp-fashion-short", "time-fashion-hours", "4,000 steps", "one core"),
        ("nvp-fashion-long", "time-fashion", "2 x 16, batch 32, 14,000 steps", "two shared cores"),
        ("nvp-fashion-longest", "time-fashion", "2 x 16, batch 32, 30,000 steps", "two shared cores"),
        ("nvp-fashion-hours", "time-fashion-hours", "36,000 steps", "one core"),
    ):
        trained, evaluated = kept(file)[label], kept(run, "likelihoods")
        validation = next(iter(trained["bits_per_dim"].values()))
        bits = [evaluated[name]["bits_per_dim"]["mean"] for name in ("fashion_mnist:test", "mnist:test")]
        time = f"{trained['minutes']:.0f} minutes, {cores}"
        yield [f"{trained['num_steps']:,}", time, *(f"{value:.3f}" for value in (validation, *bits))]


def moments() -> Rows:
    """Means and variances of pixel values."""
    yield ["set", "images", "mean", "summed variance", "paper (second hand)"]
    shown = set()
    for pair in ("cifar10-svhn", "fashion-mnist", "notmnist-mnist"):
        for name, found in kept("moments", pair).items():
            if "num_images" in found and name not in shown:
                shown.add(name)
                variances = [
                    f"{one['value']:.1f} [{one['low']:.1f}, {one['high']:.1f}]"
                    for one in found["summed_variance_by_channel"]
                ]
                means = [f"{value:.3f}" for value in found["mean_by_channel"]]
                paper = [f"{value:.1f}" for value in found["published_summed_variance_by_channel"] or ()]
                photos = " (256 photos)" if name == "svhn:test" else ""
                cells = [" / ".join(values) for values in (means, variances, paper)]
                yield [title(name), f"{found['num_images']:,}{photos}", *cells]


def contrast(*runs: str) -> Rows:
    """Mean log p of test images at several contrasts, and the change that the second order predicts."""
    yield ["model, shrunk towards", "contrast 1", "0.9", "0.5", "0 (flat)", "change, measured", "change, second order"]
    for run in runs:
        for color, label in (("mean", "its own mean"), ("grey", "middle grey"), ("black", "black")):
            found = {row["factor"]: row for row in next(iter(kept(run, "contrast")[color].values()))}
            changes = [found[0]["mean"] - found[1]["mean"], found[0]["predicted"] - found[1]["predicted"]]
            model = run.partition("-")[0].upper()
            values = [f"{found[factor]['mean']:,.0f}" for factor in (1, 0.9, 0.5, 0)]
            yield [f"{model}, {label}", *values, *(f"{change:+,.0f}" for change in changes)]


def model_classes(name: str) -> Rows:
    """Bits per dimension of two sets under models of all classes."""
    yield ["model", "training", "bits/dim, test set", "bits/dim, OOD set", "AUROC of bits/dim"]
    for model, found in kept(name).items():
        yield [model, found["training"], *(interval(found[part]) for part in ("in_dist", "out_dist", "auroc"))]


def filters(part: str) -> Rows:
    """What classifier and detectors do with each set."""
    found = kept("filter-fashion")[part]
    yield ["detector" if part == "risk" else "", *next(iter(found.values()))]
    for name, columns in found.items():
        yield [name, *map(interval, columns.values())]


def reverse() -> Rows:
    """Both directions of three pairs."""
    yield ["model", "own test set, bits/dim", "other set, bits/dim", "gap [nats]", "AUROC"]
    for found in kept("reverse"):
        own, other = (f"{title(name)}: {interval(found[name])}" for name in (found["in_dist"], found["out_dist"]))
        gap = signed(found["gap_nats"])
        trained_on = title(found["in_dist"].partition(":")[0])
        yield [f"NVP-Glow trained on {trained_on}", own, other, gap, interval(found["auroc"])]


def ensemble() -> Rows:
    """The members of the ensemble and their mixture."""
    sets = {"mnist:test": "MNIST test", "contrast-0.5": "half contrast", "constant": "constant images"}
    yield ["model", "FashionMNIST test, bits/dim", "MNIST test, bits/dim"] + [
        f"AUROC, {name}" for name in sets.values()
    ]
    for model, found in kept("ensemble-fashion").items():
        if model != "spread_nats":
            bits = [interval(found[name]["bits_per_dim"]) for name in ("fashion_mnist:test", "mnist:test")]
            yield [model, *bits, *(interval(found[name]["auroc"]) for name in sets)]


def disagreement() -> Rows:
    """How far the members of the ensemble disagree."""
    yield ["set", "of the means", "about images"]
    found = kept("ensemble-fashion")["spread_nats"]
    for name in found["of means"]:
        yield [title(name), f"{found['of means'][name]:.1f}", f"{found['about images'][name]:.1f}"]


def scales(run: str) -> Rows:
    """The gap by scale."""
    gaps = kept(run, "scales")["gaps"]
    yield ["set", *next(iter(gaps.values()))]
    for name, found in gaps.items():
        yield [title(name), *(signed(part) for part in found.values())]


def own_samples(run: str) -> Rows:
    """The model's samples beside real images: means over seeds, with intervals over seeds."""
    yield ["difference from real images [nats]", "log p(z)", "log \\|det dz/dx\\|", "log p(x)"]
    by_seed = list(kept(run, "own-samples").values())
    for temperature in ("1", "0.7"):
        name = f"samples, temperature {temperature}, before rounding"
        found = [seed[name]["minus_real_images_nats"] for seed in by_seed]
        means = [over_seeds([seed[term]["value"] for seed in found]) for term in found[0]]
        yield [
            f"samples at temperature {temperature}, before rounding",
            *(f"{mean:+,.0f[]}".replace("-", MINUS) for mean in means),
        ]


def over_seeds(values: Sequence[float]) -> stats.Estimate:
    """The mean of one value per seed, with Student's interval over seeds."""
    return stats.mean(np.asarray(values))
