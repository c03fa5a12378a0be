"""The page about scores explains each of them."""

import re

from docs.documents import ROOT

from glowjax import ood

PAGE = (ROOT / "docs" / "scores.md").read_text()


def test_each_score_is_explained_outside_of_the_table():
    prose = "\n".join(line for line in PAGE.splitlines() if not line.startswith("|"))
    assert ood.SCORES.keys() <= set(re.findall(r"`([\w-]+)`", prose))
