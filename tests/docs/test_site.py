"""The site builds without a warning, fits on a screen, needs no network, and its API has every public name."""

import html
import re
import subprocess
import sys

import pytest
from browser import measured
from docs.documents import ROOT

from glowjax import analysis, data, layers, models, ood, plots, train

pytestmark = pytest.mark.release
LOADED = re.compile(r'<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)="([^"]*)"')
OVERHANG = """Math.max(document.documentElement.scrollWidth, ...[
    ...document.querySelectorAll("article > section > *, .toc-drawer")
].filter(part => getComputedStyle(part).position != "fixed").map(part => part.getBoundingClientRect().right)
) - window.innerWidth"""
"""How far a page's parts stick out of the window; a drawer that is drawn out on demand is fixed."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--fresh-env", "--fail-on-warning", "--keep-going", "--doctree-dir", folder / "doctrees"]
    command = [sys.executable, "-m", "sphinx", *options, ROOT / "docs", folder / "html"]
    built = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_pages_load_nothing_from_outside(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        for address in LOADED.findall(page.read_text()):
            assert not re.match(r"(\w+:)?//", address), f"{page.name} loads {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(\w+:)?//", style.read_text()), style.name


@pytest.mark.parametrize("page", ["results.html", "theory.html", "api/analysis.html"])
@pytest.mark.parametrize("width", [500, 1100, 1366, 1660, 1920])
def test_nothing_sticks_out_of_the_window(site, page, width):
    assert float(measured(site / page, OVERHANG, width)) <= 0


def test_formulas_are_mathml(site):
    theory = (site / "theory.html").read_text()
    source = (ROOT / "docs" / "theory.md").read_text()
    assert theory.count('<math display="block"') == source.count("$$") / 2
    assert theory.count("<math") > source.count("$$") / 2
    text = html.unescape(re.sub(r"<[^>]+>", "", theory))
    assert not re.search(r"\\[a-z]+\b|\$\$", text), "LaTeX is left over"


def test_every_public_name_is_in_the_api(site):
    pages = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    explained = set(re.findall(r'<dt class="sig[^>]* id="glowjax\.[\w.]*?(\w+)"', pages))
    for room in (analysis, data, layers, models, ood, plots, train):
        for name in room.__all__:
            value = getattr(room, name)
            if callable(value) and getattr(value, "__doc__", None) and hasattr(value, "__module__"):
                assert value.__name__ in explained, f"{room.__name__}.{name}"


def test_every_notebook_is_shown_with_its_outputs(site):
    for notebook in (ROOT / "docs" / "notebooks").glob("*.ipynb"):
        assert "cell_output" in (site / "notebooks" / f"{notebook.stem}.html").read_text(), notebook.name
