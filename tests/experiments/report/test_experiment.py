"""Experiments are found by name, read their options, know their command, and run once per seed."""

import dataclasses
import importlib
import re
import shlex
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import __main__ as runner
from experiments.beyond import scales
from experiments.figures import likelihoods
from experiments.figures.ensemble import EnsembleConfig
from experiments.figures.likelihoods import LikelihoodsConfig
from experiments.report.experiment import command, from_command_line, parsed, repetitions, run
from experiments.report.options import Output, Seeded, SeveralModels
from experiments.report.page import Number, Result, Section, Table
from glowjax import stats
from glowjax.checks import InputError

ROOT = Path(__file__).parents[3]
NAMES = sorted(runner.modules())


def module(name):
    path = runner.modules()[name].relative_to(ROOT).with_suffix("")
    return importlib.import_module(".".join(path.parts))


def test_the_list_names_every_experiment_with_its_line(capsys):
    runner.main([])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert sorted(name for name, _ in lines) == NAMES
    assert all(line == module(name).__doc__.splitlines()[0] for name, line in lines)
    assert "(figures 1, 2, 4 and 5a" in dict(lines)["likelihoods"]


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_the_command_and_explains_every_option(name, capsys):
    with pytest.raises(SystemExit) as exit_info:
        runner.main([name.replace("_", "-"), "--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m experiments {name} [-h]")
    described = " ".join(text.replace("│", " ").split())
    assert " ".join(module(name).__doc__.split())[:60] in described


def test_an_unknown_experiment_suggests_a_similar_one_and_only_a_similar_one(capsys):
    for name, hint in (
        ("likelihood", "did you mean 'likelihoods'?"),
        ("xyzzy", "Unknown experiment 'xyzzy'.\nKnown: "),
    ):
        with pytest.raises(SystemExit) as exit_info:
            runner.main([name])
        assert exit_info.value.code == 2
        assert hint in capsys.readouterr().err


def test_the_command_of_a_configuration_gives_that_configuration_back(monkeypatch, tmp_path):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    config = LikelihoodsConfig(run_dir=Path("runs/a b"), out_dists=("mnist:train", "noise"), num_draws=3, seed=1)
    words = shlex.split(command(likelihoods.main, config))
    assert words[:6] == ["python", "-m", "experiments", "likelihoods", "--run-dir", "runs/a b"]
    assert parsed(likelihoods, words[4:]) == config
    assert "--num-images" not in words
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))  # another shell may not have it
    words = shlex.split(command(likelihoods.main, config))
    assert parsed(likelihoods, words[4:]) == dataclasses.replace(config, data_dir=tmp_path)


def test_the_home_folder_is_found_where_the_shell_has_left_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = parsed(module("ensemble"), ["--out-dists", "mnist", "--run-dirs", "~/runs/a", "b", "--data-dir=~/data"])
    assert config.run_dirs == (tmp_path / "runs" / "a", Path("b"))
    assert config.data_dir == tmp_path / "data"
    assert isinstance(config, EnsembleConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Output, Seeded):
    seed: int = 0
    refuse: bool = False


def experiment(config: Config) -> Result:
    if config.refuse:
        warnings.warn("Few images.", stacklevel=1)
        raise InputError("No.")
    table = Table("t", ["", "seed"], [["row", Number(float(config.seed), ".1f")]])
    return Result("Title", "Question?", f"It is {config.seed}.", [Section("s", tables=[table])], {"seed": config.seed})


def test_an_experiment_runs_once_for_each_seed_with_a_page_of_its_own(tmp_path, capsys):
    result = run(experiment, Config(output_dir=tmp_path / "out", seeds=(3, 5)))
    assert result.numbers == {"seed 3": {"seed": 3}, "seed 5": {"seed": 5}}
    assert "It is 5." in (tmp_path / "out" / "seed-5" / "report.md").read_text()
    joined = (tmp_path / "out" / "report.md").read_text()
    assert "(seed-3/report.html)" in joined
    assert "--seeds 3 5" in joined
    assert f"The report is {tmp_path}/out/report.html." in capsys.readouterr().out


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_a_seed_that_jax_would_cut_short_is_refused(seed, tmp_path):
    for options, name in (({"seed": seed}, "--seed"), ({"seeds": (0, seed)}, "--seeds")):
        with pytest.raises(InputError, match=f"^{name} is {seed}, but a seed is a whole number from 0 to 4294967295"):
            run(scales.main, SimpleNamespace(output_dir=tmp_path, **options))


@pytest.mark.filterwarnings("default")
def test_bad_input_leaves_no_empty_folder_and_warnings_and_errors_are_a_sentence_each(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        from_command_line(SimpleNamespace(main=experiment), ["--refuse", "--output-dir", str(tmp_path / "out")])
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "warning: Few images.\nerror: No.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "/full/report.html"), "No space left on device: /full/report.html"),
        (PermissionError(13, "Permission denied", "n" * 5_000), f"Permission denied: {'n' * 200}"),
        (OSError(5, "Input/output error"), "Input/output error."),
        (MemoryError("Unable to allocate 7 GiB"), "There is not enough memory (Unable to allocate 7 GiB); use fewer"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "There is not enough memory (RESOURCE_EXHAUSTED"),
        (RuntimeError("Unable to initialize backend 'tpu': ..."), "Unable to initialize backend 'tpu'"),
    ],
)
def test_an_error_of_the_machine_is_a_sentence_and_a_bug_is_a_traceback(error, sentence, tmp_path, capsys):
    def failing(config: Config) -> Result:
        raise error

    arguments = ["--output-dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as exit_info:
        from_command_line(SimpleNamespace(main=failing), arguments)
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert not (tmp_path / "out").exists()
    error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        from_command_line(SimpleNamespace(main=failing), arguments)


def test_a_full_disk_takes_the_report_and_not_the_summary(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("experiments.report.page.write_text", full)
    with pytest.raises(SystemExit):
        from_command_line(SimpleNamespace(main=experiment), ["--output-dir", str(tmp_path)])
    output = capsys.readouterr()
    assert "It is 0." in output.out
    assert output.err == (
        f"error: The report cannot be written to {tmp_path} (No space left on device); make room there, and run the "
        "command again.\n"
    )


@pytest.mark.parametrize("character", ["\x07", "\n", "\x1b", "\x85", "\u202e", "\ud800"], ids=ascii)
def test_characters_that_cannot_be_shown_are_refused_in_every_option_before_the_work(character, capsys):
    for option in ("--run-dir", "--output-dir", "--data-dir", "--out-dists"):
        with pytest.raises(SystemExit) as exit_info:
            from_command_line(likelihoods, ["--run-dir", "runs/a", option, f"a{character}b"])
        assert exit_info.value.code == 2
        assert f"holds the character {character!r}, which cannot be shown" in capsys.readouterr().err


def test_a_home_folder_that_does_not_exist_is_a_sentence(capsys):
    with pytest.raises(SystemExit):
        from_command_line(likelihoods, ["--run-dir", "~nobody-of-this-name/run"])
    assert "There is no home folder for ~nobody-of-this-name/run" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_a_warning_of_the_experiment_is_on_its_page(tmp_path, capsys):
    def warning(config: Config) -> Result:
        warnings.warn("Few images.", stacklevel=1)
        return experiment(config)

    from_command_line(SimpleNamespace(main=warning), ["--output-dir", str(tmp_path)])
    assert "warning: Few images." in capsys.readouterr().err
    assert "> Warning: Few images." in (tmp_path / "report.md").read_text()


def seeds_below(folder, *seeds):
    for seed in seeds:
        (folder / f"seed-{seed}" / "checkpoints").mkdir(parents=True)
    return folder


def test_runs_of_several_seeds_are_paired_with_each_other_and_with_single_runs(tmp_path):
    many, more, one = seeds_below(tmp_path / "a", 10, 2), seeds_below(tmp_path / "b", 0, 1), tmp_path / "c"
    by_seed = repetitions(SeveralModels(run_dirs=(many, one, more)))
    assert {name: config.run_dirs for name, config in by_seed.items()} == {
        "seed 2": (many / "seed-2", one, more / "seed-0"),
        "seed 10": (many / "seed-10", one, more / "seed-1"),
    }
    assert [config.run_dirs for config in repetitions(SeveralModels(run_dirs=(one,))).values()] == [(one,)]
    with pytest.raises(InputError, match=r"\[2, 3\] seeds each"):
        repetitions(SeveralModels(run_dirs=(many, seeds_below(tmp_path / "d", 0, 1, 2))))


def test_a_run_of_several_seeds_is_read_wherever_one_run_is(trained_run, folder, tmp_path):
    for seed in (0, 1):
        (tmp_path / f"seed-{seed}").symlink_to(trained_run(seed=seed))
    output_dir = tmp_path / "out"
    config = scales.ScalesConfig(run_dir=tmp_path, num_images=40, data_dir=folder, output_dir=output_dir)
    joined = run(scales.main, config).numbers
    for seed in (0, 1):
        alone = dataclasses.replace(config, run_dir=trained_run(seed=seed), output_dir=tmp_path / f"alone-{seed}")
        assert run(scales.main, alone).numbers == joined[f"seed {seed}"]
    assert joined["seed 0"] != joined["seed 1"]


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("train", ["--in-dist", "fashion_mnits"], "did you mean 'fashion_mnist'"),
        ("train", ["--in-dist", "fashion_mnist:train"], "must name a real data set without a split"),
        ("train", ["--in-dist", "noise"], "must name a real data set without a split"),
        ("train", ["--preset", "smal-28"], "did you mean 'small-28'"),
        ("train", ["--model.width", "0"], "width must be a positive whole number, but is 0"),
        ("train", ["--training.batch-size", "-1"], "batch_size must be a positive whole number, but is -1"),
        ("train", ["--output-dir", "setup.cfg/below-a-file"], "Cannot write below"),
        ("likelihoods", ["--run-dir", "no/such/run"], "There is no trained model at"),
    ],
)
def test_bad_options_end_in_one_sentence_and_status_2(name, arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as exit_info:
        from_command_line(module(name), arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error


def test_the_readme_leads_to_every_experiment_and_its_commands_are_understood():
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    files = set(re.findall(r"\]\(([^)]+\.py)\)", text))
    assert all((ROOT / "experiments" / file).is_file() for file in files)
    commands = [shlex.split(line) for line in re.findall(r"`(?:python -m experiments )?([a-z-]+(?: --[^`]+)?)`", text)]
    assert {name for name, *_ in commands} >= set(NAMES)
    for name, *arguments in commands:
        if arguments and "..." not in arguments:
            assert parsed(module(name), arguments)


def test_an_image_that_determines_several_means_is_noted_once_on_the_page(tmp_path):
    values = np.zeros(400)
    values[17] = 1e6

    def main(config: Output) -> Result:
        for factor in (1.0, 2.0):
            stats.mean(factor * values, name="clothes")
        return Result("Title", "Question?", "Summary.", [], {})

    with pytest.warns(stats.HeavyTailWarning):
        (note,) = run(main, Output(output_dir=tmp_path)).doubts
    assert "the mean of clothes is not valid, because image 17 " in note
    assert note in (tmp_path / "report.html").read_text()
