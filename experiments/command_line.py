"""From the words of a command to a configuration, and from errors to a sentence and an exit status."""

import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import tyro

from experiments.presets import PRESETS, TrainConfig
from glowjax.checks import InputError, unknown
from glowjax.cores import cores_as_devices
from glowjax.data.sources import data_folder

ConfigT = TypeVar("ConfigT")


def parse_train_config(arguments: list[str], description: str | None) -> TrainConfig:
    """The preset named by `--preset` (default small-28) of the model named by `--model` (default nvp, or builder).

    The other options are put over it. Raises InputError for an unknown model or preset.
    """
    builds = any(word.partition("=")[0] == "--model.builder" for word in arguments)
    model, rest = _taken(arguments, "--model", "builder" if builds else "nvp")
    if model not in PRESETS:
        raise unknown("model", model, PRESETS)
    preset, _ = _taken(arguments, "--preset", TrainConfig.preset)
    if preset not in PRESETS[model]:
        raise unknown("preset", preset, PRESETS[model])
    return tyro.cli(TrainConfig, args=rest, default=PRESETS[model][preset], description=description)


def _taken(arguments: list[str], option: str, default: str) -> tuple[str, list[str]]:
    """The value of an option, written with a space or "=", and the other arguments."""
    value, rest, words = default, [], iter(arguments)
    for word in words:
        name, equals, after = word.partition("=")
        if name == option:
            value = after if equals else next(words, "")
        else:
            rest.append(word)
    return value, rest


def command(name: str, config: Any) -> str:
    """The command that repeats `python -m experiments.NAME` with `config`: the options that are not the defaults.

    A data folder that the environment names is among them, so that the command finds the same images without it.
    """
    config = _placed(config)
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return shlex.join(["python", "-m", f"experiments.{name}", *_options(config, defaults)])


def train_command(config: TrainConfig) -> str:
    """The command of `experiments.train` likewise: its preset, and the options that differ from it."""
    config = _placed(config)
    preset = PRESETS[config.model.kind][config.preset]
    words = ["--model", config.model.kind, "--preset", config.preset]
    return shlex.join(["python", "-m", "experiments.train", *words, *_options(config, vars(preset))])


def expanded(config: Any) -> Any:
    """`config` with ~ in its paths as the home folder, where the shell has left it: `--data-dir=~/data`."""
    paths = {
        name: tuple(path.expanduser() for path in value) if isinstance(value, tuple) else value.expanduser()
        for name, value in vars(config).items()
        if isinstance(value, Path) or (isinstance(value, tuple) and value and isinstance(value[0], Path))
    }
    return dataclasses.replace(config, **paths)


def _placed(config: Any) -> Any:
    """`config` with the data folder of the environment where it reads images and names none."""
    if getattr(config, "data_dir", config) is not None:  # it names one, or reads none
        return config
    return dataclasses.replace(config, data_dir=data_folder(None))


def _options(config: Any, defaults: Mapping[str, Any], prefix: str = "--") -> list[str]:
    """The options of a configuration that differ from `defaults`, as the words of a command."""
    words = []
    for name, value in vars(config).items():
        default = defaults[name]
        option = prefix + name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            words += _options(value, vars(default), f"{option}.")
        elif value != default:
            words += [option, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def run(main: Callable[[ConfigT], Any], parse: Callable[[list[str]], ConfigT]) -> None:
    """Runs an experiment from the command line, with a persistent compilation cache and a CPU's cores as devices.

    Bad input ends in its one sentence and exit status 2; an interrupt, after a checkpoint, in status 130.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(Path("~/.cache/glowjax/xla").expanduser()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    cores_as_devices()
    try:
        main(expanded(parse(sys.argv[1:])))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        raise SystemExit(130) from None
