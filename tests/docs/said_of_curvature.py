"""Sentences of "What explains the gap", with numbers that `docs/numbers` holds."""

from docs.tables.curvature import EXPLAINED, RUNS, predicted, published, verdict
from docs.tables.kept import kept, value

NEW = [run for run in RUNS if "predictions" in next(iter(kept(run, "curvature").values()))]


def curvature(run):
    (found,) = kept(run, "curvature").values()
    return found


def gap(run):
    return value(curvature(run)["location_spread"]["gap"])


def share(run):
    """The share of the location in the gap."""
    return value(curvature(run)["location_spread"]["location"]) / gap(run)


def ratio(run, estimate):
    return value(estimate) / gap(run)


def signs(center):
    """{run: the verdict on the sign of its prediction} around a center, or of the paper's version."""
    found = {run: published(run)["total"] if center == "published" else predicted(run, center) for run in RUNS}
    return {run: verdict(run, one) for run, one in found.items() if one is not None}


def exact_form():
    yield "57 % with ReLU and 87 % with swish".replace("57", f"{100 * share('nvp-fashion'):.0f}").replace(
        "87", f"{100 * share('nvp-fashion-swish'):.0f}"
    )
    spreads = [1 - share(run) for run in RUNS if "fashion" in run and run != "cv-fashion-hours"]
    yield f"its share depends on the network ({100 * min(spreads):.0f} to {100 * max(spreads):.0f} %)"
    ratios = []
    for run in ("nvp-cifar10", "cv-cifar10"):
        found = curvature(run)["location_spread"]
        ratios.append(value(found["spread_in"]["value"]) / value(found["spread_out"]["value"]))
    yield "that of the spreads {:.1f} (NVP) and {:.1f} (CV)".format(*ratios)
    longer = curvature("nvp-cifar10-hours")["location_spread"]["location"]
    yield f"and {value(longer):.0f} ± {longer['sem']:.0f} nats for the one trained longer"
    yield f"the location is {100 * share('nvp-cifar10'):.0f} % of the NVP-Glow's gap"


def along_training():
    runs = ("nvp-fashion-250", "nvp-fashion-1000", "nvp-fashion", "nvp-fashion-hours")
    shares = [100 * share(run) for run in runs]
    yield "share of the location is {:.0f}, {:.0f}, {:.0f} and {:.0f} %.".format(*shares)
    times = [-ratio(run, predicted(run, "in_dist")) for run in runs]
    yield "{:.0f}, {:.0f}, {:.0f} and {:.0f} times the gap, with the wrong sign".format(*times)


def signs_and_sizes():
    photos = [run for run in RUNS if "cifar10" in run]
    centers = ("midpoint", "in_dist", "classes", "published")
    assert {signs(center)[run] for center in centers for run in photos} == {"right"}
    yield "For CIFAR-10 -> SVHN, the sign is right around each of these centers and in the paper's version"
    by_cv = [
        abs(ratio(run, predicted(run, c))) for run in photos if "cv" in run for c in ("midpoint", "in_dist", "classes")
    ]
    of_paper = [abs(ratio(run, published(run)["total"])) for run in photos if "cv" in run]
    yield f"{min(by_cv):.0f} to {max(by_cv):.0f} times too large with full covariances"
    yield f"and {min(of_paper):.0f} to {max(of_paper):.0f} times with variances only"
    for run in ("nvp-fashion", "nvp-fashion-hours"):
        assert (signs("midpoint")[run], signs("in_dist")[run]) == ("right", "wrong")
    yield "both NVP-Glows with ReLU on FashionMNIST, the midpoint and the test mean disagree in sign"
    right = list(signs("published").values()).count("right")
    yield f"The paper's version has the right sign for {right} of the {len(RUNS)} models"
    sizes = [
        abs(ratio(run, predicted(run, center)))
        for center in ("midpoint", "in_dist", "classes")
        for run in RUNS
        if signs(center)[run] != "open"
    ]
    yield f"at least {min(sizes):.1f} times the gap"
    papers = [abs(ratio(run, published(run)["total"])) for run in RUNS]
    yield f"is {min(papers):.0f} to {round(max(papers), -2):,.0f} times the gap"
    fashion = [run for run in RUNS if "fashion" in run]
    assert {signs("classes")[run] for run in fashion} == {"wrong"}
    yield "with the wrong sign for every model of FashionMNIST"


def right_within_their_errors():
    found = {}
    for center in ("midpoint", "in_dist", "out_dist", "classes"):
        for run in NEW:
            one = predicted(run, center)
            if one is not None and abs(value(one) - gap(run)) < 1.96 * one["sem"]:
                found[run, center] = one
    assert set(found) == {("nvp-fashion-swish", "midpoint"), ("nvp-notmnist", "in_dist")}
    for (run, _), one in found.items():
        assert one["sem"] > abs(gap(run))
        yield f"({value(one):+,.0f} ± {one['sem']:,.0f} against {gap(run):+,.0f})"
    smooth, measured = predicted("cv-fashion-swish", "midpoint"), gap("cv-fashion-swish")
    yield f"predicts {value(smooth):+,.0f} ± {smooth['sem']:,.0f} against {measured:+,.0f} at the midpoint"


def old_row():
    """What a row over 100 images says where one over all is known: the predictions on the paths of the same run."""
    few = [curvature("nvp-fashion-hours")["expansions"][center]["predicted"] for center in ("midpoint", "in_dist")]
    yield "was {} around the midpoint and {} around the test mean".format(
        *(f"{value(one):+,.0f} ± {one['sem']:,.0f}" for one in few)
    )


def by_scale():
    errors, spread_errors = [], []
    for run in EXPLAINED:
        (found,) = kept(run, "by-scale").values()
        found = found["curvature_by_scale"]
        half = found["share"].index(0.5)
        measured = value(found["gap"])
        errors.append(abs(found["predicted_gap"]["value"][half] / measured - 1))
        for side in ("in_dist", "out_dist"):
            wrong = found[side]["predicted"]["value"][half] - value(found[side]["spread"])
            spread_errors.append(abs(wrong))
    yield f"predicts the gap of all three models within {100 * max(errors):.0f} %"
    yield f"the spreads one by one are off by {min(spread_errors):.0f} to {max(spread_errors):.0f} nats"
    (longer,) = kept("nvp-fashion-hours", "by-scale").values()
    curve = longer["curvature_by_scale"]["in_dist"]["curve"]["value"]
    sizes = longer["curvature_by_scale"]["in_dist"]["size"]
    yield f"from {curve[-1]:+,.0f} nats at {sizes[-1]:,.0f} images to {curve[0]:+,.0f} at one"
    (change,) = [n for n in range(len(sizes) - 1) if curve[n] * curve[n + 1] < 0]
    yield f"it changes its sign between N = {sizes[change]:.0f} and N = {sizes[change + 1]:.0f}:"


def with_training():
    longer = [abs(ratio("nvp-fashion-hours", predicted("nvp-fashion-hours", c))) for c in ("midpoint", "in_dist")]
    short = [abs(ratio("nvp-fashion", predicted("nvp-fashion", c))) for c in ("midpoint", "in_dist")]
    yield f"from {short[0]:.0f} to {longer[0]:.0f} times the gap around the midpoint"
    yield f"and from {short[1]:.0f} to {longer[1]:.0f} times around the test mean"


OF_CURVATURE = (
    exact_form,
    along_training,
    signs_and_sizes,
    right_within_their_errors,
    old_row,
    by_scale,
    with_training,
)
