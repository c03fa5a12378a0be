"""The plan of the whole paper: its commands, and which pairs it leaves out."""

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY, write_ramps

from experiments import __main__ as runner
from experiments import paper, stages
from experiments.__main__ import HERE, modules
from experiments.paper import Pair, PaperConfig, Planner, pairs_here
from experiments.presets import PRESETS
from experiments.report.experiment import parsed, run
from experiments.stages import launch
from glowjax.checks import InputError


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A plan with tiny presets for one pair that is here, one of two shapes, and one that is nowhere."""
    data = tmp_path / "data"
    data.mkdir()
    write_ramps(data)
    for kind in PRESETS:
        monkeypatch.setitem(PRESETS[kind], "small-8", dataclasses.replace(PRESETS[kind]["small-28"], preset="small-8"))
    monkeypatch.setitem(PRESETS["nvp"], "small-8", dataclasses.replace(TINY, preset="small-8"))
    return PaperConfig(
        pairs=("ramps/others", "ramps/large", "nowhere/others"),
        num_images=20,
        data_dir=data,
        output_dir=tmp_path / "out",
    )


def stages_of(config):
    pairs, _ = pairs_here(config)
    planner = Planner(pairs, config)
    return {stage.name: stage for pair in pairs for stage in planner.plan(pair)}


def configuration(stage):
    """The configuration that a stage's own command line gives."""
    _, _, name, *arguments = stage.words
    module = ".".join(modules()[name].relative_to(HERE.parent).with_suffix("").parts)
    return parsed(importlib.import_module(module), arguments)


def test_every_command_is_understood_and_comes_after_those_that_it_needs(config):
    stages = stages_of(dataclasses.replace(config, seeds=(0, 1), ensemble_seeds=(1, 2)))
    names = list(stages)
    configs = {name: configuration(stage) for name, stage in stages.items()}
    for name, stage in stages.items():
        assert configs[name].output_dir == stage.output_dir
        assert all(names.index(other) < names.index(name) for other in stage.needs)
    folders = [stage.output_dir for stage in stages.values()]
    assert len(set(folders)) == len(folders)
    experiments = {stage.words[2] for stage in stages.values()}
    others = {"demo", "explain", "paper", "search", "training-time", "export", "datasets", "generated"}
    assert experiments == set(modules()) - others
    runs = [stages[f"train nvp on ramps, seed {seed}"].output_dir for seed in (0, 1)]
    assert configs["ramps-others: likelihoods nvp"].run_dir == runs[0].parent == runs[1].parent
    members = configs["ramps-others: ensemble nvp"].run_dirs
    assert [path.name for path in members] == ["seed-1", "seed-2"]
    assert members[0] == runs[1]


def test_pairs_that_cannot_be_run_are_left_out_with_the_reason(config):
    pairs, absent = pairs_here(config)
    assert pairs == [Pair("ramps", "others:test", "small-8")]
    assert "(8, 8, 1) and (16, 16, 1)" in absent["ramps/large"]
    assert "'nowhere'" in absent["nowhere/others"]
    (config.data_dir / "ramps_test.npz").unlink()  # nothing is trained that could not be evaluated
    assert "'ramps' has no split 'test'" in pairs_here(config)[1]["ramps/others"]
    _, absent = pairs_here(dataclasses.replace(config, size="paper", pairs=("others/ramps",)))
    assert "Unknown preset of the model nvp 'paper-8'" in absent["others/ramps"]
    with pytest.raises(InputError, match="'fashion_mnist' is incomplete"):
        pairs_here(PaperConfig(pairs=("fashion_mnist",)))


def test_bundled_images_make_the_first_pair(monkeypatch):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    pair = paper.find("fashion_mnist", "mnist", PaperConfig())
    assert (pair.out_dist, pair.preset) == ("mnist:train", "small-28")
    config = PaperConfig(pairs=("fashion_mnist/mnist",), output_dir=Path("out"))
    assert not any(" mnist" in name or "reverse" in name for name in stages_of(config))  # nothing to evaluate it on
    assert "no test images" in pairs_here(config)[1]["mnist/fashion_mnist"]


def test_shared_runs_follow_every_set_that_they_are_compared_with(config):
    config = dataclasses.replace(config, pairs=("ramps/others", "others/ramps"))
    watched = configuration(stages_of(config)["train nvp on ramps, seed 0"]).watch
    assert watched == ("others:test",)
    pairs = [Pair("ramps", "others:test", "small-8"), Pair("third", "ramps:test", "small-8")]
    assert paper.partners(pairs) == {
        "ramps": ("others:test", "third:test"),
        "others": ("ramps:test",),
        "third": ("ramps:test",),
    }


def test_other_options_and_other_images_have_runs_of_their_own(config):
    def folders(config):
        return {name: stage.output_dir for name, stage in stages_of(config).items() if name.startswith("train nvp")}

    first = folders(config)
    longer = folders(dataclasses.replace(config, training_steps=2))
    assert first.keys() == longer.keys()
    assert not set(first.values()) & set(longer.values())
    archive = dict(np.load(config.data_dir / "others_test.npz"))
    np.savez(config.data_dir / "others_test.npz", **archive | {"image": 255 - archive["image"]})
    changed = {name for name, folder in folders(config).items() if folder != first[name]}
    assert changed == {"train nvp on others, seed 0"}


def test_the_report_links_to_the_pages_of_the_stages(config, monkeypatch, tmp_path):
    config = dataclasses.replace(config, pairs=("ramps/others", "ramps/large"), models=("nvp",), ensemble_seeds=())
    done = ("train", "likelihoods", "moments")

    def only_a_few(words):
        if words[2] not in done:
            return "Not today."
        if words[2] == "moments":
            return launch(words)  # in a process of its own
        runner.main(list(words[2:]))
        return ""

    monkeypatch.setattr(stages, "launch", only_a_few)
    result = run(paper.main, config)
    finished = {name for name, outcome in result.numbers["seconds or reason"].items() if isinstance(outcome, float)}
    assert finished == {
        "train nvp on ramps, seed 0",
        "train nvp on others, seed 0",
        "ramps-others: likelihoods nvp",
        "ramps-others: moments",
    }
    page = (config.output_dir / "report.html").read_text()
    for part in ("Left out: ramps/large.", "Skipped: ramps-others: second-order nvp. Not today."):
        assert part in page
    assert 'href="ramps-others/moments/report.html"' in page
    results = json.loads((config.output_dir / "ramps-others" / "likelihoods-nvp" / "results.json").read_text())
    (row,) = result.sections[0].tables[0].rows
    assert str(row[1]) == f"{results['ramps:test']['bits_per_dim']['value']:.3f}"
