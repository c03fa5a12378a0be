"""Statistics of latents, against SciPy, explicit sums and a flow whose latents are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from scipy import stats as scipy_stats

from glowjax import ood
from glowjax.layers import ActNorm, Chain, PixelScaling, Split, Squeeze
from glowjax.layers.compose import MultiScale
from glowjax.models import Flow
from glowjax.ood.families import Subject, View, noise_keys
from glowjax.ood.latents import in_sequence
from glowjax.ood.white_noise import anderson_darling, box_pierce, spectral_flatness

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
IMAGES = RNG.integers(0, 256, (60, 8, 8, 1), np.uint8)
NORMAL = RNG.normal(0, 1, (400, 300)).astype(np.float32)
"""Latents of 400 images: white noise."""
SMOOTH = (NORMAL + np.roll(NORMAL, 1, axis=1)) / np.sqrt(2, dtype=np.float32)
"""Normal latents with correlations."""


@jax.jit
def statistics_of(z):
    return {
        "anderson_darling": anderson_darling(z),
        "spectral_flatness": spectral_flatness(z),
        "box_pierce": box_pierce(z),
    }


def test_the_anderson_darling_distance_is_scipys():
    cases = np.concatenate([NORMAL[:3], 1e3 + 1e2 * NORMAL[3:4] ** 3, RNG.standard_cauchy((1, 300)).astype(np.float32)])
    with pytest.warns(FutureWarning, match="As of SciPy 1.17"):
        expected = [scipy_stats.anderson(case.astype(np.float64), "norm").statistic for case in cases]
    np.testing.assert_allclose(anderson_darling(jnp.asarray(cases)), expected, rtol=2e-5, atol=2e-5)


def test_spectral_flatness_is_that_of_the_discrete_fourier_transform():
    z = NORMAL[:4, :50]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(26), np.arange(50)) / 50)
    power = np.abs(z.astype(np.float64) @ waves.T) ** 2
    np.testing.assert_allclose(spectral_flatness(jnp.asarray(z)), power.std(axis=1) / power.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_box_pierce_sums_the_squared_autocorrelations(array):
    z = NORMAL[0, :60].astype(np.float64)
    centered = z - z.mean()
    squares = [(centered[lag:] @ centered[:-lag] / (centered @ centered)) ** 2 for lag in range(1, 16)]
    assert box_pierce(array(z[None].astype(np.float32)))[0] == pytest.approx(60 * np.mean(squares), rel=1e-5)


def test_noise_has_the_values_of_noise_whatever_its_mean_and_scale_and_a_smooth_sequence_has_larger_ones():
    noise, smooth, cubed = (statistics_of(z) for z in (NORMAL, SMOOTH, NORMAL**3))
    assert noise["spectral_flatness"].mean() == pytest.approx(1, abs=0.02)
    assert noise["box_pierce"].mean() == pytest.approx(0.875, abs=0.03)  # E rho_l^2 is (n - l) / n^2, l up to n / 4
    assert np.mean(noise["anderson_darling"] > 0.752) == pytest.approx(0.05, abs=0.03)  # the 5 % point
    assert smooth["spectral_flatness"].mean() > 1.1
    assert smooth["box_pierce"].mean() > 1.5
    assert cubed["anderson_darling"].min() > 5
    for name in ("anderson_darling", "box_pierce"):
        np.testing.assert_allclose(statistics_of(2 + 3 * NORMAL)[name], noise[name], rtol=1e-3)


@pytest.fixture(scope="module")
def flow():
    """Two scales that only rescale, so that latents are known."""
    model = Flow(MultiScale((Chain((PixelScaling(), Squeeze(), ActNorm())), Chain((Squeeze(), ActNorm()))), Split()))
    return model, model.init(KEY, IMAGES)


def test_families_of_a_flow_are_its_terms_and_its_latents(flow):
    stats = ood.statistics(*flow, KEY, IMAGES, ["log_prob", "scales", "latents"])
    view = View(Subject(), ood.Options(), KEY, IMAGES, noise_keys(KEY, jnp.arange(60)))
    z, terms = flow[0].encode_with_terms(flow[1], view.x)
    np.testing.assert_allclose(stats["scales.log_pz"], terms.log_pz_by_scale, rtol=1e-5)
    np.testing.assert_allclose(stats["scales.log_det"], terms.log_det_by_scale, rtol=1e-5)
    total = stats["scales.log_pz"].sum(axis=1) + stats["scales.log_det"].sum(axis=1)
    np.testing.assert_allclose(stats["log_prob"], total, rtol=1e-5)
    norms = [np.linalg.norm(np.reshape(part, (60, -1)), axis=1) for part in z]
    np.testing.assert_allclose(stats["latents.norm_by_scale"], np.stack(norms, axis=1), rtol=1e-4)
    np.testing.assert_allclose(stats["latents.norm"], np.hypot(*norms), rtol=1e-4)
    sequence = np.concatenate([np.reshape(np.transpose(part, (0, 3, 1, 2)), (60, -1)) for part in z], axis=1)
    np.testing.assert_array_equal(in_sequence(z), sequence)
    np.testing.assert_allclose(stats["latents.box_pierce"], box_pierce(sequence), rtol=1e-4)


def test_the_list_has_the_scores_of_latents_with_their_signs():
    log_pz, log_det = RNG.normal(-50, 3, (30, 3)), RNG.normal(20, 3, (30, 3))
    stats = ood.Statistics({"scales.log_pz": log_pz, "scales.log_det": log_det})
    scores = {name: one.score for name, one in ood.SCORES.items() if one.score.needs == ("scales",)}
    found = {name: score.fit(stats.as_reference())(stats) for name, score in scores.items()}
    for name, values in (("log-pz", log_pz), ("volume", log_det)):
        np.testing.assert_allclose(found.pop(name), -values.sum(axis=1))
        for ending, index in (("finest", 0), ("second", 1), ("last", 2)):
            np.testing.assert_array_equal(found.pop(f"{name}-{ending}"), -values[:, index])
    np.testing.assert_allclose(found.pop("last-scale"), -(log_pz + log_det)[:, 2])
    assert not found


def of_latents(z):
    values = {f"latents.{name}": np.asarray(one) for name, one in statistics_of(z).items()}
    return ood.Statistics(values | {"latents.norm": np.linalg.norm(z, axis=1)})


def test_sitn_is_the_largest_rank_and_each_score_tells_its_own_from_noise():
    every, reference = of_latents(NORMAL), of_latents(NORMAL).select(slice(200)).as_reference()
    scores = ood.SCORES["sitn"].score.fit(reference)(every)
    names = ("latents.anderson_darling", "latents.spectral_flatness")
    below = [[np.sum(reference[name] < v) + np.sum(reference[name] <= v) for v in every[name]] for name in names]
    np.testing.assert_allclose(scores, (np.max(below, axis=0) + 1) / 2 / 201)
    cubed = NORMAL**3
    for name, others in {
        "sitn": (SMOOTH, cubed),
        "sitn-density": (SMOOTH, cubed),
        "anderson-darling": (cubed,),
        "spectral-flatness": (SMOOTH,),
        "white-noise": (SMOOTH,),
        "latent-norm": (NORMAL * 0.7, NORMAL * 1.4),
    }.items():
        detector = ood.SCORES[name].score.fit(reference)
        for other in others:
            scores = detector(of_latents(np.concatenate([NORMAL[200:], other[200:]])))
            assert tiny.auroc(scores[:200], scores[200:]) > 0.9
