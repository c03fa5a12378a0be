"""The search for an architecture and a schedule, on a tiny set."""

import dataclasses
import json

import pytest
from tiny import TINY, write_ramps

from experiments.presets import PRESETS
from experiments.report.experiment import run
from experiments.tools import search
from experiments.tools.search import CANDIDATES, SearchConfig
from glowjax.checks import InputError


@pytest.fixture
def config(tmp_path, monkeypatch):
    write_ramps(tmp_path)
    monkeypatch.setitem(PRESETS["nvp"], "tiny", TINY)
    wide = {"model": {"width": 8}, "training": {"batch_size": 8}}
    monkeypatch.setitem(search.CANDIDATES, "wide", wide)
    return SearchConfig(
        preset="tiny",
        candidates=("the preset", "wide"),
        num_rounds=1,
        minutes=0.1,
        data_dir=tmp_path,
        output_dir=tmp_path / "search",
    )


def test_each_candidate_gets_the_steps_that_fit_and_a_resumed_search_the_same(config, monkeypatch):
    monkeypatch.setattr(search, "seconds_per_step", lambda configs, *_: dict(zip(configs, (1.5, 0.5), strict=True)))
    results = run(search.main, config).numbers
    assert [row["steps"] for row in results.values()] == [4, 12]
    assert set(results["the preset"]["difference"].values()) == {0}
    wide, preset = (results[name]["bits_per_dim"]["value"] for name in ("wide", "the preset"))
    assert results["wide"]["difference"]["value"] == pytest.approx(wide - preset, abs=1e-5)
    assert "--model.width 8" in results["wide"]["command"]
    assert "--training.batch-size 8" in results["wide"]["command"]
    page = (config.output_dir / "report.md").read_text()
    assert "| wide | 0.500 | 12 |" in page
    monkeypatch.setattr(search, "seconds_per_step", lambda *_: pytest.fail("timed twice"))
    assert run(search.main, config).numbers == results == json.loads((config.output_dir / "results.json").read_text())


def test_a_step_of_each_candidate_is_timed(config):
    images = search.resolve("ramps:train", data_dir=config.data_dir).images
    seconds = search.seconds_per_step(search.candidates(config), images, 1)
    assert list(seconds) == ["the preset", "wide"]
    assert all(0 < value < 60 for value in seconds.values())


def test_a_step_is_timed_again_where_options_changed_and_only_there(config, tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(
        search,
        "seconds_per_step",
        lambda configs, *_: timed.append(list(configs)) or dict.fromkeys(configs, len(timed)),
    )
    images = search.resolve("ramps:train", data_dir=config.data_dir).images
    configs = search.candidates(config)
    path = tmp_path / "seconds.json"
    assert search.timed_once(path, {"the preset": configs["the preset"]}, images, 1) == {"the preset": 1}
    assert search.timed_once(path, configs, images, 1) == {"the preset": 1, "wide": 2}
    wider = dataclasses.replace(configs["wide"], model=dataclasses.replace(configs["wide"].model, width=12))
    assert search.timed_once(path, {**configs, "wide": wider}, images, 1) == {"the preset": 1, "wide": 3}
    assert timed == [["the preset"], ["wide"], ["wide"]]


def test_a_candidate_that_cannot_be_trained_is_reported_and_the_others_go_on(config, monkeypatch, tmp_path):
    monkeypatch.setitem(search.CANDIDATES, "hot", {"training": {"learning_rate": 1e9, "warmup_steps": 1}})
    monkeypatch.setattr(search, "seconds_per_step", lambda configs, *_: dict.fromkeys(configs, 0.1))
    results = run(search.main, dataclasses.replace(config, candidates=("the preset", "hot"))).numbers
    assert list(results) == ["the preset"]
    assert "'hot' is not in the table: " in (config.output_dir / "report.md").read_text()
    with pytest.raises(InputError, match=r"No candidate could be trained\. 'hot' is not in the table"):
        run(search.main, dataclasses.replace(config, candidates=("hot",), output_dir=tmp_path / "hot"))


def test_candidates_that_are_one_model_are_tried_once(config, capsys, monkeypatch):
    names = ("the preset", "scales in (0.27, 0.993)", "width 32", "wide")
    tiny = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, kind="cv", width=32))
    monkeypatch.setitem(PRESETS["cv"], "tiny", tiny)
    chosen = search.candidates(dataclasses.replace(config, model="cv", candidates=names))
    assert list(chosen) == ["the preset", "wide"]
    said = capsys.readouterr().out
    assert "scales in (0.27, 0.993) is left out: log_scale_bound is 3.0, but" in said
    assert "width 32 is left out: an earlier candidate has these options under tiny" in said


@pytest.mark.parametrize(("change", "message"), [({"preset": "tiney"}, "tiny"), ({"candidates": ("wise",)}, "wide")])
def test_an_unknown_preset_or_candidate_is_named_with_the_nearest(config, change, message):
    with pytest.raises(InputError, match=message):
        search.main(dataclasses.replace(config, **change))


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_but_the_first_changes_one_of_the_small_presets(name):
    presets = [PRESETS["nvp"]["small-28"], PRESETS["nvp"]["small-32"]]
    assert all(search.changed(preset, CANDIDATES[name]) == preset for preset in presets) == (name == "the preset")


def test_candidates_are_compared_over_seeds_after_the_same_number_of_steps(config, monkeypatch):
    monkeypatch.setattr(search, "seconds_per_step", lambda configs, *_: dict.fromkeys(configs, 3.0))
    result = run(search.main, dataclasses.replace(config, seeds=(0, 1)))
    assert [row["steps"] for numbers in result.numbers.values() for row in numbers.values()] == [2] * 4
    seeds = [numbers["wide"]["bits_per_dim"]["value"] for numbers in result.numbers.values()]
    assert seeds[0] != seeds[1]
    rows = {str(row[0]): row for row in result.sections[1].tables[0].rows}
    assert str(rows["wide"][3]).startswith(f"{sum(seeds) / 2:.3f}")
