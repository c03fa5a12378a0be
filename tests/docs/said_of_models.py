"""Sentences of the results about single models, with numbers that `docs/numbers` holds outside of their tables."""

import math

from docs.tables.kept import kept, value

FASHION, CIFAR = "nvp-fashion-hours", "nvp-cifar10-hours"


def bits(run, name):
    return kept(run, "likelihoods")[name]["bits_per_dim"]["mean"]


def auroc(run, name):
    return kept(run, "likelihoods")[name]["detection"]["auroc"]["value"]


def trained_longer():
    test, digits = bits(FASHION, "fashion_mnist:test"), bits(FASHION, "mnist:test")
    short, short_digits = bits("nvp-fashion", "fashion_mnist:test"), bits("nvp-fashion", "mnist:test")
    published = kept(FASHION, "likelihoods")["mnist:test"]["published_bits_per_dim"]
    yield f"FashionMNIST goes from {short:.3f} to {test:.3f} bits/dim"
    yield f"from {short_digits:.3f} to {digits:.3f} (the paper, for a larger model: {published})"
    yield f"The distance grows from {short - short_digits:.2f} to {test - digits:.2f}"
    photos, houses = ([bits(run, name) for run in ("nvp-cifar10", CIFAR)] for name in ("cifar10:test", "svhn:test"))
    yield "CIFAR-10 goes from {:.3f} to {:.3f}, SVHN from {:.3f} to {:.3f}.".format(*photos, *houses)
    constant = [bits(run, "constant") for run in ("nvp-cifar10", CIFAR)]
    yield "constant images take {:.3f} bits/dim after 19 minutes and {:.3f} after two hours".format(*constant)
    yield "Their AUROC goes from {:.3f} to {:.3f}".format(*(auroc(run, "constant") for run in ("nvp-cifar10", CIFAR)))
    yield f"the AUROC is {auroc('cv-fashion-hours', 'mnist:test'):.3f} at the end"
    yield f"the short run further down, of half the depth, has {auroc('cv-fashion', 'mnist:test'):.3f}"
    training = kept("cv-cifar10-hours", "training")
    validation = training["bits_per_dim"]["CIFAR-10 validation"]
    best = min(range(len(validation)), key=validation.__getitem__)
    yield f"On CIFAR-10 that is step {training['steps'][best]:,} of {training['steps'][-1]:,}"
    yield f"validation images go from {validation[best]:.3f} to {validation[-1]:.3f} bits/dim"
    half = [bits(CIFAR, "contrast-0.5"), photos[1], bits(FASHION, "contrast-0.5"), test]
    yield "takes {:.2f} bits/dim instead of {:.2f}, but a piece of clothing {:.2f} instead of {:.2f}".format(*half)


def by_time():
    runs = {"time-fashion-hours": ("4,000 steps", "36,000 steps")}
    first, last = (kept("time-fashion-hours")[name] for name in runs["time-fashion-hours"])
    middle = [kept("time-fashion")[f"2 x 16, batch 32, {steps} steps"] for steps in ("14,000", "30,000")]
    validation = [next(iter(one["bits_per_dim"].values())) for one in (first, *middle, last)]
    doublings = [math.log2(b / a) for a, b in ((4_000, 14_000), (14_000, 30_000), (30_000, 36_000))]
    gains = [(a - b) / n for a, b, n in zip(validation, validation[1:], doublings, strict=False)]
    yield "from row to row {:.2f}, {:.2f} and {:.2f} bits/dim on validation images".format(*gains)
    published = kept(FASHION, "likelihoods")["fashion_mnist:test"]["published_bits_per_dim"]
    factor = 2 ** ((bits(FASHION, "fashion_mnist:test") - published) / gains[-1])
    assert round(factor) == 7
    yield f"the paper's {published} on test images would take seven times as many steps as the last row"
    shallow, deep = kept("time-cifar10")["NVP-Glow, 12,000 steps"], kept(CIFAR, "training")
    own = shallow["bits_per_dim"]["held-out images of the training kind"]
    deep_own = min(deep["bits_per_dim"]["CIFAR-10 validation"])
    yield f"gave {own - deep_own:.3f}: {own:.3f} bits/dim on validation images"
    yield f"{deep_own:.3f} with 3 x 16 after {deep['steps'][-1]:,} ({deep['seconds'][-1] / 60:.0f} minutes on one core)"


def contrast():
    found = {run: kept(run, "contrast") for run in (FASHION, "cv-fashion-hours", CIFAR)}
    curves = {
        (run, color): {row["factor"]: row for row in next(iter(by_set.values()))}
        for run in (FASHION, "cv-fashion-hours")
        for color, by_set in found[run].items()
    }
    sems = [row["sem"] for curve in curves.values() for row in curve.values()]
    unchanged = [curve[1]["sem"] for curve in curves.values()]
    yield f"with standard errors of at most {max(sems):.0f}, and {max(unchanged):.0f} for the unchanged images"
    changes = [(c[0]["mean"] - c[1]["mean"], c[0]["predicted"] - c[1]["predicted"]) for c in curves.values()]
    assert [measured > 0 for measured, _ in changes].count(True) == 5
    assert [measured * predicted < 0 for measured, predicted in changes].count(True) == 3
    ratios = [predicted / measured for measured, predicted in changes if measured * predicted > 0]
    grey = curves["cv-fashion-hours", "grey"]
    yield f"and {grey[1]['mean'] - grey[0]['mean']:.0f} ± {grey[1]['sem']:.0f} nats less likely under the CV-Glow"
    yield f"is {min(ratios):.0f} to {round(max(ratios), -3):,.0f} times too large in the others"
    photos = {color: {row["factor"]: row for row in by_set["cifar10:test"]} for color, by_set in found[CIFAR].items()}
    houses = {row["factor"]: row for row in found[CIFAR]["mean"]["svhn:test"]}
    flat = [f"{photos[color][0]['mean']:,.0f}" for color in ("mean", "grey", "black")]
    start = photos["mean"][1]
    yield f"from {start['mean']:,.0f} ± {start['sem']:.0f} nats to {flat[0]}, {flat[1]} and {flat[2]} when flat"
    yield f"house numbers from {houses[1]['mean']:,.0f} ± {houses[1]['sem']:.0f} to nearly the same"
    moves = [(c[0][what] - c[1][what]) for c in (photos["mean"], houses) for what in ("predicted", "mean")]
    yield "predicts {:+,.0f} instead of {:+,.0f} for photographs and {:+,.0f} instead of {:+,.0f}".format(*moves)


def by_scale():
    gaps = kept(FASHION, "scales")["gaps"]["mnist:test"]
    total, finest = gaps["total"]["mean"], gaps["scale 1, volume"]["mean"]
    yield f"nearly all of the digits' advantage**, {finest:.0f} of {total:.0f} nats"
    priors = sum(part["mean"] for name, part in gaps.items() if "prior" in name)
    volumes = sum(part["mean"] for name, part in gaps.items() if "volume" in name)
    yield f"the priors contribute {priors:.0f} and the volumes {volumes:.0f}"
    found = kept(FASHION, "likelihoods")
    terms = [
        found["mnist:test"][t]["mean"] - found["fashion_mnist:test"][t]["mean"] for t in ("log_pz_nats", "log_det_nats")
    ]
    yield "log p(z) contributes {:.0f} nats and the volume {:.0f}".format(*terms)
    early = kept("nvp-fashion", "scales")["gaps"]["mnist:test"]
    parts = [f"{value(part):+.0f} ± {part['sem']:.0f}" for part in early.values()]
    yield "the same table had {}, {}, {} and {}, in total {}".format(*parts)
    short = [value(part) for part in early.values()]
    yield f"For the short model, 7 and 675 became {short[0] + short[2]:.0f} and {short[1] + short[3]:.0f}."
    houses = kept(CIFAR, "scales")["gaps"]["svhn:test"]
    priors = sum(part["mean"] for name, part in houses.items() if "prior" in name)
    yield f"the priors contribute {priors:.0f} of the house numbers' {houses['total']['mean']:,.0f} nats"


def samples_of_photographs():
    found = kept(CIFAR, "own-samples")
    names = ("samples, temperature 1", "samples, temperature 0.7", "cifar10:test")
    ends = [found[name]["bits_per_dim"] for name in names]
    three = [f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in ends]
    yield f"{three[0]} and {three[1]} bits/dim against {three[2]}"
    yield f"than house numbers ({found['svhn:test']['bits_per_dim']['mean']:.3f})"
    totals, volumes = (
        [found[f"{name}, as drawn"]["less_real_images_nats"][term] for name in names[:2]]
        for term in ("log p(x)", "log |det dz/dx|")
    )
    parts = [f"{one['mean']:+,.0f} ± {one['sem']:.0f}" for one in (*totals, *volumes)]
    yield f"they differ from photographs by {parts[0]} and {parts[1]} nats"
    yield f"the volume contributes {parts[2]} and {parts[3]}"
    nats_per_bit = 32 * 32 * 3 * math.log(2)
    real = ends[2]["mean"]
    lost = [nats_per_bit * (one["mean"] - real) + total["mean"] for one, total in zip(ends, totals, strict=False)]
    yield "Rounding and clipping subtract another {:.0f} and {:,.0f}.".format(*lost)


def ranked():
    found = kept(FASHION, "rankings")
    share = found["mnist:test"]["likelier"]
    yield f"{share['value']:.4f} [{share['low']:.3f}, {share['high']:.3f}] are more likely than the median"
    train, digits = found["fashion_mnist:train"]["quantiles"], found["mnist:test"]["quantiles"]
    yield f"have patterns, up to {train['1.0']:.1f} bits/dim"
    yield f"down to {train['0.0']:.1f}, thin things on black"
    yield f"ones, from {digits['0.0']:.1f}; the least likely are bold 8s and 0s, up to {digits['1.0']:.1f}"


def older_spectra():
    photos, letters, by_cv = (kept(run, "spectrum") for run in (CIFAR, "nvp-notmnist", "cv-notmnist"))
    yield f"the eigenvalues go from {photos['eigenvalues'][0]:.0f} to {photos['eigenvalues'][-1]:.1f}."
    ends = f"{letters['eigenvalues'][0]:.2f} to {letters['eigenvalues'][-1]:.2f} (trace {letters['trace']:.1f})"
    lowest, trace = by_cv["eigenvalues"][0], by_cv["trace"]
    yield f"{ends}, the CV-Glow's from {lowest:.0f} to zero within rounding (trace {trace:.0f})"


def gates():
    shares = kept("filter-fashion")["shares"]
    rejected = [
        100 * (1 - row["MNIST test"]["value"])
        for name, row in shares.items()
        if "typicality" in name and "CV" not in name
    ]
    yield f"They reject {min(rejected):.0f} to {max(rejected):.0f} % of the digits"
    turned = [row["rotated by 90°"]["value"] for name, row in shares.items() if "Glow" in name or "PixelCNN" in name]
    yield f"at about the rate of upright images, {100 * min(turned):.0f} to {100 * max(turned):.0f} %"


OF_MODELS = (trained_longer, by_time, contrast, by_scale, samples_of_photographs, ranked, older_spectra, gates)
