"""The wheel, built and installed as a user would install it, and used outside the repository."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, **options):
    """The standard output of a command that must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, so that building leaves no trace in it."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "glowjax", source / "glowjax", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an empty environment with the wheel, which sees this environment's other packages."""
    root = tmp_path_factory.mktemp("empty")
    venv.create(root, with_pip=False, symlinks=True)
    interpreter = root / "bin/python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", interpreter)
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    paths = sysconfig.get_paths()
    site = run(interpreter, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    (Path(site) / "others.pth").write_text(f"{paths['purelib']}\n{paths['platlib']}\n")
    return interpreter


def test_the_wheel_is_the_package_and_nothing_else(wheel):
    files = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "glowjax").rglob("*")
        if file.suffix in {".py", ".npz", ".md", ".json"} or file.name == "py.typed"
    }
    assert expected >= {"glowjax/py.typed", "glowjax/data/bundled/mnist_train.npz", "glowjax/data/bundled/README.md"}
    assert {name for name in files if ".dist-info/" not in name} == expected
    assert any(name.endswith("/LICENSE") for name in files)


def test_the_ten_lines_of_the_readme_run_outside_the_repository(python, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = next(block for block in blocks if "gj.nvp_glow(" in block)
    small = lines.replace("num_steps=8, width=64", "num_steps=1, width=8")
    assert small != lines
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GLOWJAX_DATA_DIR")}
    told = run(
        python,
        "-c",
        f"{small}\nprint(samples.shape, gj.__file__)",
        cwd=tmp_path,
        env={**environment, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )
    shape, _, file = told.splitlines()[-1].rpartition(" ")
    assert shape == "(16, 28, 28, 1)"
    assert Path(file).is_relative_to(python.parents[1])


def test_everything_that_the_library_imports_is_required():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = {_normal(line) for line in setup["options"]["install_requires"].split()}
    distributions = packages_distributions()
    for file in (ROOT / "glowjax").rglob("*.py"):
        for module in _imported(ast.parse(file.read_text())):
            if module not in sys.stdlib_module_names and module != "glowjax":
                assert {_normal(name) for name in distributions[module]} & required, f"{file} imports {module}"


def _imported(tree):
    """The top-level names of all modules that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


def _normal(requirement):
    """The name of a requirement in the one spelling of package registries."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[;]", requirement)[0]).lower()
