"""The tables of the results hold the numbers that the commands left; `docs/numbers` keeps them by run."""

import json
import re

import pytest
from docs.documents import ROOT

from experiments.report.published import title

NUMBERS = ROOT / "docs" / "numbers"
SECTIONS = re.split(r"^#+ ", (ROOT / "docs" / "results.md").read_text(), flags=re.MULTILINE)
LIKELIHOODS = re.compile(r"experiments\.likelihoods --run-dir runs/(\S+)")
TABLE = "| evaluated on |"
MINUS = "\N{MINUS SIGN}"

ELSEWHERE = {"nvp-fashion-short", "nvp-fashion-long", "nvp-fashion-longest", "nvp-cifar10-long"}
"""Runs of which the page has a line in "Bits by time" or "Contrast" and no table of their own."""

MODELS = {
    "NVP, ReLU: notMNIST → MNIST": "nvp-notmnist",
    "CV, ReLU: notMNIST → MNIST": "cv-notmnist",
    "NVP, ReLU, longer: FashionMNIST → MNIST": "nvp-fashion-hours",
    "NVP, ReLU, longer: CIFAR-10 → SVHN": "nvp-cifar10-hours",
    "CV, ReLU, longer: FashionMNIST → MNIST": "cv-fashion-hours",
    "CV, ReLU, longer: CIFAR-10 → SVHN": "cv-cifar10-hours",
}
CENTERS = {"midpoint": "midpoint", "test mean": "in_dist", "class means": "classes"}


def kept(run, experiment):
    return json.loads((NUMBERS / run / f"{experiment}.json").read_text())


def runs_with_a_table():
    """{run: its section} of every likelihood table whose numbers are kept."""
    tables = {name: text for text in SECTIONS for name in LIKELIHOODS.findall(text) if TABLE in text}
    return {name: text for name, text in tables.items() if (NUMBERS / name / "likelihoods.json").is_file()}


def rows(text):
    """The cells of each row of the tables in `text`, by the row's first cell."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return {row[0]: row[1:] for row in cells}


def interval(found):
    value = found.get("mean", found.get("value"))
    return f"{value:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def test_every_run_whose_likelihoods_are_kept_has_a_table():
    assert set(runs_with_a_table()) == {path.parent.name for path in NUMBERS.glob("*/likelihoods.json")} - ELSEWHERE


@pytest.mark.parametrize("run", runs_with_a_table())
def test_likelihoods_are_those_of_the_run(run):
    table = rows(runs_with_a_table()[run])
    assert set(table) - {"evaluated on", "---"} == set(map(title, kept(run, "likelihoods")))
    for position, (name, found) in enumerate(kept(run, "likelihoods").items()):
        count, bits, paper, log_pz, log_det, auroc, error = table[title(name)]
        assert count.split(" ")[0] == f"{found['num_images']:,}"
        assert bits == interval(found["bits_per_dim"])
        assert paper == (str(found["published_bits_per_dim"]) if found["published_bits_per_dim"] else "")
        assert (log_pz, log_det) == tuple(f"{found[key]['mean']:.0f}" for key in ("log_pz_nats", "log_det_nats"))
        assert auroc == (interval(found["detection"]["auroc"]) if position else "")
        assert error == f"{found['largest_inversion_error_grey_levels']:.4f}"


def signed(estimate, sign=1):
    return f"{sign * estimate['mean']:+,.0f} ± {estimate['sem']:,.0f}".replace("-", MINUS)


def table_under(heading, caption):
    """The rows of the table of that section whose header holds `caption`."""
    (section,) = (text for text in SECTIONS if text.startswith(heading))
    (table,) = (block for block in section.split("\n\n") if block.startswith("|") and caption in block)
    return rows(table)


def test_every_run_whose_curvature_is_kept_has_its_rows():
    assert set(MODELS.values()) == {path.parent.name for path in NUMBERS.glob("*/curvature.json")}


@pytest.mark.parametrize("model", MODELS)
def test_gaps_predictions_and_remainders_are_those_of_the_run(model):
    (found,) = kept(MODELS[model], "curvature").values()
    exact, expansions = found["location_spread"], found["expansions"]
    parts = [signed(exact[key]) for key in ("gap", "location")]
    parts += [signed(exact["spread_out"]["value"]), signed(exact["spread_in"]["value"], -1), signed(exact["bias"])]
    assert table_under("The exact form", "noise of means in location")[model][1:] == parts

    predicted = [signed(expansions[center]["predicted"]) for center in CENTERS.values()]
    second_order = [signed(exact["gap"]), *predicted, signed(found["published"]["total"])]
    assert table_under("The second-order picture", "the paper's version")[model] == second_order

    remainders = table_under("The second-order picture", "| remainder |")
    for center, key in CENTERS.items():
        missed = [signed(expansions[key]["remainder"][part]) for part in ("total", "smooth", "kink")]
        assert remainders[f"{model}, {center}"] == [signed(expansions[key]["gap"]), *missed]

    spreads = table_under("The curvature that autodiff", "quadrature")
    for name, key in zip(re.findall(r"[\w-]+(?= →|$)", model), ("spread_in", "spread_out"), strict=True):
        routes = ("value", "gradient", "smooth", "kink", "at_mean", "quadrature")
        assert spreads[f"{model}, {name}"] == [signed(exact[key][route]) for route in routes]


def test_no_flow_loses_more_on_the_way_back_than_the_troubleshooting_says():
    lost = {"noise": 0.0, "other": 0.0}
    for path in NUMBERS.glob("*/likelihoods.json"):
        for name, found in json.loads(path.read_text()).items():
            kind = "noise" if name == "noise" else "other"
            lost[kind] = max(lost[kind], found["largest_inversion_error_grey_levels"])
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    real, noise = map(float, re.search(r"at most ([\d.]+) on the real images and ([\d.]+) on the noise", text).groups())
    assert real / 2 < lost["other"] <= real
    assert noise / 2 < lost["noise"] <= noise


def test_closed_forms_are_those_of_the_runs():
    for page, heading in (("results.md", "Closed forms"), ("theory.md", "Constant volume")):
        sections = re.split(r"^#+ ", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
        (section,) = (text for text in sections if text.startswith(heading))
        table = rows(section)
        for model, run in MODELS.items():
            if model.startswith("CV"):
                (found,) = kept(run, "curvature").values()
                forms = found["closed_forms"]
                shown = [forms[key] for key in ("published", "diagonal", "linear", "jacobian")]
                shown += [found["published"]["total"], found["location_spread"]["gap"]]
                written = table[re.sub(r".*: ", "", model)]
                assert written[1:] == [signed(estimate) for estimate in shown[1:]]
                assert written[0] in (signed(shown[0]), f"{shown[0]['mean']:+.3f} ± {shown[0]['sem']:.3f}")
