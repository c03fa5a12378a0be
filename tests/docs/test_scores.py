"""The page about scores explains each of them, and that about detection says what was measured."""

import re

import pytest
from docs.documents import ROOT
from docs.said_of_detection import said

from glowjax import ood

PAGE = (ROOT / "docs" / "scores.md").read_text()


def test_each_score_is_explained_outside_of_the_table():
    prose = "\n".join(line for line in PAGE.splitlines() if not line.startswith("|"))
    assert ood.SCORES.keys() <= set(re.findall(r"`([\w-]+)`", prose))


@pytest.mark.parametrize("sentence", [*said()])
def test_the_page_about_detection_says_what_was_measured(sentence):
    assert sentence in " ".join((ROOT / "docs" / "detection.md").read_text().split())
