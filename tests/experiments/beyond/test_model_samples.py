"""Samples of a model beside real images."""

import numpy as np
import pytest
from tiny import evaluation

from experiments.beyond.model_samples import ModelSamplesConfig, Samples, draw, main, summarize
from experiments.report.samples import own_samples
from experiments.report.scoring import image_sets, score
from experiments.report.trained import load, load_flow
from glowjax.checks import InputError


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_the_log_pz_of_their_temperature(trained_run, temperature):
    drawn = draw(load(trained_run()), temperature, 150, seed=3)
    assert drawn.terms.log_pz.shape == (150,)
    assert drawn.images.images.shape == (150, 8, 8, 1)
    error = temperature**2 * np.sqrt(64 / 2 / 150)  # of the mean of half a chi-squared of 64 degrees of freedom
    assert abs(drawn.terms.log_pz.mean() - drawn.expected_log_pz) < 4 * error


def test_a_sample_before_rounding_has_the_log_density_of_its_image(trained_run):
    trained = load_flow(trained_run())
    drawn = draw(trained, 0.1, 30, seed=0)
    assert drawn.outside == 0
    x = drawn.images.images.astype(np.float32) + 0.5  # within half a grey level of the sample
    np.testing.assert_allclose(drawn.terms.log_det, trained.model.terms(trained.params, x).log_det, atol=1)


def test_samples_are_the_same_with_and_without_the_terms_of_their_log_density(trained_run):
    trained = load(trained_run())
    drawn, own = draw(trained, 0.7, 120, seed=3).images, own_samples(trained, 120, seed=3, temperature=0.7)
    assert (own.name, own.source) == (drawn.name, drawn.source)
    assert np.mean(own.images != drawn.images) < 0.01  # two programs may round a value differently


def test_the_difference_from_real_images_is_that_of_the_means_and_its_terms_sum_to_it(trained_run, folder):
    options = {"out_dists": ("others",), "references": ("noise",), "num_images": 30, "data_dir": folder}
    config = ModelSamplesConfig(run_dir=trained_run(), **options)
    numbers = main(config).numbers
    samples = ["samples, temperature 1", "samples, temperature 0.7"]
    assert list(numbers)[:5] == ["ramps:test", *samples, "others:test", "noise"]
    gaps = numbers[f"{samples[1]}, before rounding"]["minus_real_images_nats"]
    log_pz, log_det, total = (gap["value"] for gap in gaps.values())
    assert total == pytest.approx(log_pz + log_det, abs=0.01)
    trained = load(trained_run())
    drawn = draw(trained, 0.7, 30, seed=0).terms
    test, _ = image_sets(trained, (), config)
    real = score(trained, test, 1, 0).flow.terms
    assert log_pz == pytest.approx(float(drawn.log_pz.mean() - real.log_pz.mean()), abs=0.01)
    assert log_det == pytest.approx(float(drawn.log_det.mean() - real.log_det.mean()), abs=0.01)


def test_a_model_that_is_not_a_flow_has_no_terms(trained_run, folder):
    options = {"out_dists": ("others",), "references": (), "temperatures": (0.5,), "num_images": 12, "num_draws": 2}
    result = main(ModelSamplesConfig(run_dir=trained_run("vae"), data_dir=folder, **options))
    assert list(result.numbers) == ["ramps:test", "samples, temperature 0.5", "others:test"]
    assert [section.title for section in result.sections] == ["Likelihoods of samples", "Images"]


def test_a_temperature_of_zero_is_refused(trained_run):
    with pytest.raises(InputError, match="give one or more, all positive"):
        main(ModelSamplesConfig(run_dir=trained_run(), temperatures=(0.0,)))


@pytest.mark.parametrize(("log_likelihood", "verdict"), [(-10.0, "more"), (-90.0, "less")])
def test_the_summary_says_whether_samples_are_more_likely(log_likelihood, verdict):
    found = evaluation(log_likelihood)
    summary = summarize(found, [Samples(0.7, found.others["theirs:test"].images)])
    assert summary.endswith(f": they are {verdict} likely than real images.")
