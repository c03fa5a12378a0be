"""Images that come in groups, in either set: three copies of each image, told as groups, know no more than one."""

import jax
import numpy as np
import pytest
from analysis.densities import GLOWS, glow_density, grey_levels, numbers, perturbed

from glowjax.analysis import constant_volume_gap, likelihood_gap, location_spread_gap, remainder, second_order_gap

pytestmark = pytest.mark.usefixtures("float64")

KEY = jax.random.key(0)
FLOW = GLOWS["cv-relu"]
SETS = {"groups_in": grey_levels(8), "groups_out": 255 - grey_levels(8, seed=1)}


def spreads(*sets, **groups):
    """What is no bootstrap's: those draw other groups of other sets."""
    found = location_spread_gap(glow_density("cv-relu"), *sets, KEY, num_nodes=2, num_resamples=2, **groups)
    return found.gap, found.spread_in.gradient, found.spread_out.gradient, found.spread_out.at_mean


GAPS = {
    "likelihood_gap": lambda *sets, **groups: likelihood_gap(glow_density("cv-relu"), *sets, **groups),
    "second_order_gap": lambda *sets, **groups: second_order_gap(glow_density("cv-relu"), *sets, **groups),
    "remainder": lambda *sets, **groups: remainder(glow_density("cv-relu"), *sets, num_nodes=2, **groups),
    "location_spread_gap": spreads,
    "constant_volume_gap": lambda *sets, **groups: constant_volume_gap(FLOW, perturbed("cv-relu"), *sets, **groups),
}


@pytest.mark.parametrize("side", SETS)
@pytest.mark.parametrize("name", GAPS)
def test_copies_in_groups_know_no_more_than_one_of_each(name, side):
    alone = numbers([GAPS[name](*SETS.values())])[..., 1]
    copied = {one: np.repeat(images, 3, axis=0) if one == side else images for one, images in SETS.items()}
    grouped = numbers([GAPS[name](*copied.values(), **{side: np.repeat(np.arange(8), 3)})])[..., 1]
    ungrouped = numbers([GAPS[name](*copied.values())])[..., 1]
    np.testing.assert_allclose(grouped, alone, rtol=1e-6, atol=1e-9 * alone.max())
    assert np.any(ungrouped < 0.999 * alone)
