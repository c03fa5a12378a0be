"""Installed as users install it: the wheel in an empty environment, and a clone in editable mode."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")

WITHOUT_EXTRAS = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
for room in {rooms}:
    importlib.import_module("glowjax." + room)
"""
"""Imports the library where no extra is installed."""


def run(*command, **options):
    """The standard output of a command that must succeed, without the tests' own paths in its environment."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GLOWJAX_DATA_DIR")}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def clone(folder):
    """A copy of what the package is built from, so that building leaves no trace in the checkout."""
    shutil.copytree(ROOT / "glowjax", folder / "glowjax", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def install(folder, *package):
    """The interpreter of a new environment with the package, which sees the other packages of this environment."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed")
    run(*PIP, "--python", python, "install", *options, *package)
    return python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = clone(tmp_path_factory.mktemp("source"))
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment with the wheel."""
    return install(tmp_path_factory.mktemp("empty"), wheel)


@pytest.mark.release
def test_the_wheel_is_the_package_and_nothing_else(wheel):
    files = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "glowjax").rglob("*")
        if file.suffix in {".py", ".npz", ".md", ".json", ".safetensors"} or file.name == "py.typed"
    }
    assert expected >= {"glowjax/py.typed", "glowjax/data/bundled/mnist_train.npz", "glowjax/data/bundled/README.md"}
    assert {name for name in files if ".dist-info/" not in name} == expected
    assert any(name.endswith("/LICENSE") for name in files)


@pytest.mark.release
def test_the_lines_of_the_readme_run_outside_the_repository(python, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = next(block for block in blocks if "gj.nvp_glow(" in block)
    small = lines.replace("num_steps=8, width=64", "num_steps=1, width=8")
    assert small != lines
    printed = run(python, "-c", f"{small}\nprint(samples.shape, gj.__file__)", cwd=tmp_path)
    shape, _, file = printed.splitlines()[-1].rpartition(" ")
    assert shape == "(16, 28, 28, 1)"
    assert Path(file).is_relative_to(python.parents[1])


@pytest.mark.release
def test_an_editable_clone_is_imported_from_its_parent_folder(tmp_path):
    source = tmp_path / "glowjax"
    source.mkdir()
    python = install(tmp_path / "environment", "--editable", clone(source))
    file = run(python, "-c", "import glowjax; glowjax.data; print(glowjax.__file__)", cwd=tmp_path)
    assert Path(file.strip()) == source / "glowjax" / "__init__.py"


def test_all_but_the_plots_works_without_the_extras():
    extras = {module for module, names in packages_distributions().items() if set(map(_normal, names)) & _extras()}
    rooms = ["analysis", "data", "models", "ood", "pretrained", "stats", "testing", "train"]
    assert {"matplotlib", "tyro"} <= extras
    run(sys.executable, "-c", WITHOUT_EXTRAS.format(extras=extras, rooms=rooms), cwd=ROOT)


def test_everything_that_the_library_imports_is_required():
    required, distributions = _names(SETUP["options"]["install_requires"]), packages_distributions()
    for file in (ROOT / "glowjax").rglob("*.py"):
        for module in _imported(ast.parse(file.read_text())):
            if module not in sys.stdlib_module_names and module != "glowjax":
                found = set(map(_normal, distributions[module]))
                assert found & (required | _extras()), f"{file} imports {module}"


def _extras():
    """The packages of the extras that the library itself has a use for."""
    chosen = ("plots", "data", "tfds", "experiments")
    return set.union(*(_names(SETUP["options.extras_require"][extra]) for extra in chosen)) - {"glowjax"}


def _names(requirements):
    return {_normal(line) for line in requirements.split() if not line.startswith("#")}


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
