"""The ensemble: its members, its averages, and what trains it."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import logsumexp
from tiny import TINY, evaluation

from experiments import train
from experiments.figures import ensemble
from experiments.figures.ensemble import MEAN, MIXTURE, EnsembleConfig
from experiments.presets import PRESETS
from experiments.report.experiment import run
from glowjax.checks import InputError


def test_an_ensemble_is_the_mean_of_likelihoods_beside_each_member(trained_run, folder, tmp_path):
    for seed in (0, 1):
        (tmp_path / f"seed-{seed}").symlink_to(trained_run(seed=seed))
    config = EnsembleConfig(
        out_dists=("others",),
        run_dirs=(tmp_path,),  # a folder of seeds names every member
        references=("noise",),
        num_images=40,
        data_dir=folder,
        output_dir=tmp_path / "out",
    )
    results = run(ensemble.main, config).numbers
    assert list(results) == ["seed 0", "seed 1", MIXTURE, MEAN, "spread_nats"]
    saved = json.loads((tmp_path / "out" / "members.json").read_text())
    members = np.array([saved[f"seed {seed}"]["others test"] for seed in (0, 1)])
    mixture = np.array(json.loads((tmp_path / "out" / "ensemble.json").read_text())["others test"])
    np.testing.assert_allclose(mixture, logsumexp(members, axis=0) - np.log(2), rtol=1e-5)
    bits = {name: results[name]["others:test"]["bits_per_dim"]["value"] for name in list(results)[:4]}
    assert bits[MIXTURE] <= bits[MEAN] == pytest.approx((bits["seed 0"] + bits["seed 1"]) / 2)
    worse = results["seed 1"]["ramps:test"][f"minus {MIXTURE}"]["bits_per_dim"]
    own = [results[name]["ramps:test"]["bits_per_dim"]["value"] for name in ("seed 1", MIXTURE)]
    assert worse["value"] == pytest.approx(own[0] - own[1])
    means, spread = members.mean(axis=1), results["spread_nats"]
    assert spread["of means"]["others:test"] == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2), rel=1e-4)
    about = np.subtract(*(members - means[:, None])) / np.sqrt(2)
    assert spread["about images"]["others:test"] == pytest.approx(np.sqrt((about**2).mean()), rel=1e-4)
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/png;base64,") == 2


def test_an_ensemble_needs_seeds_that_differ_and_nothing_else(trained_run, folder, tmp_path):
    training = dataclasses.replace(TINY.training, seed=2, num_steps=3)
    shorter = train.train(dataclasses.replace(TINY, training=training, data_dir=folder, output_dir=tmp_path / "short"))
    groups = [(trained_run(), other) for other in (trained_run(), trained_run(in_dist="others"), shorter)]
    for run_dirs in (*groups, (trained_run(),)):
        with pytest.raises(InputError, match="expected two or more of one architecture, trained alike"):
            ensemble.main(EnsembleConfig(out_dists=("others",), run_dirs=run_dirs))
    with pytest.raises(InputError, match=r"either --run-dirs .* or a --preset"):
        ensemble.main(EnsembleConfig(out_dists=("others",)))
    with pytest.raises(InputError, match="an ensemble has two seeds or more"):
        ensemble.main(EnsembleConfig(out_dists=("others",), preset="demo", seeds=(1, 1)))


def test_an_ensemble_trains_members_that_differ_in_their_seed_and_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS["nvp"], "tiny", dataclasses.replace(TINY, preset="tiny"))
    config = EnsembleConfig(
        out_dists=("others",), preset="tiny", seeds=(5, 6, 7), training_steps=2, output_dir=tmp_path
    )
    members = ensemble.member_configs(config)
    assert [one.training.seed for one in members] == [5, 6, 7]
    assert [one.output_dir for one in members] == [tmp_path / f"seed-{seed}" for seed in (5, 6, 7)]
    (member,) = {
        dataclasses.replace(one, output_dir=tmp_path, training=dataclasses.replace(one.training, seed=0))
        for one in members
    }
    assert (member.watch, member.training.num_steps, member.training.evaluate_every) == (("others",), 2, 2)


@pytest.mark.parametrize(("log_likelihood", "more_likely"), [(-10.0, True), (-90.0, False)])
def test_the_summary_says_whether_the_paradox_stays(log_likelihood, more_likely):
    found = evaluation(log_likelihood)
    words = ensemble.summarize({"seed 0": found}, found)
    assert ("theirs test images are still more likely than mine test images" in words) == more_likely
    assert ("are not more likely" in words) != more_likely
