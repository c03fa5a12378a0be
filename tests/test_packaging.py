"""What the package promises about itself."""

import ast
from pathlib import Path

import pytest

import glowjax

PACKAGE = Path(glowjax.__file__).parent
BELOW = {  # room -> the rooms that it may import; experiments may import everything
    "layers": {"layers", "typing", "errors"},
    "models": {"models", "layers", "conditioners", "convolution", "estimate", "likelihood", "typing", "errors"},
    "data": {"data", "output", "errors"},
    "ood": {"ood", "errors"},
    "pretrained": {"models", "conditioners", "typing", "errors"},
    "plots": {"plots", "ood", "errors"},
    "train": {"train", "models", "layers", "likelihood", "data", "output", "typing", "errors"},
}


@pytest.mark.parametrize("room", BELOW)
def test_imports_point_one_way(room):
    for file in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glowjax."):
                assert node.module.split(".")[1] in BELOW[room], f"{file.relative_to(PACKAGE)} imports {node.module}"


def test_the_bundle_is_small():
    assert sum(file.stat().st_size for file in (PACKAGE / "data" / "bundled").glob("*.npz")) < 7e6


def test_types_are_shipped():
    assert (PACKAGE / "py.typed").exists()
