"""What the README and the pages of the documentation promise: links lead somewhere, snippets run, commands parse."""

import dataclasses
import importlib
import inspect
import shlex

import jax
import pytest
import tyro
from docs.documents import PAGES, ROOT, anchors, blocks, commands, links, name

import glowjax as gj
from experiments.__main__ import modules
from experiments.report import experiment

SMALLER = {
    "num_steps=8, width=64": "num_steps=1, width=4",
    "num_steps=4, width=32": "num_steps=1, width=4",
    "num_steps=2_000": "num_steps=2",
    "range(3_000)": "range(30)",
}
"""The same lines with less to compute; `shrunk` cuts the images too."""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name(page)} links to {link}, which has no such heading"


def test_the_readme_links_to_every_page():
    linked = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    pages = {page for page in (ROOT / "docs").glob("*.md") if page.stem not in ("index", "changelog")}
    pages |= {ROOT / "docs" / "api" / "index.md", *(ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert pages <= linked


@pytest.fixture
def shrunk(monkeypatch):
    """Images come as their 8 x 8 centers, and a pretrained model is a small new one of these."""
    load_images, load = gj.data.load, gj.load

    def centers(*args):
        found = load_images(*args)
        return dataclasses.replace(found, images=found.images[:, 10:18, 10:18])

    def small(source, *args):
        trained = load(source, *args)
        if not str(source).startswith("pretrained:"):
            return trained
        model = gj.nvp_glow(1, 1, 4)
        params = model.init(jax.random.key(0), centers("fashion_mnist", "train").images[:64])
        return dataclasses.replace(trained, model=model, params=params)

    monkeypatch.setattr(gj.data, "load", centers)
    monkeypatch.setattr(gj, "load", small, raising=False)


@pytest.mark.usefixtures("promotion")
@pytest.mark.filterwarnings("ignore:.* so it orders none of them:UserWarning")  # the volume of a small new model
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_lines_run(page, shrunk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(blocks(page, "python"))
    for size, smaller in SMALLER.items():
        lines = lines.replace(size, smaller)
    exec(compile(lines, name(page), "exec"), {})


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)
def test_commands_are_understood(page):
    for program, options in commands(page):
        if options:
            assert parsed(program, shlex.split(options)) is not None, f"{program} {options}"


def parsed(program, arguments):
    """The configuration that "benchmarks.flow" or "experiments scales" makes of the arguments; nothing is run."""
    if program.startswith("benchmarks."):
        module = f"{program}.__main__" if (ROOT / program.replace(".", "/")).is_dir() else program
        (parameter,) = inspect.signature(importlib.import_module(module).main).parameters.values()
        return tyro.cli(parameter.annotation, args=arguments)
    file = modules()[program.split()[1]]
    module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return experiment.parsed(module, arguments)
