"""Runs an experiment: from its configuration to its output folder, report and command.

An experiment is a file beside `train.py`, or in `figures/` (the paper's figures), `beyond/` or `tools/`, and has the
name of that file. Its docstring is its help text. The first line of the docstring, with the paper's figure in
parentheses, is its line in the list of experiments. The file defines a configuration and a function:

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class ScalesConfig(OneModel, References):  # options of `options.py`, with help texts
        num_bins: int = 10  # its help text comes from the docstring of the class

    def main(config: ScalesConfig) -> Result:
        trained = load_flow(config.run_dir)
        ...
        return Result(title, QUESTION, summary, sections, numbers)

`main` computes and returns. It writes no file, formats no command and prints nothing except for its progress, because
`run` does the rest. Each number in a table is a `Number`: if a run has several seeds, `run` repeats the experiment for
each seed and averages these numbers. The configuration of an experiment that trains inherits `Seeded`, so that the
experiment is repeated for each of --seeds. A tool without a page returns a `str`, which is printed at the end. A module
may define `parse(args, **options)` for a command line that tyro cannot read from the configuration alone.
"""

import contextlib
import dataclasses
import functools
import re
import shlex
import sys
import typing
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import tyro

from experiments.report.distributed import connected
from experiments.report.options import OneModel, Output, Seeded, SeveralModels
from experiments.report.page import Result, over_seeds, write
from experiments.report.programs import about_programs, keep_programs
from glowjax import processes, stats
from glowjax.checks import InputError, check_printable, check_seed, expanded, writable_directory
from glowjax.data.sources import data_folder

SHELL_WORDS = {
    r"glowjax\.data\.prepare\('([^']+)'\)": r"`python -m experiments datasets prepare \1`",
    r"\bdata_dir\b": "--data-dir",
}
"""Replacements in error messages of the library: a pattern of Python code, and its form on a command line."""

ConfigT = TypeVar("ConfigT")


def runs_of(run_dir: Path) -> tuple[Path, ...]:
    """The runs below a folder that differ in their seed (seed-0, seed-1, ...); the folder itself if it is one run."""
    seeds = [path for path in run_dir.glob("seed-*") if path.name[5:].isdigit() and (path / "checkpoints").is_dir()]
    return tuple(sorted(seeds, key=lambda path: int(path.name[5:]))) or (run_dir,)


def repetitions(config: Any) -> dict[str, Any]:
    """{"seed 0": the configuration for seed 0, ...}; one entry, unless the runs or the options name several seeds."""
    seeds = config.seeds if isinstance(config, Seeded) else ()
    by_seed = {f"seed {seed}": {"seed": seed, "seeds": ()} for seed in seeds}
    if isinstance(config, OneModel | SeveralModels):
        given = (config.run_dir,) if isinstance(config, OneModel) else config.run_dirs
        runs = [runs_of(run_dir) for run_dir in given]
        names = next(([path.name.replace("-", " ") for path in paths] for paths in runs if len(paths) > 1), [""])
        names = names if len(names) > 1 or not by_seed else list(by_seed)
        if any(len(paths) not in (1, len(names)) for paths in runs) or len(by_seed) not in (0, len(names)):
            raise InputError(
                f"The runs have {[len(paths) for paths in runs]} seeds each, and --seeds names {len(seeds)}; expected "
                "the same number of each, or one."
            )
        for n, name in enumerate(names):
            chosen = tuple(paths[n] if len(paths) > 1 else paths[0] for paths in runs)
            options = {"run_dir": chosen[0]} if isinstance(config, OneModel) else {"run_dirs": chosen}
            by_seed[name] = by_seed.get(name, {}) | options
    return {name: dataclasses.replace(config, **options) for name, options in by_seed.items()} or {"": config}


def run(main: Callable[[ConfigT], Result | str], config: ConfigT) -> Result | None:
    """Runs an experiment, once per seed; writes its report if it has one, prints its summary and returns its result."""
    for option, seeds in (("--seed", (getattr(config, "seed", 0),)), ("--seeds", getattr(config, "seeds", ()))):
        for seed in seeds:
            check_seed(option, seed)
    folder = _writable(output_folder(main, config)) if isinstance(config, Output) else Path()
    resolved = dataclasses.replace(config, output_dir=folder) if isinstance(config, Output) else config
    by_seed = repetitions(resolved)
    try:
        result = _noted(main, *by_seed.values()) if len(by_seed) == 1 else _each_seed(main, by_seed)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()  # which fails unless it is empty
        raise
    print(result if isinstance(result, str) else result.summary)
    if isinstance(result, str):
        return None
    print(f"The report is {_write(folder, result, command(main, config))}.")
    return result


def _each_seed(main: Callable[[Any], Any], by_seed: Mapping[str, Any]) -> Result:
    results, pages = {}, {}
    for name, config in by_seed.items():
        folder = _writable(config.output_dir / name.replace(" ", "-"))
        one = dataclasses.replace(config, output_dir=folder)
        results[name] = _noted(main, one)
        pages[name] = _write(folder, results[name], command(main, one))
    return over_seeds(results, pages)


def _writable(folder: Path) -> Path:
    """The absolute path of a folder. In the process that writes, raises InputError unless it can be written."""
    return folder.absolute() if processes.is_follower() else writable_directory(folder)


def _write(folder: Path, result: Result, repeat: str) -> Path:
    """Writes the page of a result and returns its path. With several processes, only the first one writes."""
    if processes.is_follower():
        return folder
    try:
        return write(folder, result, repeat)
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {folder} ({error.strerror}); make room there, and run the command again."
        ) from error


ABOUT_INTERVALS = (stats.HeavyTailWarning, stats.FewImagesWarning)
"""Warnings about one interval of a page."""


def _noted(main: Callable[[Any], Any], config: Any) -> Any:
    """The result of an experiment, with its warnings as notes for the page, except for those of other packages.

    If one image determines several means of a set, it is noted once.
    """
    notes: dict[str, None] = {}
    doubts: dict[str, None] = {}
    outliers: set[tuple[str, int]] = set()
    shown = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], filename: str, *place: Any, **more: Any) -> None:
        if isinstance(message, stats.HeavyTailWarning):
            if (message.name, message.image) in outliers:
                return
            outliers.add((message.name, message.image))
        if "site-packages" not in filename:
            (doubts if isinstance(message, ABOUT_INTERVALS) else notes)[str(message)] = None
        shown(message, category, filename, *place, **more)

    with warnings.catch_warnings():
        warnings.showwarning = note
        result = main(config)
    if not isinstance(result, Result):
        return result
    return dataclasses.replace(result, notes=tuple(notes), doubts=tuple(doubts))


def output_folder(main: Callable[..., Any], config: Output) -> Path:
    """The folder of an experiment's report: below the run if there is only one."""
    if config.output_dir:
        return config.output_dir
    name = name_of(main)
    several: tuple[Path, ...] = getattr(config, "run_dirs", ())
    run_dir = getattr(config, "run_dir", several[0] if len(several) == 1 else None)
    return run_dir / name if run_dir and run_dir.is_dir() else Path("results") / name


def name_of(main: Callable[..., Any]) -> str:
    """The name of the experiment that a function belongs to."""
    return main.__module__.rpartition(".")[2].replace("_", "-")


def command(main: Callable[..., Any], config: Any) -> str:
    """The command that repeats an experiment: its name and the options that differ from the defaults.

    If an environment variable names the data folder, it is included, so that the command finds the same images without
    the variable.
    """
    fields = sorted(dataclasses.fields(config), key=lambda field: field.default is not dataclasses.MISSING)
    defaults = {field.name: field.default for field in fields}  # required options come first
    return shlex.join(["python", "-m", "experiments", name_of(main), *options(config, defaults)])


def options(config: Any, defaults: Mapping[str, Any], prefix: str = "--") -> list[str]:
    """The words of a command for the options that differ from `defaults`."""
    words = []
    if getattr(config, "data_dir", config) is None:  # reads images, and names no folder
        config = dataclasses.replace(config, data_dir=data_folder(None))
    for name, default in defaults.items():
        value, option = getattr(config, name), prefix + name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            words += options(value, vars(default), f"{option}.")
        elif value != default:
            words += [option, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def from_command_line(module: ModuleType, arguments: list[str]) -> None:
    """Runs an experiment with a command's arguments and a persistent compilation cache.

    Each warning is printed on one line. An error that is not a bug is printed as a sentence, with exit status 2.
    """
    try:
        with warnings.catch_warnings():
            keep_programs()
            warnings.showwarning = lambda message, *_: show(str(message))
            with connected(parsed(module, arguments)) as config:
                run(module.main, config)
    except Exception as error:
        if not (sentence := explained(error)):
            raise
        print(f"error: {on_the_command_line(sentence)}", file=sys.stderr)
        processes.end(2)


def show(warning: str) -> None:
    """Prints a warning. If it is about the compilation cache, damaged entries are deleted first."""
    if sentence := about_programs(warning):
        print(f"warning: {sentence}", file=sys.stderr)


def explained(error: Exception) -> str:
    """A sentence about an error of the input or of the machine; "" for any other error, which is a bug."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + ("." if error.filename is None else f": {str(error.filename)[:200]}")
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return f"There is not enough memory ({error}); use fewer images, a smaller batch or a smaller model."
    return str(error) if str(error).startswith("Unable to initialize backend") else ""


def on_the_command_line(advice: str) -> str:
    """An error message of the library with its Python calls and arguments as commands and options."""
    for python, shell in SHELL_WORDS.items():
        advice = re.sub(python, shell, advice)
    return advice


def parsed(module: ModuleType, arguments: list[str]) -> Any:
    """The configuration that the arguments of a command give, with any ~ in paths expanded."""
    for argument in arguments:
        check_printable(argument)
    kind = typing.get_type_hints(module.main)["config"]
    parse = getattr(module, "parse", functools.partial(tyro.cli, kind))
    usage = f"python -m experiments {name_of(module.main)}"
    config = parse(args=arguments, prog=usage, description=module.__doc__)
    return dataclasses.replace(config, **{name: _expand_home(value) for name, value in vars(config).items()})


def _expand_home(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_expand_home, value))
    return expanded(value) if isinstance(value, Path) else value
