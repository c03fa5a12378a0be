"""One page per run: `report.html`, which stands alone, and `report.md` with the same content.

The page needs no network and no JavaScript. It gives the question, the summary, then tables and figures with a sentence
on how to read each, and the command that repeats the run. Nothing but this module writes the files of a report.
"""

import base64
import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import jinja2
import numpy as np

from glowjax import stats
from glowjax.checks import InputError, printable
from glowjax.files import write_text
from glowjax.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

NO_BREAK = "\u00a0"
NUMERIC = re.compile(r"[+-]?\d[^A-Za-z]*([A-Za-z]+[^A-Za-z]*)?")
"""A number, perhaps with an interval or a unit, but no sentence."""

MAX_PART = 120
"""The maximum number of bytes of a data set's name in a file name; file systems allow 255 in all."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A number in a table; over several seeds such cells are averaged, and text is not.

    Attributes:
        value: the number.
        spec: its format: ".3f", say; for an estimate "+,.0f" to show the error, ".3f[]" to show the interval.
        mark: a sign after the number, such as "*"; over several seeds it stays if all have it.
        is_best: whether it is bold.
    """

    value: float | Estimate
    spec: str = ".3f"
    mark: str = ""
    is_best: bool = False

    def __str__(self) -> str:
        return f"{format(self.value, self.spec)} {self.mark}".strip().replace(" ", NO_BREAK)


@dataclasses.dataclass(frozen=True)
class Link:
    """A link in a table: its text, and the path of the file that it opens."""

    text: str
    path: Path

    def __str__(self) -> str:
        return self.text


Cell: TypeAlias = str | Number | Link


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under a header; the first column names the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise InputError(
                    f"A row of the table '{self.caption}' has {len(row)} cells under a header of "
                    f"{len(self.header)}; expected as many: fill the missing ones with an empty string."
                )

    @functools.cached_property  # the page asks for it in every cell
    def alignments(self) -> list[str]:
        """For each column: "right" for numbers, else "left"; the first column is text."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.header)
        texts = [[str(cell) for cell in column if str(cell)] for column in columns]
        return ["left", *("right" if all(map(NUMERIC.fullmatch, column)) else "left" for column in texts[1:])]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a report.

    Attributes:
        name: path of its files below the report's folder, without a suffix.
        plot: the figure, from `glowjax.plots`.
        data: the numbers that it shows, saved beside it as JSON.
        caption: how to read it.
        alt: what it shows, for those who cannot see it.
    """

    name: str
    plot: "Plot"
    data: Mapping[str, Any]
    caption: str
    alt: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading with plain text (a blank line separates paragraphs), then tables, then figures."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclasses.dataclass(frozen=True)
class Result:
    """The findings of an experiment, which the harness writes.

    Attributes:
        title: the title of the page.
        question: the question that the page answers, in a paragraph or two.
        summary: the result in a few sentences, for those who read no further.
        sections: the sections in reading order.
        numbers: the numbers of the tables, written to results.json; estimates become dictionaries.
        notes: warnings, which the page shows before anything else.
        doubts: warnings about single intervals, which the page lists at its end.
    """

    title: str
    question: str
    summary: str
    sections: Sequence[Section]
    numbers: dict[str, Any]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", _plain(self.numbers))


def moved(section: Section, prefix: str, folder: str) -> Section:
    """A section as a part of another page: its title prefixed, its figures in a folder of their own."""
    figures = [dataclasses.replace(figure, name=f"{folder}/{figure.name}") for figure in section.figures]
    return dataclasses.replace(section, title=f"{prefix}: {section.title}", figures=figures)


def slug(name: str) -> str:
    """The name of a data set as a part of a file name, with a hash if it is long or has characters that must go."""
    part = re.sub(r"[^\w.-]+", "-", name)
    if part == name.replace(":", "-") and len(part.encode()) <= MAX_PART:
        return part
    return f"{part[: MAX_PART // 4]}-{hashlib.blake2b(repr(name).encode(), digest_size=4).hexdigest()}"


def write(folder: Path, result: Result, command: str) -> Path:
    """Path of the `report.html` written into `folder`, beside `report.md`, results.json and the figures."""
    from glowjax import plots  # here, because Matplotlib takes long to import and a training starts without it
    from glowjax.plots.style import json_text

    images = {}
    for figure in (figure for section in result.sections for figure in section.figures):
        images[figure.name] = plots.save(figure.plot, folder / figure.name, figure.data)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))
    content = {"result": result, "command": command, "fence": fence, "folder": folder, "images": images}
    files = {"results.json": json_text(result.numbers)}
    for suffix in ("html", "md"):
        files[f"report.{suffix}"] = TEMPLATES[suffix].get_template(f"report.{suffix}.j2").render(content)
    for name, text in files.items():
        write_text(folder / name, printable(text))
    return folder / "report.html"


def over_seeds(results: Mapping[str, Result], pages: Mapping[str, Path] | None = None) -> Result:
    """Results that differ in their seed as one.

    Each number in a table becomes the mean over seeds, with its interval over images and that over seeds. Figures and
    texts are those of the first seed.

    Args:
        results: {seed: its result}, two or more.
        pages: {seed: its page}, if there are pages.
    """
    first = next(iter(results.values()))
    sections = [
        dataclasses.replace(section, tables=[_mean_table(tables) for tables in zip(*by_seed, strict=True)])
        for section, *by_seed in zip(
            first.sections, *([s.tables for s in r.sections] for r in results.values()), strict=True
        )
    ]
    note = (
        f"Numbers in tables are means over {len(results)} seeds. Of two intervals, the first is over images: the mean "
        "of each seed's interval. The second, after the semicolon, is over seeds: Student's t of the seeds' values, at "
        f"95 %. Texts and figures below are those of {next(iter(results))}."
    )
    rows = [[Link(name, page)] for name, page in (pages or {}).items()]
    links = [Table("The page of each seed", ["seed"], rows)] if rows else []
    return dataclasses.replace(
        first,
        summary="\n\n".join(f"{name}: {result.summary}" for name, result in results.items()),
        sections=[Section("Seeds", note, links), *sections],
        numbers={name: result.numbers for name, result in results.items()},
        notes=tuple(f"{name}: {note}" for name, result in results.items() for note in result.notes),
        doubts=tuple(f"{name}: {doubt}" for name, result in results.items() for doubt in result.doubts),
    )


def _mean_table(tables: Sequence[Table]) -> Table:
    """The rows that all tables have, cell by cell."""
    by_name = [{str(row[0]): row for row in table.rows} for table in tables]
    shared = [name for name in by_name[0] if all(name in rows for rows in by_name)]
    rows = [[_mean_cell(cells) for cells in zip(*(rows[name] for rows in by_name), strict=True)] for name in shared]
    return dataclasses.replace(tables[0], rows=rows)


def _mean_cell(cells: Sequence[Cell]) -> Cell:
    """The mean of numbers, as text with both intervals; other cells as they are if they agree, else all of them."""
    numbers = [cell for cell in cells if isinstance(cell, Number)]
    if len(numbers) < len(cells):
        distinct = list(dict.fromkeys(map(str, cells)))
        return cells[0] if len(distinct) == 1 else " / ".join(distinct)
    values = [cell.value for cell in numbers]
    if len(set(map(str, numbers))) == 1 and not isinstance(values[0], Estimate):
        return numbers[0]
    spec = numbers[0].spec.replace("d", ".0f")
    mark = numbers[0].mark if len({cell.mark for cell in numbers}) == 1 else ""
    seeds = stats.mean([float(v.value) if isinstance(v, Estimate) else v for v in values])
    estimates = [v for v in values if isinstance(v, Estimate)]
    if not estimates:
        return f"{seeds:{spec}[]} {mark}".strip().replace(" ", NO_BREAK)
    sem = np.mean([float(e.sem) for e in estimates])
    low, high = np.mean([[float(end) for end in e.interval] for e in estimates], axis=0)
    images = Estimate(seeds.value, sem, estimates[0].count, low, high)
    _, over_seeds = f"{seeds:{spec.removesuffix('[]')}[]}".split(" ", 1)
    return f"{images:{spec}}; {over_seeds} {mark}".strip().replace(" ", NO_BREAK)


def _plain(value: Any) -> Any:
    """Nested numbers as JSON has them: results of `glowjax.stats` become dictionaries, and all keys text."""
    if isinstance(value, stats.Result):
        return value.as_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {_key(name): _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def _key(name: str | float | tuple[str, ...]) -> str:
    return ", ".join(name) if isinstance(name, tuple) else name if isinstance(name, str) else f"{name:g}"


def _paragraphs(text: str) -> list[str]:
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _relative(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix(), errors="replace")


def _markdown(value: Any) -> Any:
    """The text with escapes where Markdown would see markup; underscores inside words stay as they are."""
    if hasattr(value, "__html__"):  # marked as safe
        return value
    return re.sub(r"[\\`*<&|$~\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", re.sub(r"[ \n\t]+", " ", str(value)))


def _environment(**options: Any) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options
    )
    environment.filters |= {"paragraphs": _paragraphs, "embedded": _embedded, "relative": _relative}
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    environment.tests["best"] = lambda cell: isinstance(cell, Number) and cell.is_best
    return environment


TEMPLATES = {
    "html": _environment(autoescape=True),
    "md": _environment(finalize=_markdown, keep_trailing_newline=True),
}
