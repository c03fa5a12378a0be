"""The numbers of the pages are those that the commands left in `docs/numbers`."""

import json
import re

import pytest
from docs.documents import PAGES, ROOT, name

from docs.tables.__main__ import rewritten, table

NUMBERS = ROOT / "docs" / "numbers"
RESULTS = (ROOT / "docs" / "results.md").read_text()
WITHOUT_A_TABLE = {"nvp-fashion-short", "nvp-fashion-long", "nvp-fashion-longest", "nvp-cifar10-long"}
"""Runs of which the page has a line in "Bits by time" or "Contrast" only."""


@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- table:" in page.read_text()], ids=name)
def test_tables_are_those_of_the_numbers(page):
    assert page.read_text() == rewritten(page.read_text()), "run python -m docs.tables"


def test_every_table_of_the_results_but_the_claims_is_made_of_numbers():
    tables = re.findall(r"(.*)\n\n\|.*\|\n\| ---", RESULTS)
    assert [line for line in tables if not line.startswith("<!-- table: ")] == ["## The paper's claims, in short"]


def test_every_run_whose_likelihoods_are_kept_has_a_table():
    shown = set(re.findall(r"<!-- table: likelihoods (\S+) -->", RESULTS))
    assert shown | WITHOUT_A_TABLE == {path.parent.name for path in NUMBERS.rglob("likelihoods.json")}


@pytest.mark.parametrize("run", sorted(path.parent.name for path in NUMBERS.glob("*/detection.json")))
def test_the_tables_of_detection_have_a_row_per_score(run):
    (model, *other_seeds) = json.loads((NUMBERS / run / "detection.json").read_text()).values()
    if other_seeds:
        (model,) = model.values()
    there = {name: found for name, found in model["scores"].items() if "missing" not in found}
    assert table("detection-costs", run).count("\n") == len(there) + 2
    name, found = there["likelihood"]["sets"].popitem()
    kind = ("detection-seeds", run, name) if other_seeds else ("detection-easy", run)
    assert f"{found['auroc']['value']:.3f}" in table(*kind)


def test_no_flow_loses_more_on_the_way_back_than_the_troubleshooting_says():
    lost = {"noise": 0.0, "other": 0.0}
    for path in NUMBERS.glob("*/likelihoods.json"):
        for images, found in json.loads(path.read_text()).items():
            kind = "noise" if images == "noise" else "other"
            lost[kind] = max(lost[kind], found["largest_inversion_error_grey_levels"])
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    real, noise = map(float, re.search(r"at most ([\d.]+) on the real images and ([\d.]+) on the noise", text).groups())
    assert real / 2 < lost["other"] <= real
    assert noise / 2 < lost["noise"] <= noise
