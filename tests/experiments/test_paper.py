"""The whole of it on tiny runs: every pair that is here, resumed, and a word on what is not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TINY, write_ramps

import experiments.filter
from experiments import (
    contrast,
    curvature,
    likelihoods,
    model_classes,
    moments,
    own_samples,
    pair_plan,
    paper,
    rankings,
    reverse,
    scales,
    spectrum,
    train,
)
from experiments.pairs import Pair, PaperConfig, find, partners
from experiments.presets import PRESETS
from experiments.report.trained import load
from experiments.stages import fingerprint
from glowjax.checks import InputError


@dataclasses.dataclass(frozen=True)
class Options:
    output_dir: Path
    watch: tuple[str, ...] | None = None


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A plan with tiny presets; most experiments are stopped by a sentence."""
    data = tmp_path / "data"
    data.mkdir()
    write_ramps(data)
    monkeypatch.setitem(PRESETS["nvp"], "small-8", dataclasses.replace(TINY, preset="small-8"))

    def refused(config):
        raise InputError("Not today.")

    tested_elsewhere = (curvature, contrast, spectrum, own_samples, rankings, scales, model_classes, experiments.filter)
    for experiment in tested_elsewhere:
        monkeypatch.setattr(experiment, "main", refused)
    pairs = ("ramps/others", "ramps/large", "nowhere/others")
    return PaperConfig(
        pairs=pairs,
        models=("nvp",),
        num_members=1,
        num_steps=3,
        num_images=20,
        classifier_steps=2,
        data_dir=data,
        output_dir=tmp_path / "out",
    )


def test_all_of_it_is_run_once_and_reported_with_what_is_not(config, monkeypatch):
    results = paper.main(config)
    done = {name for name, outcome in results["stages"].items() if outcome["seconds"] is not None}
    assert done == {
        "train nvp on ramps, seed 0",
        "train nvp on others, seed 0",
        *(f"ramps-others: {what} nvp" for what in ("likelihoods", "reverse")),
        "ramps-others: moments",
    }
    assert results["stages"]["ramps-others: curvature nvp"]["reason"] == "Not today."
    assert "(8, 8, 1) and (16, 16, 1)" in results["absent"]["ramps/large"]
    assert "'nowhere'" in results["absent"]["nowhere/others"]

    page = (config.root / "report.html").read_text()
    for part in ("Left out: ramps/large.", "Skipped: ramps-others: curvature nvp. Not today.", "<nav>"):
        assert part in page
    own = sum(
        (folder / "report.html").read_text().count("data:image/png;base64,")
        for folder in (config.root / "ramps-others").iterdir()
    )
    assert page.count("data:image/png;base64,") == own > 5
    assert (config.root / "report.md").read_text().count("![") == own

    monkeypatch.setattr(train, "main", None)  # would fail if it were called
    assert paper.main(config) == results
    (back,) = (config.root / "runs").glob("others-nvp-0-*")
    assert load(back).in_dist == "others"
    assert f"--output-dir {back}" in page


def test_other_options_and_other_images_are_trained_on_anew_beside_what_was_there(config, monkeypatch):
    for experiment in (likelihoods, reverse, moments):
        monkeypatch.setattr(experiment, "main", curvature.main)
    config = dataclasses.replace(config, pairs=("ramps/others",), num_steps=1)
    trainings = ("train nvp on ramps, seed 0", "train nvp on others, seed 0")

    def trained(config):
        stages = paper.main(config)["stages"]
        assert all(stages[name]["seconds"] is not None for name in trainings)
        return {folder.name for folder in (config.root / "runs").iterdir()}

    first = trained(config)
    second = trained(dataclasses.replace(config, num_steps=2))
    assert len(first) == 2
    assert len(second) == 4

    folder = config.data_dir / "ramps"
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        archive = config.data_dir / f"ramps_{split}.npz"
        for number, image in enumerate(np.load(archive)["image"][:50]):
            Image.fromarray(255 - image[..., 0]).save(folder / split / f"{number}.png")
        archive.unlink()
    third = trained(dataclasses.replace(config, num_steps=2))
    assert len(third - second) == 1


def test_every_stage_comes_after_those_it_needs_and_an_ensemble_has_its_seeds(config):
    config = dataclasses.replace(config, num_members=3)
    (pair,), _ = paper.pairs_here(config)
    plan = pair_plan.stages(pair, partners([pair]), config)
    names = list(plan)
    for name, stage in plan.items():
        assert all(names.index(other) < names.index(name) for other in stage.needs)
    members = plan["ramps-others: ensemble nvp"]
    assert [plan[name].config.training.seed for name in members.needs] == [0, 1, 2]
    assert members.config.run_dirs == tuple(plan[name].config.output_dir for name in members.needs)
    folders = [stage.config.output_dir for stage in plan.values()]
    assert len(set(folders)) == len(folders)


def test_shared_runs_follow_every_set_that_they_are_compared_with(config):
    pairs = [Pair("ramps", "others:test", "small-8"), Pair("third", "ramps:test", "small-8")]
    watched = partners(pairs)
    assert watched == {"ramps": ("others:test", "third:test"), "others": ("ramps:test",), "third": ("ramps:test",)}
    plans = [pair_plan.stages(pair, watched, config) for pair in pairs]
    forward, backward = (plan["train nvp on ramps, seed 0"].config for plan in plans)
    assert forward == backward
    assert forward.watch == ("others:test", "third:test")


def test_a_set_that_was_bundled_and_is_now_in_a_folder_changes_the_stages_that_read_it_and_no_others(tmp_path):
    (tmp_path / "empty").mkdir()
    write_ramps(tmp_path)
    for split in ("train", "test"):
        (tmp_path / f"others_{split}.npz").rename(tmp_path / f"mnist_{split}.npz")
    marks = []
    for folder in (tmp_path / "empty", tmp_path):
        config = PaperConfig(models=("nvp",), num_members=1, data_dir=folder)
        pair = Pair("fashion_mnist", "mnist:test", "small-28")
        plan = pair_plan.stages(pair, partners([pair]), config)
        same = {name: dataclasses.replace(one, config=Options(one.config.output_dir)) for name, one in plan.items()}
        marks.append({name: fingerprint(name, same) for name in same})
    changed = {name for name in marks[0] if marks[0][name] != marks[1][name]}
    assert changed == set(marks[0]) - {"train nvp on fashion_mnist, seed 0"}


def test_nothing_is_trained_on_a_set_without_test_images(config):
    (config.data_dir / "others_test.npz").unlink()
    (pair,), _ = paper.pairs_here(dataclasses.replace(config, pairs=("ramps/others",)))
    stages = pair_plan.stages(pair, partners([pair]), config)
    with pytest.raises(InputError, match="'others' has no split 'test'"):
        stages["train nvp on others, seed 0"].main(stages["train nvp on others, seed 0"].config)


def test_a_pair_without_a_preset_for_its_images_is_left_out(config):
    _, absent = paper.pairs_here(dataclasses.replace(config, size="paper"))
    assert "Unknown preset 'paper-8'" in absent["ramps/others"]


def test_bundled_images_make_the_first_pair(monkeypatch):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    pair = find("fashion_mnist", "mnist", PaperConfig())
    assert (pair.out_dist, pair.preset) == ("mnist:train", "small-28")


def test_a_pair_has_two_names():
    with pytest.raises(InputError, match="'fashion_mnist' is incomplete"):
        paper.pairs_here(PaperConfig(pairs=("fashion_mnist",)))
