"""Stirring and shaking: the maps, a density that does not change under them, signs, and very unlikely images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from glowjax import InputError, ood
from glowjax.ood.symmetries import OUT, dihedral_maps, shuffled_quarters

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), np.uint8)
BOTH = ("stirring", "shaking")


def symmetric(x):
    """A density that moves of pixels do not change."""
    return -jnp.sum((x - 100) ** 2) / 2 / 50**2


def bright_above(x):
    """A density of images whose upper half is brighter."""
    return -jnp.sum(((x[:2] - 200) / 20) ** 2) - jnp.sum(((x[2:] - 50) / 20) ** 2)


def test_the_maps_are_the_dihedral_group_and_the_derangements_of_the_quarters():
    image = np.arange(16).reshape(4, 4)
    group = {one.tobytes() for one in dihedral_maps(4, 4)}
    assert group == {np.rot90(way, turns).tobytes() for way in (image, image.T) for turns in range(4)}
    assert len(group) == 8
    assert len({one.tobytes() for one in dihedral_maps(4, 6)}) == 4
    moved = shuffled_quarters(4, 4)
    assert len({one.tobytes() for one in moved}) == 10
    corners = np.array([[one[row, column] for row in (0, 2) for column in (0, 2)] for one in moved])
    assert (corners[0] == [0, 2, 8, 10]).all()
    assert (corners[1:] != corners[0]).all()
    with pytest.raises(InputError, match="3 x 4; height and width must be even"):
        shuffled_quarters(3, 4)


def test_both_are_zero_for_a_density_that_does_not_change():
    stats = ood.density_statistics(symmetric, KEY, IMAGES, BOTH)
    for score in (ood.Stirring(), ood.Shaking()):
        log_probs = stats[score.needs[0]]
        np.testing.assert_allclose(log_probs, np.broadcast_to(log_probs[:, :1], log_probs.shape), rtol=1e-5)
        np.testing.assert_allclose(score.fit(stats.as_reference())(stats), 0, atol=1e-3)


def test_images_that_are_likelier_when_they_are_moved_are_more_ood():
    upright = np.full((20, 4, 4, 1), 200, np.uint8) + np.random.default_rng(1).integers(0, 9, (20, 4, 4, 1), np.uint8)
    upright[:, 2:] -= 150
    mixed = np.concatenate([upright, upright[:, ::-1]])
    in_dist, every = (ood.density_statistics(bright_above, KEY, one, BOTH) for one in (upright, mixed))
    for score in (ood.Stirring(), ood.Shaking()):
        family = score.needs[0]
        detector = score.fit(in_dist.as_reference())
        assert detector(every)[20:].min() > OUT > detector(in_dist)[:20].max()
        moved = score.evaluate(type(detector.state)(-np.inf), every)
        assert moved[20:].min() > moved[:20].max()
        np.testing.assert_allclose(moved, (every[family] - every[family][:, :1]).sum(1), rtol=1e-4)


def test_a_model_of_8_bit_images_is_asked_about_moved_images():
    model = tiny.flow()
    params, options = model.init(KEY, IMAGES), ood.Options(num_draws=2)
    stirring = ood.statistics(model, params, KEY, IMAGES, ["stirring"], options=options)["stirring"]
    log_prob = ood.statistics(model, params, KEY, IMAGES, options=options)["log_prob"]
    np.testing.assert_allclose(stirring[:, 0], log_prob, rtol=1e-5)
    one_draw = ood.statistics(model, params, KEY, IMAGES, ["stirring", "log_prob"])
    np.testing.assert_allclose(one_draw["stirring"][:, 0], one_draw["log_prob"], rtol=1e-5)
    flipped = ood.statistics(model, params, KEY, IMAGES[:, :, ::-1], ["stirring"], options=options)["stirring"]
    np.testing.assert_allclose(stirring[:, 1], flipped[:, 0], rtol=1e-5)
