"""A report says everything once, in HTML and in Markdown, and needs nothing from outside."""

import base64
import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure as Plot

from experiments.report.page import Figure, Link, Number, Result, Section, Table, over_seeds, slug, write
from glowjax import stats
from glowjax.checks import InputError, printable

VOID = {"meta", "img", "br", "hr", "link", "input"}
TABLE = Table(
    "Mean bits/dim [95 % interval]; higher scores mean more out-of-distribution",
    ["set", "measured", "source"],
    [
        ["FashionMNIST <test>", Number(stats.mean([2.0, 3.0, 4.0]), ".1f[]"), "a | b"],
        ["MNIST | all", Number(1.902, ".3f"), "c"],
    ],
)
CELLS = ["FashionMNIST <test>", "3.0\u00a0[0.5,\u00a05.5]", "a | b", "MNIST | all", "1.902", "c"]


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order; keeps text, attributes and table cells."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.text, self.cells = [], [], [], []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def figure(name="figures/likelihood histograms"):
    plot = Plot(figsize=(1, 1))
    plot.add_subplot().plot([1, 2])
    return Figure(name, plot, {"x": [1.5]}, "Log-likelihoods [nats].", 'Two histograms; "MNIST" lies right.')


RESULT = Result(
    "Glow <script>alert(1)</script>",
    "Is it Glow?\n\nIs it <MNIST>?",
    "MNIST is more likely.",
    [Section("Likelihoods & <order>", "First paragraph,\nwrapped.\n\nA < B && *C* in log_det.", [TABLE], [figure()])],
    {"bits": 1.5},
)


@pytest.fixture
def report(tmp_path):
    page = write(tmp_path, RESULT, "make <x> && y")
    return page.read_text(), (tmp_path / "report.md").read_text()


def test_the_page_is_well_formed_and_escaped_and_holds_everything(report):
    page = Page(report[0])
    text = " ".join(page.text)
    for part in (RESULT.title, "Is it <MNIST>?", RESULT.summary, "Likelihoods & <order>", "First paragraph, wrapped."):
        assert part in text
    assert "A < B && *C* in log_det." in text
    assert TABLE.caption in text
    assert "make <x> && y" in text
    assert page.cells == [*TABLE.header, *CELLS]


def test_figures_are_embedded_with_alternative_text_and_saved_with_their_data(report, tmp_path):
    (image,) = Page(report[0]).all("img")
    kind, encoded = image["src"].split(",")
    saved = tmp_path / "figures" / "likelihood histograms.png"
    assert kind == "data:image/png;base64"
    assert base64.b64decode(encoded) == saved.read_bytes()
    assert image["alt"] == figure().alt
    assert json.loads(saved.with_suffix(".json").read_text()) == {"x": [1.5]}
    assert json.loads((tmp_path / "results.json").read_text()) == {"bits": 1.5}


def test_the_page_needs_nothing_from_outside(report):
    page = Page(report[0])
    assert not page.all("link")
    assert not page.all("script")
    assert not re.search(r"https?:|url\(|@import", report[0])


def test_numbers_are_aligned_right_and_text_left(report):
    assert TABLE.alignments == ["left", "right", "left"]
    cells = [
        "1",
        "40 (20 groups)",
        "+3 ± 1; [1, 2]",
        "-0.5 nats",
        "50 images drawn from 2,000 images",
        "3 x 4 steps",
        "",
    ]
    sides = Table("t", ["set", *cells], [["MNIST", *cells]]).alignments
    assert sides == ["left", *["right"] * 4, "left", "left", "right"]
    sides = [tag["class"] for tag in Page(report[0]).all("td")]
    assert sides == ["right", "left"] * 2


def test_markdown_holds_the_same_tables(report):
    rows = [line for line in report[1].splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows]
    plain = [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in cells]
    assert plain == [TABLE.header, ["---", "---:", "---"], CELLS[:3], CELLS[3:]]


def test_markdown_asks_before_it_answers_and_shows_text_as_it_was_written(report):
    assert report[1].index("Is it Glow?") < report[1].index("**MNIST is more likely.**")
    assert r"# Glow \<script>alert(1)\</script>" in report[1]
    assert r"A \< B \&\& \*C\* in log_det." in report[1]
    assert "](figures/likelihood%20histograms.png)" in report[1]
    assert "```sh\nmake <x> && y\n```" in report[1]


NAMES = (
    "$x^2$ and $y$",
    "``` <h1>",
    "a|b",
    "[x](javascript:alert(1))",
    "~~no~~",
    "two\n```\nlines",
    "\x1b[31mred\ud800\u202e",
    "n" * 5_000,
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_leaves_page_and_markdown_whole(name, tmp_path):
    table = Table(name, ["set", name], [[name, Number(1.0)], ["b", Link(name, tmp_path / slug(name))]])
    section = Section(name, name, [table], [dataclasses.replace(figure(f"ranked-{slug(name)}"), caption=name)])
    result = Result(name, name, name, [section], {name: float("nan")}, (name,))
    page = Page(write(tmp_path, result, f"python -m experiments '{name}'").read_text(encoding="utf-8"))
    shown = printable(name)
    assert page.cells == ["set", shown, shown, "1.000", "b", shown]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    (fence,) = re.findall("^(`{3,})sh$", text, re.MULTILINE)
    before, command, after = re.split(f"^{fence}(?:sh)?\n", text, flags=re.MULTILINE)
    assert (fence in command, after) == (False, "")
    assert command.strip() == f"python -m experiments '{shown}'"
    assert not re.search(r"(?<!\\)(?:<h1>|\]\(java|\$|~)|\x1b|^\W*lines", before, re.MULTILINE)
    assert json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail) == {name: None}


def test_names_as_parts_of_file_names_differ_if_the_names_do():
    names = [*NAMES, "mnist:test", "letters-1.5:train", "a b", "a-b", "n" * 5_001, "日" * 300, "日" * 301]
    parts = [slug(name) for name in names]
    assert len(set(parts)) == len(names)
    assert {"mnist-test", "letters-1.5-train", "a-b"} <= set(parts)
    assert all(re.fullmatch(r"[\w.-]+", part) and len(part.encode()) <= 120 for part in parts)


def test_links_are_relative(tmp_path):
    table = Table("Parts", ["part"], [[Link("a & b", tmp_path / "a b" / "report.html")]])
    page = write(tmp_path, dataclasses.replace(RESULT, sections=[Section("s", tables=[table])]), "c")
    (link,) = Page(page.read_text()).all("a")
    assert link["href"] == "a%20b/report.html"
    assert r"[a \& b](a%20b/report.html)" in (tmp_path / "report.md").read_text()


def test_warnings_come_before_the_summary(report, tmp_path):
    page = write(tmp_path / "noted", dataclasses.replace(RESULT, notes=("It <diverged>.",)), "c")
    html, markdown = page.read_text(), page.with_suffix(".md").read_text()
    assert 0 < html.index("Warning: It &lt;diverged&gt;.") < html.index(RESULT.summary)
    assert 0 < markdown.index(r"> Warning: It \<diverged>.") < markdown.index(RESULT.summary)
    assert "Warning" not in report[0] + report[1]


def test_doubts_about_intervals_are_listed_at_the_end_and_told_at_the_top(report, tmp_path):
    page = write(tmp_path / "doubted", dataclasses.replace(RESULT, doubts=("Image 7 is <odd>.",)), "c")
    for text, doubt in (
        (page.read_text(), "Image 7 is &lt;odd&gt;."),
        (page.with_suffix(".md").read_text(), r"Image 7 is \<odd>."),
    ):
        assert 0 < text.index("are not valid: see") < text.index(RESULT.summary) < text.index(doubt)
    assert "not valid" not in report[0] + report[1]


def test_a_page_of_many_sections_begins_with_links_to_them(tmp_path):
    sections = [Section(f"Section {n}") for n in range(7)]
    page = Page(write(tmp_path, dataclasses.replace(RESULT, sections=sections), "c").read_text())
    targets = [tag["href"].removeprefix("#") for tag in page.all("a")]
    assert targets == [tag["id"] for tag in page.all("h2") if "id" in tag]
    assert len(targets) == 7


def test_the_same_content_gives_the_same_page(tmp_path):
    first, second = (tmp_path / name for name in "ab")
    for folder in (first, second):
        folder.mkdir()
    assert write(first, RESULT, "c").read_text() == write(second, RESULT, "c").read_text()


def test_a_ragged_table_is_refused():
    with pytest.raises(InputError, match="'AUROC' has 1 cells under a header of 2"):
        Table("AUROC", ["set", "value"], [["MNIST"]])


def test_over_seeds_numbers_are_averaged_with_both_intervals():
    def result(shift, extra):
        rows = [
            ["a", Number(stats.mean([1.0 + shift, 3.0 + shift, 5.0 + shift]), ".2f[]"), Number(shift, ".1f"), "same"]
        ]
        table = Table("t", ["set", "bits", "plain", "text"], [*rows, *([["b", "1", "2", "3"]] if extra else [])])
        return Result("t", "q", f"shift {shift}", [Section("s", tables=[table])], {"shift": shift})

    joined = over_seeds({"seed 0": result(0.0, True), "seed 1": result(1.0, True), "seed 2": result(2.0, False)})
    (row,) = joined.sections[1].tables[0].rows  # the row that all seeds have
    cells = [str(cell).replace("\u00a0", " ") for cell in row]
    over_images = 4.302653 * 2 / np.sqrt(3)  # Student's t with two degrees of freedom, times the standard error
    over_three_seeds = 4.302653 * 1 / np.sqrt(3)
    images, seeds = (f"[{4 - reach:.2f}, {4 + reach:.2f}]" for reach in (over_images, over_three_seeds))
    assert cells == ["a", f"4.00 {images}; {seeds}", "1.0 [-1.5, 3.5]", "same"]
    assert joined.numbers == {f"seed {n}": {"shift": float(n)} for n in range(3)}
    assert joined.summary == "seed 0: shift 0.0\n\nseed 1: shift 1.0\n\nseed 2: shift 2.0"
