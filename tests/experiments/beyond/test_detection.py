"""All scores on one page: their numbers, what they lack, and how a killed command goes on."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from experiments.beyond.detection import DetectionConfig, chosen, main
from experiments.ood.budget import num_images_by_family
from experiments.ood.figures import GRID, true_positive_rates
from experiments.ood.kept import Source
from experiments.report.experiment import run
from experiments.report.scoring import image_sets
from experiments.report.trained import load
from glowjax import InputError, ood

NAMES = ("likelihoods", "null models", "likelihood-ratio", "waic")


@dataclasses.dataclass(frozen=True)
class Uneven(ood.Score):
    """The variance of the levels, or no number for constant images."""

    needs: ClassVar[tuple[str, ...]] = ("levels",)

    def evaluate(self, state, stats):
        return np.where(stats["levels.variance"] > 0, stats["levels.variance"], np.nan)


@pytest.fixture
def config(trained_run, folder, tmp_path):
    return DetectionConfig(
        run_dirs=(trained_run(),),
        out_dists=("others",),
        references=("constant", "samples"),
        scores=NAMES,
        num_images=50,
        data_dir=folder,
        output_dir=tmp_path,
    )


def scores_of(result):
    (found,) = result.numbers.values()
    return found["scores"]


def sets_of(config):
    """The test set and the other one."""
    test, (others,) = image_sets(load(config.run_dirs[0]), ("others",), config)
    return test, others


def log_prob(run_dir, images, config):
    return Source(load(run_dir), ood.Options(), 0, config.folder).computed(images, ["log_prob"])["log_prob"]


def without_times(numbers):
    if not isinstance(numbers, dict):
        return numbers
    return {name: without_times(value) for name, value in numbers.items() if name != "seconds_per_image"}


def test_the_numbers_are_those_of_the_scores(config):
    result = main(config)
    own, other = (-log_prob(config.run_dirs[0], one, config) for one in sets_of(config))
    others = sets_of(config)[1]
    expected = ood.detection_metrics(own, other, groups_out=others.groups)
    found = scores_of(result)
    assert list(found["likelihood"]["sets"]) == ["others:test", "constant", "samples, temperature 1"]
    likelihood, pairs, random = (
        found[name]["sets"]["others:test"] for name in ("likelihood", "typicality-2", "null-random")
    )
    assert {name: likelihood[name] for name in expected.as_dict()} == expected.as_dict()
    assert likelihood["minus likelihood"] is None
    assert pairs["num_scores"] == [25, 20]
    assert pairs["minus likelihood"] is None
    assert random["auroc"]["low"] < 0.5 < random["auroc"]["high"]
    difference = random["minus likelihood"]["auroc"]["value"]
    assert difference == pytest.approx(random["auroc"]["value"] - likelihood["auroc"]["value"])
    assert random["auroc minus best null model"] is None
    best = max(
        one["sets"]["others:test"]["auroc"]["value"] for one in found.values() if one.get("group") == "null models"
    )
    margin = likelihood["auroc minus best null model"]["value"]
    assert margin == pytest.approx(likelihood["auroc"]["value"] - best)
    assert found["null-png"]["has_seen"] == "images, reference"
    assert found["waic"]["missing"] == "It needs an ensemble: two or more --members."


def test_scores_of_other_models_take_their_runs(config, trained_run):
    runs = (trained_run(seed=0), trained_run(seed=1))
    config = dataclasses.replace(config, scores=("likelihood-ratio", "waic"), background_run=runs[1], members=runs)
    found = scores_of(main(config))
    ratios = [log_prob(runs[1], one, config) - log_prob(runs[0], one, config) for one in sets_of(config)]
    ratio = ood.detection_metrics(*ratios)
    assert found["likelihood-ratio"]["sets"]["others:test"]["auroc"]["value"] == ratio.auroc.value
    assert found["waic"]["has_seen"] == "model, ensemble"
    with pytest.raises(InputError, match="different seeds"):
        main(dataclasses.replace(config, members=(runs[0], runs[0])))


def test_a_killed_command_goes_on_from_its_files_and_a_damaged_one_is_computed_again(config, monkeypatch, capsys):
    config = dataclasses.replace(config, scores=("likelihood", "null-png"), references=())
    first = main(config)
    computed = []
    compute = ood.statistics
    monkeypatch.setattr(ood, "statistics", lambda *a, **k: computed.append((a[3].name, a[4])) or compute(*a, **k))
    assert without_times(main(config).numbers) == without_times(first.numbers)
    assert computed == []
    (path,) = (config.folder / "statistics").glob("others-test-png-*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert without_times(main(config).numbers) == without_times(first.numbers)
    assert computed == [("others:test", ["png"])]
    assert "computed again" in capsys.readouterr().err
    trained = load(config.run_dirs[0])
    one, noisier, other = (Source(trained, ood.Options(n), seed, config.folder) for n, seed in ((1, 0), (2, 0), (1, 1)))
    assert len({one.identity, noisier.identity, other.identity}) == 3


def test_a_score_that_fails_on_a_set_leaves_the_others_as_they_are(config, monkeypatch):
    monkeypatch.setitem(ood.SCORES, "own", dataclasses.replace(ood.SCORES["likelihood"], name="own", score=Uneven()))
    found = scores_of(main(dataclasses.replace(config, scores=("own", "likelihood"))))
    assert list(found["own"]["sets"]) == ["others:test", "samples, temperature 1"]
    assert "not finite for 50 of 50 images" in found["own"]["failures"]["constant"]
    assert len(found["likelihood"]["sets"]) == 3


def test_no_score_with_a_number_and_no_time_are_refused_in_a_sentence(config):
    for change, sentence in (
        ({"scores": ("VAE",)}, r"No score has a number. .*elbo: It needs a VAE"),
        ({"num_images": 1, "scores": ("null-png",)}, "No score has a number. null-png: groups_in: all 1 images"),
        ({"minutes": -1.0}, "minutes is -1.0; expected 0 or more"),
    ):
        with pytest.raises(InputError, match=sentence):
            main(dataclasses.replace(config, references=(), **change))


def test_seeds_and_several_models_share_a_page(config, trained_run, tmp_path):
    for seed in (0, 1):
        (tmp_path / "runs" / f"seed-{seed}").parent.mkdir(exist_ok=True)
        (tmp_path / "runs" / f"seed-{seed}").symlink_to(trained_run(seed=seed))
    few = dataclasses.replace(config, scores=("likelihood", "null-png"), references=())
    result = run(main, dataclasses.replace(few, run_dirs=(tmp_path / "runs",), output_dir=tmp_path / "seeds"))
    assert list(result.numbers) == ["seed 0", "seed 1"]
    page = (tmp_path / "seeds" / "report.html").read_text()
    assert "<strong>" in page or ";" in page
    both = main(dataclasses.replace(few, run_dirs=(trained_run(), trained_run("cv"))))
    assert list(both.numbers) == ["NVP-Glow", "CV-Glow"]
    assert both.sections[0].title.startswith("NVP-Glow: ")


def test_names_of_scores_and_groups_are_understood():
    assert set(chosen(())) == set(ood.SCORES)
    assert chosen(("null models", "likelihood", "null-png"))[0] == "null-random"
    with pytest.raises(InputError, match="did you mean 'null models'"):
        chosen(("null modells",))


def test_slow_families_share_the_time_that_quick_ones_leave():
    seconds = {"slow": 0.1, "quick": 0.001, "slower": 2.0}
    assert num_images_by_family(seconds, 1000, 5, None) == dict.fromkeys(seconds, 1000)
    # 600 seconds: 5 go to the quick one, half of the rest is enough for 595 images of the slow one
    assert num_images_by_family(seconds, 1000, 5, 10) == {"slow": 500, "quick": 1000, "slower": 30}
    assert num_images_by_family(seconds, 1000, 5, 1)["slower"] == 0


def test_a_roc_curve_has_the_area_of_its_auroc():
    rng = np.random.default_rng(0)
    for own, other in (
        (rng.normal(size=300), rng.normal(1, 1, 200)),
        (rng.integers(0, 4, 300), rng.integers(1, 5, 200)),
    ):
        auroc = ood.detection_metrics(own, other).auroc.value
        rates = true_positive_rates(np.asarray(own, float), np.asarray(other, float))
        assert np.trapezoid(rates, GRID) == pytest.approx(auroc, abs=0.01)
    assert true_positive_rates(np.zeros(9), np.ones(5)).min() == 1
