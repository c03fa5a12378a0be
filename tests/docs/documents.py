"""The written pages: README, changelog and what is in docs, with their links, snippets and commands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"(?:\.venv/bin/)?python -m (experiments [a-z][\w-]+|benchmarks(?:\.\w+)+)([^`\n]*)")


def name(page: Path) -> str:
    """The page's path from the root, to call a test by."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of `page` in that language."""
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == language]


def links(page: Path) -> list[str]:
    """The targets of the links and images of `page` that lead to files, code left out."""
    targets = LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text())))
    return [target for target in targets if not re.match(r"https?:|mailto:", target)]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of `page` ends in."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[tuple[str, str]]:
    """(program, the rest of the line) of every command of `page`, in blocks and in text."""
    return [(program, rest.strip()) for program, rest in COMMAND.findall(page.read_text())]
