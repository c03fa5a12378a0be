"""Stages run once, again when what they depend on changes, and are skipped with a reason."""

import dataclasses
from pathlib import Path

import pytest

from experiments.stages import Stage, run_plan
from glowjax.checks import InputError


@dataclasses.dataclass(frozen=True)
class Config:
    output_dir: Path
    number: int = 0
    remark: str | None = None


@pytest.fixture
def calls():
    return []


def plan(calls, root, first=0, refused=False):
    def run(config):
        calls.append(config.output_dir.name)
        config.output_dir.mkdir(exist_ok=True)
        if config.number < 0:
            raise InputError("No images of cats here; bring some.")
        return {}

    return {
        "train": Stage(run, Config(root / "train", first), "python -m train"),
        "look": Stage(run, Config(root / "look", -1 if refused else 0), "python -m look", ("train",)),
        "compare": Stage(run, Config(root / "compare"), "python -m compare", ("look",)),
        "alone": Stage(run, Config(root / "alone"), "python -m alone"),
    }


def test_a_finished_stage_is_not_run_again_and_keeps_its_time(calls, tmp_path):
    first = run_plan(plan(calls, tmp_path))
    assert calls == ["train", "look", "compare", "alone"]
    assert run_plan(plan(calls, tmp_path)) == first
    assert len(calls) == 4
    assert all(outcome.finished for outcome in first.values())


def test_a_change_reruns_a_stage_and_what_reads_it_and_nothing_else(calls, tmp_path):
    run_plan(plan(calls, tmp_path))
    calls.clear()
    run_plan(plan(calls, tmp_path, first=1))
    assert calls == ["train", "look", "compare"]


def test_what_a_stage_ignores_does_not_run_it_again(calls, tmp_path):
    stages = plan(calls, tmp_path)
    remarked = {
        name: dataclasses.replace(one, config=dataclasses.replace(one.config, remark=name), ignored=("remark",))
        for name, one in stages.items()
    }
    run_plan(stages)
    run_plan(remarked)
    assert len(calls) == 4


def test_images_from_elsewhere_run_a_stage_again_and_what_reads_it(calls, tmp_path):
    stages = plan(calls, tmp_path)
    run_plan(stages)
    calls.clear()
    run_plan({**stages, "train": dataclasses.replace(stages["train"], places="in .npz files")})
    assert calls == ["train", "look", "compare"]


def test_the_time_of_a_stage_is_its_own_where_it_knows_it(calls, tmp_path):
    stages = {"train": Stage(lambda config: {"seconds": 7200.0}, Config(tmp_path), "python -m train")}
    assert run_plan(stages)["train"].seconds == run_plan(stages)["train"].seconds == 7200


def test_an_interrupted_plan_goes_on_with_the_stage_that_was_cut_short(calls, tmp_path):
    stages = plan(calls, tmp_path)

    def interrupted(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan({**stages, "look": dataclasses.replace(stages["look"], main=interrupted)})
    assert calls == ["train"]
    run_plan(stages)
    assert calls == ["train", "look", "compare", "alone"]


def test_a_refused_stage_is_skipped_with_its_sentence_and_so_is_what_needs_it(calls, tmp_path):
    outcomes = run_plan(plan(calls, tmp_path, refused=True))
    assert outcomes["look"].reason == "No images of cats here; bring some."
    assert outcomes["compare"].reason == "it needs look, which was skipped."
    assert outcomes["alone"].finished
    assert not outcomes["look"].finished
    assert calls == ["train", "look", "alone"]
    assert run_plan(plan(calls, tmp_path))["compare"].finished  # once the images are there


def test_an_error_costs_its_stage_and_what_needs_it_and_no_other(calls, tmp_path, capsys):
    def fails(config):
        raise MemoryError("cannot allocate 7 GiB\nsecond line")

    stages = plan(calls, tmp_path)
    outcomes = run_plan({**stages, "look": dataclasses.replace(stages["look"], main=fails)})
    assert outcomes["look"].reason == "it failed: MemoryError: cannot allocate 7 GiB"
    assert not outcomes["compare"].finished
    assert outcomes["alone"].finished
    assert "Traceback" in capsys.readouterr().err
