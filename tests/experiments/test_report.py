import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from experiments.old_report import Picture, Section, Table, read, write
from glowjax.checks import InputError

VOID = {"meta", "img", "br", "hr", "link", "input"}
TABLE = Table(
    "Mean bits/dim [95 % interval]; higher scores mean more out-of-distribution",
    ["set", "measured", "paper"],
    [
        ["FashionMNIST <test>", "2.981 [2.970, 2.992]", "2.958"],
        ["MNIST | all", "1.902 [1.891, 1.913]", "1.833"],
    ],
)


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
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "figures" / "likelihood histograms.png"
    path.parent.mkdir()
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(path)
    return Picture(path, "Log-likelihoods [nats].", 'Two histograms; "MNIST" lies right of FashionMNIST.')


@pytest.fixture
def report(tmp_path, picture):
    sections = [
        Section(
            "Likelihoods & <order>",
            "First paragraph,\nwrapped.\n\nA < B && *C* in log_det.",
            [TABLE],
            [picture],
        ),
        Section("No pictures"),
    ]
    title, question = "Glow <script>alert(1)</script>", "Is it Glow?\n\nIs it <MNIST>?"
    page = write(tmp_path / "run", title, question, "MNIST is likelier.", sections, "make <x> && y")
    return page.read_text(), (tmp_path / "run" / "report.md").read_text()


def test_the_page_is_well_formed_and_holds_everything(report):
    page = Page(report[0])
    text = " ".join(page.text)
    for part in (
        "Is it Glow?",
        "Is it <MNIST>?",
        "MNIST is likelier.",
        "Likelihoods & <order>",
        "First paragraph, wrapped.",
        "No pictures",
    ):
        assert part in text
    assert TABLE.caption in text
    assert "make <x> && y" in text
    assert page.cells == [*TABLE.header, *TABLE.rows[0], *TABLE.rows[1]]


def test_all_text_is_escaped(report):
    page = Page(report[0])
    assert not page.all("script")
    assert not page.all("test")
    assert "Glow <script>alert(1)</script>" in page.text


def test_figures_are_embedded_with_alternative_text(report, picture):
    (image,) = Page(report[0]).all("img")
    kind, encoded = image["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(encoded) == picture.path.read_bytes()
    assert image["alt"] == picture.alt


def test_the_page_needs_nothing_from_outside(report):
    page = Page(report[0])
    assert not page.all("link")
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert not re.search(r"https?:|url\(|@import", report[0])


def test_the_page_has_light_dark_and_print_looks(report):
    assert "prefers-color-scheme: dark" in report[0]
    assert "@media print" in report[0]


def test_markdown_holds_the_same_tables(report):
    rows = [line for line in report[1].splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows]
    plain = [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in cells]
    assert plain == [TABLE.header, ["---", "---:", "---:"], *TABLE.rows]


def test_markdown_asks_before_it_answers(report):
    assert report[1].index("Is it Glow?") < report[1].index("**MNIST is likelier.**")


def test_markdown_links_figures_by_a_relative_path(report):
    assert "](../figures/likelihood%20histograms.png)" in report[1]


def test_markdown_shows_text_as_it_was_written(report):
    assert r"# Glow \<script>alert(1)\</script>" in report[1]
    assert r"A \< B \&\& \*C\* in log_det." in report[1]
    assert "```sh\nmake <x> && y\n```" in report[1]


def test_the_same_content_gives_the_same_page(tmp_path):
    first, second = (write(tmp_path / name, "t", "q", "l", [Section("s", "x")], "c") for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_ragged_table_is_refused():
    with pytest.raises(InputError, match="'AUROC' has 1 cells under a header of 2"):
        Table("AUROC", ["set", "value"], [["MNIST"]])


def test_a_missing_figure_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no figure at '.*absent.png'"):
        Picture(tmp_path / "absent.png", "c", "a")


def test_a_page_is_read_back_as_it_was_written(tmp_path, picture):
    sections = [Section("One", "Text.", [TABLE], [picture]), Section("Two", level=3)]
    write(tmp_path / "run", "Title", "Question?", "Lead.", sections, "make")
    page = read(tmp_path / "run")
    assert (page.title, page.question, page.lead, page.command) == ("Title", "Question?", "Lead.", "make")
    assert [(section.title, section.level) for section in page.sections] == [("One", 2), ("Two", 3)]
    first = page.sections[0]
    assert (first.text, list(first.tables)) == ("Text.", [TABLE])
    assert first.figures[0].path.samefile(picture.path)
    with pytest.raises(InputError, match="There is no report in"):
        read(tmp_path)


def test_a_page_with_lower_sections_begins_with_links_to_the_upper_ones(tmp_path):
    sections = [Section("A"), Section("below A", level=3), Section("B")]
    page = Page(write(tmp_path, "t", "q", "l", sections, "c").read_text())
    links = [attributes["href"].removeprefix("#") for attributes in page.all("a")]
    ids = [attributes["id"] for level in ("h2", "h3") for attributes in page.all(level) if "id" in attributes]
    assert links == ["section-0", "section-2"]
    assert sorted(ids) == ["section-0", "section-1", "section-2"]
    assert "### below A" in (tmp_path / "report.md").read_text()
    assert not Page(write(tmp_path, "t", "q", "l", sections[:1], "c").read_text()).all("nav")
