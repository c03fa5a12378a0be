"""The gap of two image sets under a trained Glow, as tables and a figure: measured, predicted, and in its exact form.

The experiments `second-order` and `explain` share these.
"""

from experiments.report.keys import key_for
from experiments.report.page import Cell, Figure, Number, Section, Table
from experiments.report.pairs import Pair
from experiments.report.predictions import CENTERS, TERMS, Predictions, minus
from experiments.report.progress import announce
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.stats import Estimate

ROUTES = {
    "from values": "value",
    "from gradients": "gradient",
    "smooth part": "smooth",
    "kink part": "kink",
    "Hessian at the mean": "at_mean",
    "quadrature": "quadrature",
}
"""{how a spread is computed: the field of `analysis.Spread`}."""

EXACT_TEXT = (
    "Around its own mean the first order of each set vanishes on average. The gap is therefore exactly the location "
    "(log p at one mean minus log p at the other) plus the spread of the OOD images around their mean, minus the "
    "spread of the test images around theirs. A spread is what log p gains on the path from the mean to the images. "
    "Its value comes from log p itself. The smooth part integrates the Hessian along the path, as autodiff gives it. "
    "The rest is due to kinks of the conditioners, such as those of ReLU: the gradient jumps there, which no Hessian "
    "shows. Without kinks, the rest is the error of the numerical integration. The identity holds for any two sets. "
    "How it divides a gap depends on the network, and on the coordinates in which the means are taken."
)
GAP_TEXT = (
    "The predictions expand log p around one center and take the mean over all images of both sets. \"The paper's "
    'version" expands around the mean of the test images, with variances instead of covariances and with equal means.'
)


def exact_form(pair: Pair, num_paths: int, num_nodes: int) -> an.LocationSpread:
    """Location and spreads over all images; smooth and kink parts along the paths to the first `num_paths` of each."""
    announce(f"Location and spreads, with paths to {num_paths:,} images of each set")
    return an.location_spread_gap(
        pair.log_prob, pair.p, pair.q, key_for("bootstrap", 0), num_nodes=num_nodes, num_paths=num_paths, **pair.groups
    )


def predictions_section(
    pair: Pair,
    exact: an.LocationSpread,
    predictions: Predictions,
    closed_forms: dict[str, Estimate],
    model: str,
    file: str,
) -> Section:
    """The measured gap beside its exact parts and every prediction; `model` titles and `file` names the figure."""
    sets, spread_in = pair.titles, exact.spread_in.value
    predicted = {f"second order, {CENTERS[name]}": one.total for name, one in predictions.by_center.items()}
    if predictions.class_means is not None:
        predicted["second order, means of classes"] = predictions.class_means
    predicted |= {"the paper's version": predictions.published.total, **closed_forms}
    groups = {
        "measured": {"gap": exact.gap},
        "exact parts": {
            "location": exact.location,
            f"spread of {sets[1]}": exact.spread_out.value,
            f"minus the spread of {sets[0]}": minus(spread_in),
        },
        "predicted": predicted,
    }
    figure = Figure(
        f"gap-{file}",
        plots.gap_estimates(groups, f"{model}: gap to {sets[1]}"),
        groups,
        "The measured gap (positive: the OOD images are more likely), its exact parts, and every prediction.",
        "Dot plot of the gap, its parts and the predictions, in nats",
    )
    caption = f"Measured gap and predictions in nats per image, ± standard error, over {pair.counts()}"
    by_term = Table(
        f"The terms of each prediction in nats, over {pair.counts()}",
        ["center", *TERMS],
        [
            [CENTERS[name], *(nats(getattr(one, term)) for term in TERMS.values())]
            for name, one in predictions.by_center.items()
        ],
    )
    text = f"The gap is E[log p] of {sets[1]} minus E[log p] of {sets[0]} images. {GAP_TEXT}"
    tables = [column(caption, {"measured gap": exact.gap, **predicted}), by_term]
    return Section(f"{sets[1]}: the gap and its predictions", text, tables, [figure])


def exact_section(pair: Pair, exact: an.LocationSpread, predictions: Predictions, num_paths: int) -> Section:
    """Location and spreads."""
    sets = pair.titles
    spreads = {
        sets[0]: exact.spread_in.replace(at_mean=predictions.at_mean["in_dist"]),
        sets[1]: exact.spread_out.replace(at_mean=predictions.at_mean["out_dist"]),
    }
    parts = {"gap": exact.gap, "location": exact.location}
    parts |= {f"spread of {name}": spread.value for name, spread in spreads.items()}
    parts["bias of the location, by the noise of the means"] = exact.bias
    parts["location without this bias"] = exact.corrected_location
    tables = [
        column(
            f"gap = location + spread of the OOD set - spread of the test set, in nats, over {pair.counts()}", parts
        ),
        Table(
            "Each spread computed in several ways, in nats: from values and from the Hessian at the mean over all "
            f"images, the others over the first {num_paths:,} of each set",
            ["spread of", *ROUTES],
            [[name, *(nats(getattr(one, field)) for field in ROUTES.values())] for name, one in spreads.items()],
        ),
    ]
    return Section(f"{sets[1]}: location and spread, the exact form", EXACT_TEXT, tables)


def summarize(model: str, pair: Pair, exact: an.LocationSpread, predictions: Predictions) -> str:
    """The result for one OOD set."""
    spreads = stats.difference(exact.spread_out.value, exact.spread_in.value)
    higher = "higher" if exact.gap.value > 0 else "lower"
    midpoint, in_dist, out_dist = (f"{one.total:+,.0f}" for one in predictions.by_center.values())
    return (
        f"Under the {model}, the mean log p of {pair.titles[1]} images is {abs(float(exact.gap.value)):,.0f} ± "
        f"{float(exact.gap.sem):,.0f} nats {higher} than that of the test images: "
        f"{exact.location:+,.0f} nats of location and {spreads:+,.0f} nats of spread ({pair.counts()}). The "
        f"second-order predictions of this difference over the same images are {midpoint} nats around the midpoint of "
        f"the means, {in_dist} around the mean of the test images and {out_dist} around the mean of the OOD images."
    )


def column(caption: str, estimates: dict[str, Estimate]) -> Table:
    """A table of one column of estimates in nats."""
    return Table(caption, ["", "nats"], [[label, nats(estimate)] for label, estimate in estimates.items()])


def nats(estimate: Estimate | str) -> Cell:
    """An estimate in nats with its standard error; text as it is."""
    return Number(estimate, "+,.0f") if isinstance(estimate, Estimate) else estimate
