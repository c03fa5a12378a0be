"""The tables of "What explains the gap": location and spreads, second order, remainders and closed forms."""

from typing import Any

from docs.tables.kept import MINUS, Estimate, Rows, kept, signed, value

RUNS = {
    "nvp-fashion": "NVP, ReLU: FashionMNIST → MNIST",
    "nvp-fashion-swish": "NVP, swish: FashionMNIST → MNIST",
    "cv-fashion": "CV, ReLU: FashionMNIST → MNIST",
    "cv-fashion-swish": "CV, swish: FashionMNIST → MNIST",
    "nvp-notmnist": "NVP, ReLU: notMNIST → MNIST",
    "cv-notmnist": "CV, ReLU: notMNIST → MNIST",
    "nvp-cifar10": "NVP, ReLU: CIFAR-10 → SVHN",
    "cv-cifar10": "CV, ReLU: CIFAR-10 → SVHN",
    "nvp-fashion-hours": "NVP, ReLU, longer: FashionMNIST → MNIST",
    "nvp-cifar10-hours": "NVP, ReLU, longer: CIFAR-10 → SVHN",
    "cv-fashion-hours": "CV, ReLU, longer: FashionMNIST → MNIST",
    "cv-cifar10-hours": "CV, ReLU, longer: CIFAR-10 → SVHN",
}
"""The runs of "What explains the gap", in the order of its tables."""

CENTERS = {"midpoint": "midpoint", "in_dist": "test mean", "out_dist": "OOD mean", "classes": "class means"}
ON_PATHS = ("midpoint", "in_dist", "classes")
"""The centers from which paths lead."""

OLD = " †"
"""Marks the rows of models whose predictions are of few images: their weights are gone."""


def _curvature(run: str) -> Any:
    (found,) = kept(run, "curvature").values()
    return found


def _name(run: str, label: str | None = None) -> str:
    """The name of a row."""
    return (label or RUNS[run]) + ("" if "predictions" in _curvature(run) else OLD)


def predicted(run: str, center: str) -> Estimate | None:
    """The second-order prediction: over all images, or that of the old numbers, over those to which paths lead."""
    found = _curvature(run)
    if "predictions" not in found:
        return found["expansions"].get(center, {}).get("predicted")
    of_all = found["predictions"]
    return of_all["class_means"] if center == "classes" else of_all["by_center"][center]["total"]


def published(run: str) -> Any:
    """The paper's version and its terms, over all images in old numbers too."""
    found = _curvature(run)
    return found["predictions"]["published"] if "predictions" in found else found["published"]


def _bits_at_the_checkpoint(run: str) -> str:
    """Validation images / OOD images, when the checkpoint was written: at the best validation."""
    validation, watched, *_ = kept(run, "training")["bits_per_dim"].values()
    best = validation.index(min(validation))
    return f"{validation[best]:.2f} / {watched[best]:.2f}"


def _location_and_spreads(run: str) -> list[str]:
    found = _curvature(run)["location_spread"]
    spread_out, spread_in = found["spread_out"]["value"], found["spread_in"]["value"]
    parts = [signed(found["gap"]), signed(found["location"]), signed(spread_out), signed(spread_in, sign=-1)]
    return [_bits_at_the_checkpoint(run), *parts]


def exact_form() -> Rows:
    """The gap as location and spreads."""
    yield [
        "model: pair",
        "bits/dim",
        "gap",
        "= location",
        "+ spread of the OOD set",
        f"{MINUS} spread of the test set",
    ]
    for run, name in RUNS.items():
        yield [name, *_location_and_spreads(run)]


def along_training() -> Rows:
    """The same for one model after some steps and after all."""
    yield [
        "NVP, ReLU, FashionMNIST → MNIST",
        "bits/dim",
        "gap",
        "= location",
        "+ spread MNIST",
        f"{MINUS} spread FashionMNIST",
        "its smooth part",
        "its kink part",
        "second order, mean",
    ]
    for run, name in {
        "nvp-fashion-250": "250 steps",
        "nvp-fashion-1000": "1,000 steps",
        "nvp-fashion": "2,500 steps",
        "nvp-fashion-hours": "36,000 steps of 32, 2 x 16",
    }.items():
        spread = _curvature(run)["location_spread"]["spread_in"]
        last = (spread["smooth"], spread["kink"], predicted(run, "in_dist"))
        yield [_name(run, name), *_location_and_spreads(run), *map(signed, last)]


def second_order() -> Rows:
    """The measured gap and its predictions around several centers."""
    yield ["model: pair", "measured gap", *CENTERS.values(), "the paper's version"]
    for run in RUNS:
        estimates = [
            _curvature(run)["location_spread"]["gap"],
            *(predicted(run, center) for center in CENTERS),
            published(run)["total"],
        ]
        yield [_name(run), *("" if one is None else signed(one) for one in estimates)]


def verdicts() -> Rows:
    """Each prediction as a multiple of the measured gap, with the verdict on its sign."""
    yield ["model: pair", *CENTERS.values(), "the paper's version"]
    for run in RUNS:
        estimates = [*(predicted(run, center) for center in CENTERS), published(run)["total"]]
        yield [_name(run), *("" if one is None else f"{verdict(run, one)}, {multiple(run, one)}" for one in estimates)]


def verdict(run: str, prediction: Estimate) -> str:
    """Whether the sign of a prediction is right, wrong, or open: no different from zero at 95 %."""
    if abs(value(prediction)) < 1.96 * prediction["sem"]:
        return "open"
    return "right" if value(prediction) * value(_curvature(run)["location_spread"]["gap"]) > 0 else "wrong"


def multiple(run: str, prediction: Estimate) -> str:
    """The size of a prediction in units of the measured gap."""
    times = abs(value(prediction) / value(_curvature(run)["location_spread"]["gap"]))
    return f"{times:,.1f}" if times < 10 else f"{times:,.0f}"


def remainders() -> Rows:
    """What the predictions miss."""
    yield ["model: pair, center", "gap on these images", "remainder", "smooth", "kinks"]
    for run, name in RUNS.items():
        for center in ON_PATHS:
            found = _curvature(run)["expansions"][center]
            parts = [found["remainder"][part] for part in ("total", "smooth", "kink")]
            yield [f"{name}, {CENTERS[center]}", *map(signed, (found["gap"], *parts))]


def spreads(*runs: str) -> Rows:
    """The spread of each set, computed in several ways, under some of the models or under all."""
    columns = {"value": "from values", "gradient": "from gradients", "smooth": "smooth part", "kink": "kink part"}
    columns |= {"at_mean": "Hessian at the mean alone", "quadrature": "quadrature"}
    yield ["model: pair, spread of", *columns.values()]
    for run in runs or RUNS:
        name = RUNS[run]
        for part, of in zip(("in_dist", "out_dist"), name.split(": ")[1].split(" → "), strict=True):
            found = _curvature(run)["location_spread"][f"spread_{part.removesuffix('_dist')}"]
            if "predictions" in _curvature(run):
                found = found | {"at_mean": _curvature(run)["predictions"]["at_mean"][part]}
            yield [_name(run, f"{name}, {of}"), *(signed(found[column]) for column in columns)]


def closed_forms() -> Rows:
    """The forms of the covariance term for constant volume."""
    columns = {"published": "published closed form", "diagonal": "exact weights, variances only"}
    columns |= {"linear": "exact, without couplings", "jacobian": "the flow's Jacobian"}
    yield ["CV, ReLU: pair", *columns.values(), "autodiff, diagonal variances", "measured gap"]
    for run in ("cv-fashion-hours", "cv-notmnist", "cv-cifar10-hours"):
        found = _curvature(run)
        forms = [signed(found["closed_forms"][form], _digits(found["closed_forms"][form])) for form in columns]
        others = [signed(published(run)["covariance"]), signed(found["location_spread"]["gap"])]
        yield [RUNS[run].split(": ")[1], *forms, *others]


EXPLAINED = ("nvp-fashion", "nvp-fashion-hours", "cv-fashion")
"""The runs whose weights come with glowjax."""


def by_scale() -> Rows:
    """The gap and the spreads predicted by parabolas along shares of the paths."""
    shares = _by_scale(EXPLAINED[0])["share"]
    yield ["model", "of", *(f"t = {share:g}" for share in shares[:-1]), "measured"]
    for run in EXPLAINED:
        found = _by_scale(run)
        for label, predicted_by_share, measured in (
            ("gap", found["predicted_gap"], found["gap"]),
            ("spread, FashionMNIST", found["in_dist"]["predicted"], found["in_dist"]["spread"]),
            ("spread, MNIST", found["out_dist"]["predicted"], found["out_dist"]["spread"]),
        ):
            cells = [signed(one) for one in _each(predicted_by_share)[:-1]]
            yield [RUNS[run].partition(":")[0], label, *cells, signed(measured)]


def one_curve() -> Rows:
    """N times the mean of log p(mean of N images) - log p(mean), for each N."""
    columns = [(run, side) for run in EXPLAINED for side in ("in_dist", "out_dist")]
    names = {"in_dist": "FashionMNIST", "out_dist": "MNIST"}
    yield ["images in a mean", *(f"{RUNS[run].partition(':')[0]}: {names[side]}" for run, side in columns)]
    sizes = _by_scale(EXPLAINED[0])["in_dist"]["size"]
    curves = [_each(_by_scale(run)[side]["curve"]) for run, side in columns]
    for place, size in reversed(list(enumerate(sizes))):
        yield [f"{size:,.0f}", *(signed(curve[place]) for curve in curves)]
    at_means = [_curvature(run)["predictions"]["at_mean"][side] for run, side in columns]
    yield ["Hessian at the mean", *map(signed, at_means)]


def _by_scale(run: str) -> Any:
    (found,) = kept(run, "by-scale").values()
    return found["curvature_by_scale"]


def _each(estimates: dict[str, Any]) -> list[Estimate]:
    """The estimates of an array of them."""
    pairs = zip(estimates["value"], estimates["sem"], strict=True)
    return [{"value": one, "sem": sem} for one, sem in pairs]


def spectrum() -> Rows:
    """The extreme eigenvalues at a mean and at means of resampled images."""
    yield ["model", "trace", "lowest", "at resampled means", "highest", "at resampled means"]
    for run in EXPLAINED:
        found = kept(run, "spectrum")
        cells = [f"{found['trace']:,.0f}"]
        for end, at_means in zip((0, -1), zip(*found["at_resampled_means"], strict=True), strict=True):
            ends = (f"{value + 0.0:.1f}" for value in (min(at_means), max(at_means)))
            cells += [f"{found['eigenvalues'][end]:.1f}", " to ".join(ends)]
        yield [RUNS[run].partition(":")[0], *(cell.replace("-0.0", "0.0").replace("-", MINUS) for cell in cells)]


def _digits(found: Estimate) -> int:
    return 3 if abs(value(found)) < 100 else 0
