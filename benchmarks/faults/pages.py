"""What reaches pages and files of results: hostile names, and runs of other versions."""

import html.parser
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults import runs
from benchmarks.faults.damage import describe_run
from benchmarks.faults.row import Lab, Trial, row, trial

NAMES = (
    *("<img src=x onerror=alert(1)>", "<script>alert(1)<script>", "\"><b onmouseover='x'>", "](javascript:alert(1))[x"),
    *("```\n<h1>x", "a|b|c", "$\\frac{$", "cost $5 and $6", "%s %d {0} {x}", "two\nlines", "\u202egnp.exe", "n" * 180),
    *("😀日本語", "a\x07b\x1b[31mred", "$(touch sprung)`touch sprung`", "_hidden_", "a\\b"),
)
"""Names of OOD sets."""


class _Page(html.parser.HTMLParser):
    """Collects what no page of ours has: scripts, handlers of events, images and links to elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.injected: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_foreign = tag in ("script", "iframe", "object", "embed", "b") or any(name.startswith("on") for name in given)
        is_foreign |= tag == "img" and not (given.get("src") or "").startswith("data:image/")
        if is_foreign or (tag == "a" and (given.get("href") or "").startswith("javascript")):
            self.injected.append(f"{tag} {given}"[:100])


@row(
    "Data sets named `$..$`, backticks, a script, control characters",
    "a page without markup of theirs, or one sentence early",
)
def hostile_names(lab: Lab) -> Iterator[Trial]:
    """Compares a run with sets of these names, one experiment per name, in this process."""
    from benchmarks.faults.sandbox import Trap
    from experiments.figures import likelihoods
    from experiments.report.experiment import run
    from glowjax.checks import InputError

    trap = Trap(lab.folder)
    images = np.load(lab.shared / "data" / "other_test.npz")["image"]
    data = lab.path("data")
    data.mkdir()
    for file in (lab.shared / "data").iterdir():
        (data / file.name).symlink_to(file)
    for name in NAMES:
        np.savez(data / f"{name}_test.npz", image=images)
        out = lab.path("page")
        options: Any = {"data_dir": data, "output_dir": out, "num_images": 20}
        config = likelihoods.LikelihoodsConfig(run_dir=lab.shared / "base", out_dists=(name,), **options)
        try:
            run(likelihoods.main, config)
            claims, seen = _claims(out), ""
        except InputError as error:
            claims, seen = {}, str(error)
        except Exception as error:
            claims, seen = {"a page or a sentence": False}, f"{type(error).__name__}: {error}"[:300]
        yield trial(ascii(name)[:60], claims | {"nothing is run": trap.is_set()}, seen)


def _claims(out: Path) -> dict[str, bool]:
    page = _Page()
    content = (out / "report.html").read_text()
    page.feed(content)
    markdown = (out / "report.md").read_text()
    outside = re.sub(r"^(`{3,})sh\n.*?\n\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return {
        f"no markup of theirs ({page.injected})": not page.injected,
        "no markup in Markdown": not re.search(r"(?<!\\)<(img|script|b|h1)\b", outside),
        "no control characters": not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", content + markdown),
        "JSON": all(is_json(path) for path in out.rglob("*.json")),
    }


def is_json(path: Path) -> bool:
    """Whether a file is JSON, which has no NaN."""
    try:
        json.loads(path.read_text(), parse_constant=_refused)
    except ValueError:
        return False
    return True


def _refused(constant: str) -> None:
    raise ValueError(constant)


CHANGES: dict[str, Callable[[dict], object]] = {
    "an option of the model that is unknown": lambda run: run["model"].update(depth=3),
    "a kind of model that is unknown": lambda run: run["model"].update({"class": "glowjax.models:Diffusion"}),
    "a class that is no model": lambda run: run["model"].update({"class": "os:system"}),
    "a model that is a word": lambda run: run.update(model="glow"),
    "no model": lambda run: run.pop("model"),
    "a training that is null": lambda run: run.update(training=None),
    "no training": lambda run: run.pop("training"),
    "an image shape of two": lambda run: run.update(image_shape=[8, 8]),
    "no image shape": lambda run: run.pop("image_shape"),
    "nothing at all": lambda run: run.clear(),
}
"""Changes to the description of a run, as newer versions or strangers may write it."""


@row("Runs of newer versions, and descriptions that are none", "loaded, or one sentence")
def other_versions(lab: Lab) -> Iterator[Trial]:
    """Loads a run with each description."""
    import glowjax as gj
    from glowjax.checks import InputError

    for name, change in CHANGES.items():
        folder = runs.copy_of_base(lab, "version")
        describe_run(folder, change)
        yield trial(name, *_loaded(folder, gj.load, InputError))
    for name, text in {
        "null": "null",
        "a list": "[1]",
        "half": '{"model": ',
        "nothing": "",
        "not UTF-8": "\udcff",
    }.items():
        folder = runs.copy_of_base(lab, "version")
        (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
        yield trial(f"config.json {name}", *_loaded(folder, gj.load, InputError))


def _loaded(folder: Path, load: Callable, refusal: type[Exception]) -> tuple[dict[str, bool], str]:
    try:
        return {"a model": load(folder).step > 0}, ""
    except refusal as error:
        return {"one sentence": "Traceback" not in str(error)}, str(error)[:300]
    except Exception as error:
        return {"a sentence": False}, f"{type(error).__name__}: {error}"[:300]
