"""What the package promises about itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import glowjax

PACKAGE = Path(glowjax.__file__).parent
BELOW = {  # room -> the rooms that it may import; experiments may import everything
    "networks": {"networks", "cores", "linalg", "typing", "checks", "references"},
    "layers": {"layers", "networks", "linalg", "typing", "checks"},
    "stats": {"stats", "typing", "checks"},
    "models": {
        *("models", "layers", "networks", "cores", "stats", "likelihood", "noise", "typing", "checks", "references")
    },
    "data": {"data", "stats", "likelihood", "typing", "checks", "files"},
    "ood": {
        *("ood", "analysis", "train", "data", "models", "layers", "likelihood", "noise", "stats", "typing", "checks"),
        "files",
    },
    "pretrained": {"checks"},
    "plots": {"plots", "stats", "checks", "files"},
    "train": {
        *("train", "pretrained", "models", "layers", "likelihood", "noise", "data", "cores", "processes", "files"),
        *("typing", "checks", "_version"),
    },
}


@pytest.mark.parametrize("room", BELOW)
def test_imports_point_one_way(room):
    for file in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glowjax."):
                assert node.module.split(".")[1] in BELOW[room], f"{file.relative_to(PACKAGE)} imports {node.module}"


def test_an_import_leaves_the_choice_of_devices_open():
    root = PACKAGE.parent
    modules = [
        ".".join(file.relative_to(root).with_suffix("").parts)
        for room in ("glowjax", "experiments")
        for file in (root / room).rglob("*.py")
    ]
    assert "experiments.train" in modules
    code = f"import importlib; [importlib.import_module(name) for name in {modules}]; import jax; " + (
        "jax.config.update('jax_num_cpu_devices', 3); assert jax.device_count('cpu') == 3"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_the_bundle_is_small():
    assert sum(file.stat().st_size for file in (PACKAGE / "data" / "bundled").glob("*.npz")) < 7e6
