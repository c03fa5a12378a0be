"""What is asked of one model and of several, from end to end on tiny runs."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import logsumexp
from tiny import TINY, write_ramps

from experiments import ensemble, own_samples, rankings, reverse, scales, train
from experiments.drawn import draw
from experiments.ensemble import MEAN, MIXTURE, EnsembleConfig
from experiments.own_samples import OwnSamplesConfig
from experiments.presets import PRESETS
from experiments.rankings import RankingsConfig
from experiments.report.trained import load, load_flow
from experiments.reverse import ReverseConfig
from experiments.scales import ScalesConfig
from experiments.scoring import image_sets, score
from glowjax.checks import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    write_ramps(data)
    return data


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Two runs on ramps that differ in their seed, and one on the others."""
    root = tmp_path_factory.mktemp("runs")
    for name, seed in (("ramps", 0), ("ramps", 1), ("others", 0)):
        training = dataclasses.replace(TINY.training, seed=seed)
        output_dir = root / f"{name}-{seed}"
        train.main(dataclasses.replace(TINY, in_dist=name, training=training, data_dir=folder, output_dir=output_dir))
    return root


def pictures(folder):
    return (folder / "report.html").read_text().count("data:image/png;base64,")


def test_the_parts_by_scale_sum_to_the_gap(runs, folder):
    results = scales.main(ScalesConfig(runs / "ramps-0", ("others",), ("noise", "contrast-1"), 40, folder))
    assert list(results["gaps"]) == ["others:test", "noise", "contrast-1"]
    assert set(results["gaps"]["contrast-1"]["total"].values()) == {0.0}  # the same images, compared one by one
    for parts in (*results["means"].values(), *results["gaps"].values()):
        assert list(parts) == ["scale 1, prior", "scale 1, volume", "total"]
        assert parts["total"]["mean"] == pytest.approx(sum(parts[n]["mean"] for n in list(parts)[:2]), abs=1e-2)
    means = results["means"]
    expected = means["noise"]["total"]["mean"] - means["ramps:test"]["total"]["mean"]
    assert results["gaps"]["noise"]["total"]["mean"] == pytest.approx(expected, abs=1e-2)
    assert pictures(runs / "ramps-0" / "scales") == 1


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_as_drawn_have_the_log_pz_of_their_temperature(runs, temperature):
    drawn = draw(load(runs / "ramps-0"), temperature, 150, seed=3)
    log_pz = drawn.continuous.terms.log_pz
    assert log_pz.shape == (150,)
    assert drawn.images.images.shape == (150, 8, 8, 1)
    error = temperature**2 * np.sqrt(64 / 2 / 150)  # of the mean of half a chi-squared of 64 degrees of freedom
    assert abs(log_pz.mean() - drawn.expected_log_pz()) < 4 * error


def test_a_sample_as_drawn_has_the_log_density_of_its_image(runs):
    trained = load_flow(runs / "ramps-0")
    drawn = draw(trained, 0.1, 30, seed=0)
    assert drawn.continuous.outside == 0
    x = drawn.images.images.astype(np.float32) + 0.5  # within half a grey level of the sample
    terms = drawn.continuous.terms
    np.testing.assert_allclose(terms.log_det, trained.model.terms(trained.params, x).log_det, atol=1)


def test_own_samples_tells_where_the_difference_lies(runs, folder):
    results = own_samples.main(
        OwnSamplesConfig(runs / "ramps-0", ("others",), ("noise",), num_images=30, data_dir=folder)
    )
    assert list(results)[:5] == [
        "ramps:test",
        "samples, temperature 1",
        "samples, temperature 0.7",
        "others:test",
        "noise",
    ]
    gaps = results["samples, temperature 0.7, as drawn"]["less_real_images_nats"]
    assert gaps["log p(x)"]["mean"] == pytest.approx(
        gaps["log p(z)"]["mean"] + gaps["log |det dz/dx|"]["mean"], abs=0.01
    )
    trained = load(runs / "ramps-0")
    drawn = draw(trained, 0.7, 30, seed=0).continuous.terms
    real = score(trained, *image_sets(trained, (), folder, 30, 0), 1, 0).flow.terms
    for term, field in (("log p(z)", "log_pz"), ("log |det dz/dx|", "log_det")):
        expected = getattr(drawn, field).mean() - getattr(real, field).mean()
        assert gaps[term]["mean"] == pytest.approx(float(expected), abs=0.01)
    assert pictures(runs / "ramps-0" / "own-samples") == 2
    with pytest.raises(InputError, match="give at least one, and positive ones"):
        own_samples.main(OwnSamplesConfig(runs / "ramps-0", temperatures=(0.0,), data_dir=folder))


def test_rankings_are_in_order_and_name_places(runs, folder):
    results = rankings.main(RankingsConfig(runs / "ramps-0", ("others",), 50, num_shown=5, data_dir=folder))
    assert list(results) == ["ramps:test", "ramps:train", "others:test"]
    assert results["ramps:train"]["likelier"]["value"] == 0.5
    trained = load(runs / "ramps-0")
    _, others = image_sets(trained, ("others",), folder, 50, 0)
    fewer = score(trained, others, 1, 0).bits_per_dim < results["ramps:train"]["quantiles"]["0.5"]
    assert results["others:test"]["likelier"]["value"] == pytest.approx(np.mean(fewer))
    assert np.mean(fewer) != 0.5
    output = runs / "ramps-0" / "rankings"
    shown = json.loads((output / "ranked-others-test.json").read_text())
    least, most = shown["least likely of others test"], shown["most likely of others test"]
    assert least["bits_per_dim"] == sorted(least["bits_per_dim"], reverse=True)
    assert least["bits_per_dim"][-1] > most["bits_per_dim"][-1]
    assert least["bits_per_dim"][0] == pytest.approx(results["others:test"]["quantiles"]["1.0"])
    assert most["places"] == results["others:test"]["most_likely"]
    assert len(set(least["places"])) == 5
    assert pictures(output) == 3


def test_reverse_has_both_directions_of_a_pair(runs, folder, tmp_path):
    references = ("noise", "contrast-1")
    config = ReverseConfig((runs / "ramps-0", runs / "others-0"), references, 40, data_dir=folder, output_dir=tmp_path)
    (pair,) = reverse.main(config).values()
    assert list(pair) == ["NVP-Glow trained on ramps", "NVP-Glow trained on others"]
    there, back = pair.values()
    assert list(there) == ["ramps:test", "others:test", *references]
    assert list(back) == ["others:test", "ramps:test", *references]
    for sets in (there, back):
        own, other, _, same = sets.values()
        assert same["gap_nats"] == {"mean": 0, "sem": 0}  # compared image by image
        assert "gap_nats" not in own
        gap = 64 * np.log(2) * (own["bits_per_dim"]["mean"] - other["bits_per_dim"]["mean"])
        assert other["gap_nats"]["mean"] == pytest.approx(gap, rel=1e-3)
        assert other["gap_nats"]["sem"] > 0
    assert pictures(tmp_path) == 1


def test_reverse_wants_two_training_sets(runs, tmp_path):
    with pytest.raises(InputError, match=r"trained on ramps.*expected two or more models of one kind"):
        reverse.main(ReverseConfig((runs / "ramps-0",), output_dir=tmp_path))
    alike = (runs / "ramps-0", runs / "ramps-1", runs / "others-0")
    with pytest.raises(InputError, match="expected one of each: compare those that are alike"):
        reverse.main(ReverseConfig(alike, output_dir=tmp_path))


def test_an_ensemble_is_the_mean_of_likelihoods_beside_each_member(runs, folder, tmp_path):
    run_dirs = (runs / "ramps-0", runs / "ramps-1")
    config = EnsembleConfig(("others",), run_dirs, references=("noise",), num_images=40, data_dir=folder)
    results = ensemble.main(dataclasses.replace(config, output_dir=tmp_path))
    assert list(results) == ["seed 0", "seed 1", MIXTURE, MEAN, "spread_nats"]
    saved = json.loads((tmp_path / "members.json").read_text())
    members = np.array([saved[f"seed {seed}"]["others test"] for seed in (0, 1)])
    mixture = np.array(json.loads((tmp_path / "ensemble.json").read_text())["others test"])
    np.testing.assert_allclose(mixture, logsumexp(members, axis=0) - np.log(2), rtol=1e-5)
    bits = {name: results[name]["others:test"]["bits_per_dim"]["mean"] for name in list(results)[:4]}
    assert bits[MIXTURE] <= bits[MEAN] == pytest.approx((bits["seed 0"] + bits["seed 1"]) / 2)
    means, spread = members.mean(axis=1), results["spread_nats"]
    assert spread["of means"]["others:test"] == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2), rel=1e-4)
    about = np.subtract(*(members - means[:, None])) / np.sqrt(2)
    assert spread["about images"]["others:test"] == pytest.approx(np.sqrt((about**2).mean()), rel=1e-4)
    assert pictures(tmp_path) == 2


def test_an_ensemble_wants_seeds_that_differ_and_nothing_else(runs, folder, tmp_path):
    training = dataclasses.replace(TINY.training, seed=2, num_steps=3)
    longer = dataclasses.replace(TINY, training=training, data_dir=folder, output_dir=tmp_path / "shorter")
    train.main(longer)
    groups = [(runs / "ramps-0", other) for other in (runs / "ramps-0", runs / "others-0", longer.output_dir)]
    for run_dirs in (*groups, (runs / "ramps-0",)):
        with pytest.raises(InputError, match="expected two or more of one architecture, trained alike"):
            ensemble.main(EnsembleConfig(("others",), run_dirs, output_dir=tmp_path))
    with pytest.raises(InputError, match=r"either --run-dirs .* or a --preset"):
        ensemble.main(EnsembleConfig(("others",), output_dir=tmp_path))
    with pytest.raises(InputError, match="--num-members is 1; an ensemble has two"):
        ensemble.main(EnsembleConfig(("others",), preset="demo", num_members=1, output_dir=tmp_path))


def test_an_ensemble_trains_members_that_differ_in_their_seed_and_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS["nvp"], "tiny", dataclasses.replace(TINY, preset="tiny"))
    trained = []
    monkeypatch.setattr(train, "main", trained.append)
    config = EnsembleConfig(("others",), preset="tiny", num_members=3, num_steps=2, output_dir=tmp_path, seed=5)
    run_dirs = ensemble.train_members(config)
    assert [one.training.seed for one in trained] == [5, 6, 7]
    assert run_dirs == tuple(one.output_dir for one in trained) == tuple(tmp_path / f"member-{n}" for n in range(3))
    alike = {
        dataclasses.replace(one, output_dir=tmp_path, training=dataclasses.replace(one.training, seed=0))
        for one in trained
    }
    (member,) = alike
    assert (member.watch, member.training.num_steps, member.training.evaluate_every) == (("others",), 2, 2)
