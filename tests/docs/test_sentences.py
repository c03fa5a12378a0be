"""The sentences of the results whose numbers are not in a table say what `docs/numbers` holds."""

import math

import numpy as np
import pytest
from docs.documents import ROOT
from docs.said_of_curvature import OF_CURVATURE
from docs.said_of_models import OF_MODELS

from docs.tables.kept import kept
from docs.tables.likelihoods import over_seeds

RESULTS = " ".join((ROOT / "docs" / "results.md").read_text().split())
NATS_PER_BIT = 784 * math.log(2)


def bits(run, name):
    return kept(run, "likelihoods")[name]["bits_per_dim"]["mean"]


def published(run, name):
    return kept(run, "likelihoods")[name]["published_bits_per_dim"]


def claims():
    fashion, cifar = "nvp-fashion-hours", "nvp-cifar10-hours"
    theirs = published(fashion, "fashion_mnist:test") - published(fashion, "mnist:test")
    ours = bits(fashion, "fashion_mnist:test") - bits(fashion, "mnist:test")
    yield f"MNIST is more likely, by {theirs:.3f} bits/dim | **yes**, by {ours:.2f} |"
    theirs = published(cifar, "cifar10:test") - published(cifar, "svhn:test")
    ours = bits(cifar, "cifar10:test") - bits(cifar, "svhn:test")
    yield f"SVHN is more likely, by {theirs:.3f} | **yes**, by {ours:.2f} (SVHN: 484 digits of 256 photos) |"
    pixelcnn, vae = (kept("model-classes-cifar10")[name]["in_dist"]["mean"] for name in ("PixelCNN", "VAE"))
    yield f"(PixelCNN {pixelcnn:.1f}, VAE {vae:.1f} bits/dim, one seed each; 8 is no model)"
    yield f"and reach {pixelcnn:.1f} and {vae:.1f} bits/dim, when no model at all takes 8"


def moments():
    cifar, fashion, notmnist = (kept("moments", name) for name in ("cifar10-svhn", "fashion-mnist", "notmnist-mnist"))
    share = cifar["share_at_which_the_second_varies_less"]
    low, high = share["low"], share["high"]
    yield f"SVHN varies less at {100 * low:.0f} to {100 * high:.0f} % of the pixel values"
    of_fashion, of_notmnist = (one["share_at_which_the_second_varies_less"]["value"] for one in (fashion, notmnist))
    yield f"less than FashionMNIST at {of_fashion:.0%} of".replace("%", " %")
    yield f"less than notMNIST at {of_notmnist:.0%},".replace("%", " %")
    yield f"less than CIFAR-10 at {share['value']:.0%} [{low:.0%}, {high:.0%}]".replace("%", " %")
    green, ours = (cifar[name]["summed_variance_by_channel"][1] for name in ("svhn:test", "cifar10:train"))
    assert green["low"] < ours["value"] < green["high"]
    ends = f"[{green['low']:.1f}, {green['high']:.1f}]"
    yield f"the interval of the green channel, {ends}, contains CIFAR-10's {ours['value']:.1f}"
    sums = [
        one[name]["summed_variance_by_channel"][0]["value"]
        for one, name in ((fashion, "mnist:train"), (fashion, "fashion_mnist:train"), (notmnist, "notmnist_small:all"))
    ]
    yield "(summed variances of {:.0f}, against {:.0f} and {:.0f}, see above)".format(*sums)
    totals = [sum(v["value"] for v in cifar[n]["summed_variance_by_channel"]) for n in ("cifar10:train", "svhn:test")]
    yield f"the ratio of the summed variances is {totals[0] / totals[1]:.2f} (over 256 photos of SVHN)"


def search():
    """The best of ten differences to one preset, if all candidates have the spread of the ensemble's members."""
    found = kept("search-28")
    best = min(one["difference"]["mean"] for one in found.values())
    members = [
        one["fashion_mnist:test"]["bits_per_dim"] for name, one in kept("ensemble-fashion").items() if "seed" in name
    ]
    spread = np.std([one.get("mean", one.get("value")) for one in members], ddof=1)
    rng = np.random.default_rng(0)
    bits = rng.standard_normal((200_000, len(found)))
    lowest = spread * (bits[:, 1:] - bits[:, :1]).min(axis=1)
    estimated = lowest / np.sqrt(rng.chisquare(len(members) - 1, len(lowest)) / (len(members) - 1))
    known, unknown = np.mean(lowest <= best), np.mean(estimated <= best)
    yield (
        f"would be as large as this ({best:.3f}) with a probability of {known:.2f}, or of {unknown:.2f} if we count "
        "that the standard deviation itself comes from five seeds"
    )


def samples():
    by_seed = list(kept("nvp-fashion-hours", "own-samples").values())
    names = ("samples, temperature 1", "samples, temperature 0.7", "fashion_mnist:test", "mnist:test")
    found = {name: [seed[name]["bits_per_dim"]["value"] for seed in by_seed] for name in names}
    warm, cold, real, digits = map(over_seeds, found.values())
    yield f"{warm:.3f[]} and {cold:.3f[]} bits/dim, against {real.value:.3f} for real test images"
    yield f"Digits, at {digits.value:.3f}, are more likely still"
    yield f"means over {['zero', 'one', 'two', 'three', 'four', 'five'][len(by_seed)]} seeds"
    rounding, outside = [], []
    for name in names[:2]:
        before = [seed[f"{name}, before rounding"] for seed in by_seed]
        total = [one["minus_real_images_nats"]["log p(x)"]["value"] for one in before]
        lost = [NATS_PER_BIT * (s - r) + t for s, r, t in zip(found[name], found[names[2]], total, strict=True)]
        rounding.append(np.mean(lost))
        outside.append(100 * np.mean([one["values_outside_the_range"] for one in before]))
    yield "({:.1f} % and {:.1f} % of the values lie outside a pixel's range)".format(*outside)
    yield "subtract another {:.0f} and {:.0f} nats".format(*rounding)


def latents():
    found = kept("nvp-fashion-hours", "likelihoods")
    names = ("fashion_mnist:test", "mnist:test", "constant")
    spreads = [found[name]["log_pz_nats"]["sem"] * math.sqrt(found[name]["num_images"]) for name in names]
    normal = math.sqrt(784 / 2)
    yield (
        "over test images log p(z) has a standard deviation of {:.0f} nats, over digits of {:.0f} and over constant "
        "images of {:.0f}, against {:.1f} for a standard normal"
    ).format(*spreads, normal)
    real = found["fashion_mnist:test"]["log_pz_nats"]["mean"]
    by_design = -784 / 2 * (math.log(2 * math.pi) + 1)
    yield f"{by_design:,.0f} and {by_design + 784 / 2 * (1 - 0.7**2):,.0f} nats, and real images have {real:,.0f}"
    yield f"the *mean* of log p(z) over real images is within {abs(real - by_design) + 0.5:.0f} nats of that of samples"


def crossing():
    found = kept("nvp-cifar10-hours", "training")
    constant, digits = found["bits_per_dim"]["constant images"], found["bits_per_dim"]["SVHN"]
    after = next(n for n, (a, b) in enumerate(zip(constant, digits, strict=True)) if a < b)
    before, after = (found["seconds"][n] / 60 for n in (after - 1, after))
    yield f"overtake house numbers between the evaluations at {before:.1f} and {after:.1f} minutes"


def spectra():
    found = kept("nvp-fashion-hours", "spectrum")
    own, digits = (np.array(found[f"variance along, {name} test"][:8]) for name in ("FashionMNIST", "MNIST"))
    yield f"the variance of clothes is {min(own / digits):.0f} to {max(own / digits):.0f} times that of digits"
    lowest = [low for low, _ in found["at_resampled_means"]]
    assert round(min(lowest) / max(lowest)) == 6
    yield "the lowest changes by a factor of six between equally good means"
    longer = kept("cv-fashion-hours", "spectrum")
    yield f"trained longer they go from {longer['eigenvalues'][0]:.0f} to zero (trace {longer['trace']:.0f})"


def heavy_tails():
    run, test, digits = "cv-fashion-hours", "fashion_mnist:test", "mnist:test"
    likelihoods, ranks = kept(run, "likelihoods"), kept(run, "rankings")
    (curvature,) = kept(run, "curvature").values()
    auroc = likelihoods[digits]["detection"]["auroc"]
    yield f"The AUROC of the digits is {auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]"
    few, all_images = curvature["expansions"]["in_dist"]["gap"], curvature["location_spread"]["gap"]
    own, other = (likelihoods[name]["bits_per_dim"] for name in (test, digits))
    gap = NATS_PER_BIT * (own["mean"] - other["mean"])
    error = NATS_PER_BIT * math.hypot(own["sem"], other["sem"])
    yield (
        f"is {few['mean']:+.0f} ± {few['sem']:.0f} over 100 images of each set, {gap:+.0f} ± {error:.0f} over 2,000 "
        f"and {all_images['mean']:+.0f} ± {all_images['sem']:.0f} over 10,000"
    )
    assert gap > few["mean"] + 1.96 * few["sem"]
    assert all_images["mean"] > gap + 1.96 * error
    highest = [ranks[name]["quantiles"]["1.0"] for name in (test, digits)]
    yield "4,203 of FashionMNIST, {:.1f} bits/dim) and a 3 with a stray pixel (7,398 of MNIST, {:.1f})".format(*highest)
    share = ranks[digits]["likelier"]
    yield f"By rank, {share['value']:.3f} [{share['low']:.3f}, {share['high']:.3f}] of the digits are more likely"
    middle, upper = ([ranks[name]["quantiles"][q] for name in (test, digits)] for q in ("0.5", "0.95"))
    yield (
        f"test images take less than {middle[0]:.2f} bits/dim, 5 % take more than {upper[0]:.2f}, and one takes "
        f"{highest[0]:.0f}. Of 2,000 digits, half take less than {middle[1]:.2f}, 5 % more than {upper[1]:.2f}, and "
        f"one {highest[1]:.0f}."
    )


GROUPS = (claims, moments, search, samples, latents, crossing, spectra, heavy_tails, *OF_MODELS, *OF_CURVATURE)


@pytest.mark.parametrize("sentences", GROUPS, ids=lambda group: group.__name__)
def test_sentences_say_what_was_measured(sentences):
    missing = [sentence for sentence in sentences() if sentence not in RESULTS]
    assert not missing
