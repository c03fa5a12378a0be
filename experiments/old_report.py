"""One page for each run: `report.html`, which stands alone, and `report.md` with the same content.

The page needs no network and no JavaScript: figures are embedded, colors follow the reader's setting,
and it prints. From top to bottom it gives the question, the result, the tables and figures with how to read them, and
the command.
"""

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from glowjax.checks import InputError

STYLE = Path(__file__).with_suffix(".css")


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first column names the row, the others hold its numbers.

    Raises:
        InputError: where a row is not as long as the header.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise InputError(
                    f"A row of the table '{self.caption}' has {len(row)} cells under a header of "
                    f"{len(self.header)}; expected as many: fill the missing ones with an empty string."
                )


@dataclass(frozen=True)
class Picture:
    """A PNG file with its caption, and in `alt` a description for those who cannot see it."""

    path: Path
    caption: str
    alt: str

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError(f"There is no figure at '{self.path}'; save it before the report is written.")


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs of plain text (a blank line parts them), then tables, then figures.

    Attributes:
        title: the heading.
        text: plain text.
        tables: in order.
        figures: in order.
        level: 2, or 3 for a section of the one above it; a page that has these begins with its contents.
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[Picture] = ()
    level: int = 2


@dataclass(frozen=True)
class Page:
    """What a page says, as `write` was given it."""

    title: str
    question: str
    lead: str
    sections: Sequence[Section]
    command: str


def write(
    path_dir: str | Path, title: str, question: str, lead: str, sections: Sequence[Section], command: str
) -> Path:
    """Path of the `report.html` written into `path_dir`, with the same as `report.md`, and for `read` as JSON.

    Args:
        path_dir: folder of the run; made if needed.
        title: of the page.
        question: that the page answers, in a paragraph or two.
        lead: the result in a few sentences, for those who read no further.
        sections: in reading order.
        command: the command that repeats the run.
    """
    folder = Path(path_dir)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    content = Page(title, question, lead, list(sections), command)
    page.write_text(_html_page(content), encoding="utf-8")
    (folder / "report.md").write_text(_md_page(folder, content), encoding="utf-8")
    written = asdict(content)
    for figure in (figure for section in written["sections"] for figure in section["figures"]):
        figure["path"] = Path(os.path.relpath(figure["path"], folder)).as_posix()
    (folder / "report.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return page


def read(path_dir: str | Path) -> Page:
    """The page that `write` left in `path_dir`. Raises InputError where there is none."""
    folder = Path(path_dir)
    try:
        content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"There is no report in {folder} ({error}); run the experiment that writes it.") from error
    sections = [
        Section(
            section["title"],
            section["text"],
            [Table(**table) for table in section["tables"]],
            [Picture(**{**figure, "path": folder / figure["path"]}) for figure in section["figures"]],
            section["level"],
        )
        for section in content["sections"]
    ]
    return Page(content["title"], content["question"], content["lead"], sections, content["command"])


def _paragraphs(text: str) -> list[str]:
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _html_page(page: Page) -> str:
    body = "\n".join(_html_section(n, section) for n, section in enumerate(page.sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(page.title)}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<h1>{html.escape(page.title)}</h1>
{_html_paragraphs(page.question, "question")}
{_html_paragraphs(page.lead, "lead")}
{_html_contents(page.sections)}
{body}
<section>
<h2>Run it again</h2>
<pre><code>{html.escape(page.command)}</code></pre>
</section>
</main>
</body>
</html>
"""


def _html_paragraphs(text: str, kind: str) -> str:
    return "\n".join(f'<p class="{kind}">{html.escape(paragraph)}</p>' for paragraph in _paragraphs(text))


def _html_contents(sections: Sequence[Section]) -> str:
    if all(section.level == 2 for section in sections):
        return ""
    links = [
        f'<li><a href="#section-{n}">{html.escape(section.title)}</a></li>'
        for n, section in enumerate(sections)
        if section.level == 2
    ]
    return "\n".join(["<nav><ul>", *links, "</ul></nav>"])


def _html_section(number: int, section: Section) -> str:
    parts = [f'<h{section.level} id="section-{number}">{html.escape(section.title)}</h{section.level}>']
    parts += [f"<p>{html.escape(text)}</p>" for text in _paragraphs(section.text)]
    parts += [_html_table(table) for table in section.tables]
    parts += [_html_figure(figure) for figure in section.figures]
    return "\n".join(["<section>", *parts, "</section>"])


def _html_table(table: Table) -> str:
    header = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in table.rows
    )
    return f"""<div class="scroll"><table>
<caption>{html.escape(table.caption)}</caption>
<thead><tr>{header}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>"""


def _html_figure(figure: Picture) -> str:
    encoded = base64.b64encode(Path(figure.path).read_bytes()).decode("ascii")
    return f"""<figure>
<img src="data:image/png;base64,{encoded}" alt="{html.escape(figure.alt)}">
<figcaption>{html.escape(figure.caption)}</figcaption>
</figure>"""


def _md_page(folder: Path, page: Page) -> str:
    leads = [f"**{_md(text)}**" for text in _paragraphs(page.lead)]
    blocks = [f"# {_md(page.title)}", *map(_md, _paragraphs(page.question)), *leads]
    for section in page.sections:
        blocks += [f"{'#' * section.level} {_md(section.title)}", *map(_md, _paragraphs(section.text))]
        blocks += [_md_table(table) for table in section.tables]
        blocks += [_md_figure(folder, figure) for figure in section.figures]
    return "\n\n".join([*blocks, "## Run it again", f"```sh\n{page.command}\n```"]) + "\n"


def _md_table(table: Table) -> str:
    header, *rows = ([_md(cell) for cell in row] for row in (table.header, *table.rows))
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
    return "\n".join([_md(table.caption), "", *lines])


def _md_figure(folder: Path, figure: Picture) -> str:
    link = quote(Path(os.path.relpath(figure.path, folder)).as_posix())
    return f"![{_md(figure.alt)}]({link})\n\n{_md(figure.caption)}"


def _md(text: str) -> str:
    """The text with escapes where Markdown would see markup; underscores inside words stay as they are."""
    return re.sub(r"[\\`*<&|\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))
