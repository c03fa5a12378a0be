"""What docstrings say about the coverage of intervals, with the numbers of `docs/numbers/coverage.json`."""

from collections.abc import Iterator

from docs.tables.kept import kept
from glowjax import analysis as an
from glowjax import stats
from glowjax.data import verify
from glowjax.stats.tails import tail_index

NORMAL, SKEWED, LOGNORMAL = "normal", "skewed (exponential)", "skewed (log-normal)"
T3, PARETO = "heavy (t, 3 df)", "heavy (Pareto, index 1.6)"


def cases(row, data, field="", groups=False):
    """The cases of a row whose data are `data`, or begin with it if it ends in "..."."""
    found = [
        case
        for case in kept("coverage")["rows"][row]["cases"]
        if (case["data"] == data or (data.endswith("...") and case["data"].startswith(data[:-3])))
        and case["field"] == field
        and (case["groups"] is not None) == groups
    ]
    assert found, (row, data, field, groups)
    return found


def each(*args, **options):
    """The coverages one by one: "0.70, 0.75 and 0.83"."""
    *most, last = [f"{case['coverage']:.2f}" for case in cases(*args, **options)]
    return f"{', '.join(most)} and {last}"


def span(*several):
    """The range of the coverages of several sets of cases: "0.93-0.96"."""
    found = [case["coverage"] for one in several for case in one]
    low, high = f"{min(found):.2f}", f"{max(found):.2f}"
    return low if low == high else f"{low}-{high}"


def of_means() -> Iterator[tuple[object, str]]:
    light = span(cases("mean", NORMAL), cases("mean", SKEWED))
    yield stats.mean, f"{light} for Gaussian and exponential values"
    yield stats.mean, f"{span(cases('mean', T3))} for Student's t with 3 degrees of freedom"
    yield stats.mean, f"{each('mean', LOGNORMAL)} for log-normal ones"
    yield stats.mean, f"{each('mean', PARETO)} for a Pareto distribution of index 1.6"
    in_groups = span(cases("mean", "normal, alike in groups", groups=True))
    yield stats.mean, f"With 5 to 256 groups of Gaussian values: {in_groups}."
    light = [cases("gap", one) for one in (NORMAL, T3, LOGNORMAL)]
    light.append(cases("gap", "normal, out_dist alike in groups", groups=True))
    yield stats.gap, f"{span(*light)} for Gaussian values, in 5 to 256 groups too, for Student's t"
    yield stats.gap, f"{span(cases('gap', PARETO))} for a Pareto distribution of index 1.6, which has no variance"
    shares = [cases("share", f"share {one}") for one in ("0.5", "0.05")]
    yield stats.share, f"{span(*shares)} for 0.5 and 0.05, {each('share', 'share 0.99')} for 0.99."
    grouped = [cases("share", f"share {one}, alike in groups", groups=True) for one in ("0.5", "0.05", "0.99")]
    yield stats.share, f"With 5 to 256 groups: {span(*grouped)}; the lowest is 0.05 with 20 groups."
    row = "share-difference"
    yield stats.share_difference, f"{span(cases(row, 'shares 0.3 and 0.2'))} for shares of 0.3 and 0.2"
    yield stats.share_difference, f"{span(cases(row, 'shares 0.05 and 0.05'))} for two of 0.05"
    yield stats.share_difference, f"{span(cases(row, 'shares 0.02 and 0'))} for 0.02 and 0"
    grouped = span(cases(row, "shares 0.3 and 0.2, alike in groups", groups=True))
    yield stats.share_difference, f"and with 5 to 256 groups {grouped}."
    yield (
        verify.check,
        f"their intervals cover {span(cases('verify', 'normal brightness...', 'std', True))} with 5 to 256",
    )


def of_tails() -> Iterator[tuple[object, str]]:
    row, grouped = "robust-gap", "normal, out_dist alike in groups"
    for field in ("median", "trimmed"):
        alone = span(*(cases(row, one, field) for one in (NORMAL, LOGNORMAL, T3, PARETO)))
        words = {"median": "medians", "trimmed": "trimmed means"}[field]
        yield stats.robust_gap, f"{alone} for {words}, {span(cases(row, grouped, field, True))} with 5 to 256 groups"
    for data, words in ((PARETO, "a Pareto distribution of index 1.6"), (T3, "Student's t with 3 degrees of freedom")):
        yield tail_index, f"{span(cases(row, data, 'in_dist.index'))} for {words}"
    yield tail_index, f"{span(cases(row, NORMAL, 'in_dist.index'))} for a Gaussian, whose index is infinite"
    names = {"Gaussian": NORMAL, "exponential": SKEWED, "log-normal": LOGNORMAL, "Student's t, 3 df": T3}
    for name, data in (names | {"Pareto, index 1.6": PARETO}).items():
        numbers = [f"{case['told']:.2f} ({case['coverage']:.2f})" for case in cases("mean", data)]
        yield stats.HeavyTailWarning, " ".join([name, *numbers])


def of_gaps() -> Iterator[tuple[object, str]]:
    row = "likelihood-gap"
    yield an.likelihood_gap, f"{span(cases(row, NORMAL), cases(row, SKEWED))} for Gaussian and exponential images"
    yield an.likelihood_gap, f"{span(cases(row, T3))} if log p has the tail index 1.5"
    low = "{:.2f} (5), {:.2f} (20), {:.2f} (64), {:.2f} (256)"
    numbers = [case["coverage"] for case in cases(row, NORMAL, groups=True)]
    yield an.likelihood_gap, f"With groups of Gaussian images: {low.format(*numbers)}."
    row = "compare-densities"
    yield an.compare, f"{each(row, NORMAL, 'gap')} for Gaussian images"
    yield an.compare, f"{each(row, SKEWED, 'gap')} for exponential ones"
    numbers = [case["coverage"] for case in cases(row, NORMAL, "gap", True)]
    yield an.compare, f"With groups of Gaussian images: {low.format(*numbers)}."
    row = "constant-volume"
    both = span(cases(row, NORMAL), cases(row, NORMAL, groups=True))
    yield an.constant_volume_gap, f"{both} for Gaussian images, in 5 to 256 groups too"
    yield an.constant_volume_gap, f"and {span(cases(row, T3))} for Student's t with 3 degrees of freedom"


def of_second_order() -> Iterator[tuple[object, str]]:
    rows, smooth = ("second-order-midpoint", "second-order-in-dist", "second-order-given"), "smooth density, {}"
    fields, alone, grouped = ("total", "first_order", "covariance"), [], []
    for row in rows:
        for field in fields:
            alone += [cases(row, smooth.format(tails), field) for tails in (NORMAL, SKEWED)]
            grouped.append(cases(row, smooth.format(NORMAL), field, True))
    yield an.second_order_gap, f"{span(*alone)} for each center"
    for groups in (5, 20, 64, 256):
        few = span(*([case for case in one if case["groups"] == groups] for one in grouped))
        yield an.second_order_gap, f"{few} ({groups})"
    row, kinked = rows[0], "density with a kink, normal"
    yield an.second_order_gap, f"the first order covers {each(row, kinked, 'first_order')}"
    numbers = "{:.2f} (5), {:.2f} (20), {:.2f} (64), {:.2f} (256)".format(
        *(case["coverage"] for case in cases(row, kinked, "first_order", True))
    )
    yield an.second_order_gap, f"with groups, {numbers}"
    bent = [cases(row, "density whose Hessian jumps, normal", field) for field in fields]
    yield an.second_order_gap, f"If only the Hessian jumps there, all terms cover {span(*bent)}."
    resampled = [cases("second-order-resampled", kinked, field) for field in (*fields, "mean_curvature")]
    yield an.second_order_gap, f"all terms cover {span(*resampled)} (N = 50 and 200"
    heavy = span(cases("second-order-given", "quadratic density, heavy (t, 3 df)", "covariance"))
    yield an.second_order_gap, f"the covariance term covers {heavy}"
    row, total = "remainder", "smooth density, center {}, normal"
    for center in ("midpoint", "in_dist"):
        yield an.remainder, f"{each(row, total.format(center), 'total')} around the {center}"
    data = "density with a kink, center midpoint, normal"
    yield an.remainder, f"{each(row, data, 'kink')} for the kink part"
    in_groups = [
        *(cases(row, total.format(center), "total", True) for center in ("midpoint", "in_dist")),
        cases(row, data, "kink", True),
    ]
    for groups in (5, 20, 64, 256):
        few = span(*([one for one in some if one["groups"] == groups] for some in in_groups))
        yield an.remainder, f"{few} ({groups})"


def of_scales() -> Iterator[tuple[object, str]]:
    row, smooth = "location-spread", "smooth density, {}"
    for field in ("gap", "location", "corrected_location", "bias"):
        some = [cases(row, smooth.format(tails), field) for tails in (NORMAL, SKEWED)]
        yield an.location_spread_gap, f"{span(*some)} for `{field}`"
    for field in ("value", "at_mean"):
        numbers = each(row, smooth.format(NORMAL), f"spread_in.{field}")
        yield an.location_spread_gap, f"{numbers} for the `{field}` of a spread"
        skewed = each(row, smooth.format(SKEWED), f"spread_in.{field}")
        yield an.location_spread_gap, f"({skewed} for exponential images)"
    low = "{:.2f} (5), {:.2f} (20), {:.2f} (64), {:.2f} (256)"
    numbers = [case["coverage"] for case in cases(row, smooth.format(NORMAL), "spread_in.value", True)]
    yield an.location_spread_gap, f"With groups of Gaussian images, `value` covers {low.format(*numbers)}."
    row = "curvature-by-scale"
    predicted = [cases(row, f"share {t}, {tails}", "predicted_gap") for t in (0.2, 0.5) for tails in (NORMAL, SKEWED)]
    yield an.curvature_by_scale, f"{span(*predicted)} for `predicted_gap`"
    for tails, words in ((NORMAL, "Gaussian"), (SKEWED, "exponential")):
        spread = [cases(row, f"share {t}, {tails}", "in_dist.predicted") for t in (0.2, 0.5)]
        yield an.curvature_by_scale, f"{span(*spread)} for predicted spreads of {words} images"
    at_one = each(row, f"size 1, {NORMAL}", "in_dist.curve")
    yield an.curvature_by_scale, f"the curve covers {at_one} at size 1"


def said() -> list[tuple[object, str]]:
    """(function, what its docstring says), one by one."""
    return [*of_means(), *of_tails(), *of_gaps(), *of_second_order(), *of_scales()]
