"""The tables and figures that set a likelihood gap beside its explanations, as sections of a report."""

from pathlib import Path
from typing import Any

from experiments.explained import Expansion, Explained
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained
from glowjax import analysis as an
from glowjax import plots
from glowjax.models import Flow

Pairs = dict[str, Explained]

NO_BREAK = "\u00a0"  # an estimate stays on one line
CENTERS = {"midpoint": "midpoint of the means", "in_dist": "mean of the test images", "classes": "means of classes"}
CLOSED = {
    "published": "published closed form (1x1 weights, variances)",
    "diagonal": "the same with exact weights",
    "linear": "exact for the chain without couplings",
    "jacobian": "the flow's own Jacobian at the mean",
}
EXACT_TEXT = (
    "Around its own mean the first order of each set vanishes on average, so that the gap is exactly the location, "
    "log p at one mean minus log p at the other, plus the spread of the foreign images around their mean, minus the "
    "spread of the test images around theirs. A spread is what log p gains on the path from the mean to the images. "
    "Its value comes from log p itself; the smooth part integrates the Hessian along the path, as autodiff gives it; "
    "the rest is jumps of the gradient where conditioners have kinks, as ReLU has, which no Hessian sees; without "
    "kinks it is the error of integrating over so many nodes."
)
SECOND_TEXT = (
    "The second-order picture expands log p around one centre. Its prediction of the gap is the sum of its terms; the "
    "remainder is what it misses, measured on the same images along straight paths from the centre. A remainder much "
    "larger than the gap says that the images lie outside the region in which log p is quadratic."
)

CAPTION = (
    "Second-order terms and remainder by centre, in nats, on the images that paths lead to. The mean of n images "
    "carries 1/n of their covariance term, as noise: it is counted among the means, and cancels in the prediction."
)


def numbers(explained: Explained) -> dict[str, Any]:
    """Every estimate as {"mean", "sem"}, nested as in `Explained`."""
    return {
        "location_spread": _plain(explained.location_spread),
        "expansions": {
            center: {
                "gap": _plain(e.gap),
                "predicted": _plain(e.predicted),
                "remainder": _plain(e.remainder),
                "terms": None if e.terms is None else _plain(e.terms),
            }
            for center, e in explained.expansions.items()
        },
        "published": _plain(explained.published),
        "closed_forms": {name: _plain(estimate) for name, estimate in explained.closed_forms.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, an.Estimate):
        return {"mean": float(value.value), "sem": float(value.sem)}
    return {name: _plain(getattr(value, name)) for name in value._fields}


def in_words(trained: Trained[Flow], pairs: Pairs) -> str:
    """The result in a few sentences."""
    sentences = []
    for name, explained in pairs.items():
        exact = explained.location_spread
        spreads = float(exact.spread_out.value.value - exact.spread_in.value.value)
        prediction = explained.expansions["in_dist"].predicted
        sentences.append(
            f"Under the {trained.kind_and_data}, the mean log p of {title(name)} images lies {_nats(exact.gap)} above "
            f"that of the test images: {_nats(exact.location)} of location and {spreads:+,.0f} of spread. To second "
            f"order around the mean of the test images the gap would be {_nats(prediction)}."
        )
    return "\n\n".join(sentences)


def _nats(estimate: an.Estimate, digits: int = 0) -> str:
    return f"{float(estimate.value):+,.{digits}f}{NO_BREAK}±{NO_BREAK}{float(estimate.sem):,.{digits}f}"


def sections(trained: Trained[Flow], pairs: Pairs, folder: Path) -> list[Section]:
    """Tables and figures of every pair, the latter saved below `folder`."""
    return [
        section
        for name, explained in pairs.items()
        for section in (
            _overview(trained, name, explained, folder),
            _exact(trained, name, explained),
            _second_order(trained, name, explained, folder),
        )
    ]


def _overview(trained: Trained[Flow], name: str, explained: Explained, folder: Path) -> Section:
    exact, test = explained.location_spread, f"{trained.name}:test"
    predicted = {f"second order, {CENTERS[c]}": e.predicted for c, e in explained.expansions.items()}
    predicted["the paper's version"] = explained.published.total
    predicted |= {CLOSED[form]: estimate for form, estimate in explained.closed_forms.items()}
    groups = {
        "measured": {"gap": exact.gap},
        "exact parts": {
            "location": exact.location,
            f"spread of {title(name)}": exact.spread_out.value,
            f"minus the spread of {title(test)}": exact.spread_in.value.replace(value=-exact.spread_in.value.value),
        },
        "predicted": predicted,
    }
    figure = plots.gap_estimates(groups, f"{trained.kind_and_data}: gap to {title(name)}")
    picture = Picture(
        plots.save(figure, folder / f"gap-{_slug(name)}", groups),
        "The measured gap (positive: the foreign images are the likelier), its exact parts, and every prediction.",
        "Dot plot of the gap, its parts and the predictions, in nats",
    )
    rows = [[label, _nats(estimate)] for label, estimate in groups["measured"].items()]
    rows += [[label, _nats(estimate)] for label, estimate in predicted.items()]
    return Section(
        f"{title(name)}: the gap and its predictions",
        f"The model: {trained.summarize()}.\n\nThe gap is E[log p] of {title(name)} minus E[log p] of "
        f"{title(trained.name)} test images, in nats an image, with standard errors over images.",
        [Table("Measured gap and predictions, in nats", ["", "nats"], rows)],
        [picture],
    )


def _exact(trained: Trained[Flow], name: str, explained: Explained) -> Section:
    exact = explained.location_spread
    spreads = {title(f"{trained.name}:test"): exact.spread_in, title(name): exact.spread_out}
    rows = [[label, *map(_nats, spread)] for label, spread in spreads.items()]
    header = [
        "spread of",
        "from values",
        "from gradients",
        "smooth part",
        "kink part",
        "Hessian at the mean",
        "quadrature",
    ]
    split = [
        ["gap", _nats(exact.gap)],
        ["location", _nats(exact.location)],
        *[[f"spread of {label}", _nats(spread.value)] for label, spread in spreads.items()],
        ["part of the location that is noise of the means", _nats(exact.bias)],
    ]
    return Section(
        f"{title(name)}: location and spread, the exact form",
        EXACT_TEXT,
        [
            Table("gap = location + spread of the foreign set - spread of the test set, in nats", ["", "nats"], split),
            Table("Each spread by every route, in nats; routes other than values on fewer images", header, rows),
        ],
    )


def _second_order(trained: Trained[Flow], name: str, explained: Explained, folder: Path) -> Section:
    rows = [[CENTERS[center], *_row(expansion)] for center, expansion in explained.expansions.items()]
    header = ["centre", "gap", "first order", "means", "covariances", "predicted", "remainder", "smooth", "kinks"]
    pictures = []
    for center, expansion in explained.expansions.items():
        titles = {"in_dist": title(f"{trained.name}:test"), "out_dist": title(name)}
        measured = {titles[s]: curves["measured"] for s, curves in expansion.curves.items()}
        second = {titles[s]: curves["second order"] for s, curves in expansion.curves.items()}
        figure = plots.along_paths(
            explained.t, measured, second, f"From the {CENTERS[center]}: {trained.kind_and_data}"
        )
        data = {"t": explained.t, "measured": measured, "second_order": second}
        pictures.append(
            Picture(
                plots.save(figure, folder / f"along-{center}-{_slug(name)}", data),
                f"Left: mean log p on the paths from the {CENTERS[center]} to the images, and its second-order "
                "expansion (dashed), cut off where it leaves the panel. Right: the distance between the two.",
                "Curves of log p along straight paths, and of the remainder",
            )
        )
    return Section(
        f"{title(name)}: the second-order picture and its remainder",
        SECOND_TEXT,
        [Table(CAPTION, header, rows)],
        pictures,
    )


def _row(expansion: Expansion) -> list[str]:
    terms = expansion.terms
    by_term = [_nats(t) for t in (terms.first_order, terms.mean_curvature, terms.covariance)] if terms else [""] * 3
    rest = expansion.remainder
    return [
        _nats(expansion.gap),
        *by_term,
        _nats(expansion.predicted),
        _nats(rest.total),
        _nats(rest.smooth),
        _nats(rest.kink),
    ]


def _slug(name: str) -> str:
    return name.replace(":", "-").replace("/", "-")
