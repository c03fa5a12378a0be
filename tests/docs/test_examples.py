"""The examples in docstrings print what they say."""

import doctest
import importlib

import pytest
from docs.documents import ROOT

MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "glowjax").rglob("*.py"))
    if ">>>" in file.read_text()
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module):
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0, "the report is above"
