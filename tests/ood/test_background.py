"""The likelihood ratio to a background model, against a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import InputError, ood

KEY = jax.random.key(0)
STD, WIDE = 20.0, 60.0


def normal(std):
    def log_prob(x):
        return -((x - 100) ** 2).sum() / 2 / std**2 - x.size * jnp.log(std) - x.size / 2 * jnp.log(2 * jnp.pi)

    return log_prob


def both(points):
    model, background = (ood.density_statistics(normal(std), KEY, points) for std in (STD, WIDE))
    return model.joined(background.named("background"))


def test_the_ratio_of_two_normals_is_its_closed_form_and_higher_far_from_the_mean():
    near, far = (100 + std * np.random.default_rng(0).normal(size=(50, 4, 4, 1)) for std in (STD, WIDE))
    detector = ood.LikelihoodRatio().fit(both(near).as_reference())
    for points in (near, far):
        squares = ((points - 100) ** 2).sum(axis=(1, 2, 3))
        expected = squares / 2 * (1 / STD**2 - 1 / WIDE**2) - 16 * np.log(WIDE / STD)
        np.testing.assert_allclose(detector(both(points)), expected, rtol=1e-4, atol=1e-4)
    assert ood.detection_metrics(detector(both(near)), detector(both(far))).auroc.value > 0.95


def test_the_families_of_each_model_and_a_sentence_if_the_background_lacks():
    assert ood.SCORES["likelihood-ratio"].others == ("background",)
    assert ood.SCORES["likelihood"].others == ()
    assert ood.needed(["likelihood-ratio", "waic"]) == ood.needed(["likelihood-ratio"], "background") == ("log_prob",)
    assert ood.needed(["likelihood-ratio", "waic"], "members") == ("log_prob",)
    alone = ood.Statistics({"log_prob": np.zeros(2)}).as_reference()
    with pytest.raises(InputError, match=r"needs the statistics 'background.log_prob', .* add them by stats.joined"):
        ood.LikelihoodRatio().fit(alone)
