"""A report as Chromium shows it: light, dark, narrow and printed."""

import re

import numpy as np
import pytest
from browser import chromium, measured
from PIL import Image

from experiments.report.page import Figure, Result, Section, Table, write
from glowjax import plots

DARK = "--blink-settings=preferredColorScheme=0"
OVERHANG = "document.documentElement.scrollWidth - window.innerWidth"
NUM_SHOWN = "[...document.images].filter(image => image.offsetWidth > 0).length"

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report as wide as any of ours: a table of eight columns, histograms, a long command."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    sets = {"FashionMNIST": rng.normal(-1600, 300, 200), "MNIST": rng.normal(-1000, 100, 200)}
    plot = plots.likelihood_histograms(sets, 784, "FashionMNIST", "NVP-Glow trained on FashionMNIST")
    figures = [Figure(name, plot, sets, "Histograms.", "Two histograms") for name in ("one", "two")]
    header = ["set", *(f"estimate {n} [nats]" for n in range(7))]
    table = Table("Estimates", header, [[f"set {n}", *["+41,688\u00a0±\u00a02,555"] * 7] for n in range(12)])
    command = "python -m experiments likelihoods --run-dir runs/fashion " + "--out-dists mnist:train " * 8
    sections = [Section("The likelihoods", "How to read it. " * 30, [table], [figure]) for figure in figures]
    return write(folder, Result("Likelihoods", "Is it likely?", "It is. " * 20, sections, {}), command)


@pytest.mark.parametrize(("options", "lightness"), [((), 255), ((DARK,), 0x17)], ids=["light", "dark"])
def test_it_is_legible_in_both_colors(page, tmp_path, options, lightness):
    chromium(*options, "--window-size=1000,1400", f"--screenshot={tmp_path / 'page.png'}", page.as_uri())
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("L")).astype(int)
    paper = np.bincount(pixels.ravel()).argmax()
    assert abs(paper - lightness) < 3
    assert (abs(pixels - paper) > 100).mean() > 0.01  # ink
    edge = pixels[:, :20]
    assert (abs(edge - paper) < 3).all()


@pytest.mark.parametrize("width", [1200, 500])
def test_nothing_sticks_out_and_every_figure_is_shown(page, width):
    assert int(measured(page, OVERHANG, width)) <= 0
    assert int(measured(page, NUM_SHOWN, width)) == 2


def test_it_prints_on_white_whatever_the_screen(page, tmp_path):
    for name, options in {"light": (), "dark": (DARK,)}.items():
        chromium(*options, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / name}.pdf", page.as_uri())
    printed = (tmp_path / "dark.pdf").read_bytes()
    assert abs(len(printed) - (tmp_path / "light.pdf").stat().st_size) < 100
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6
    assert len(re.findall(rb"/Subtype\s*/Image", printed)) >= 1
