"""A number that is not finite is traced to the place where it arises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.layers import visit
from glowjax.likelihood import dequantize
from glowjax.train.step import first_nonfinite

MODEL = nvp_glow(2, 2, 4)
KEY = jax.random.key(3)


@pytest.fixture
def params(images):
    return MODEL.init(jax.random.key(0), images)


def changed(params, names, value, scale=1, step=2):
    """Params in which one array of a step (counted from 1) is filled with `value`; `names` is its path in the step."""

    def fill(path, leaf):
        place = jax.tree_util.keystr(path)
        if f"['scales'][{scale - 1}]" in place and place.endswith(names):
            return leaf.at[step - 1].set(value)
        return leaf

    return jax.tree_util.tree_map_with_path(fill, params)


def test_nothing_is_found_in_a_finite_step(params, images):
    assert first_nonfinite(MODEL, params, KEY, images) is None


def test_a_nan_parameter_is_named_by_its_path(params, images):
    poisoned = changed(params, "['log_diagonal']", jnp.nan, scale=2)
    place = first_nonfinite(MODEL, poisoned, KEY, images)
    assert place.startswith("in the parameter .arrays['scales'][1]")
    assert place.endswith("['log_diagonal']")


@pytest.mark.parametrize(
    ("names", "layer", "scale", "step"),
    [
        ("[0]['log_scale']", "ActNorm", 1, 2),
        ("['log_diagonal']", "Conv1x1", 2, 1),
        ("['NormalizedConv_0']['actnorm']['log_scale']", "AffineCoupling", 1, 1),
    ],
)
def test_an_overflow_is_traced_to_its_scale_step_and_layer(params, images, names, layer, scale, step):
    place = first_nonfinite(MODEL, changed(params, names, 1e4, scale, step), KEY, images)
    assert place == f"in the output of scale {scale}, step {step}, {layer}"


def test_visiting_ends_with_what_the_flow_makes_of_the_images(params, images):
    x = dequantize(KEY, images)
    visited = list(visit(MODEL.layer, params.arrays, x))
    latents = MODEL.encode(params, x)
    names = [name for name, *_ in visited]
    assert names[0] == "scale 1, PixelScaling"
    assert names[8] == "scale 1, SplitPrior"
    assert len(names) == len(set(names)) == 9 + 7
    np.testing.assert_allclose(visited[8][1], latents[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(visited[-1][1], latents[1], rtol=1e-4, atol=1e-4)
    log_det = sum(log_det for *_, log_det in visited)
    np.testing.assert_allclose(log_det, MODEL.terms(params, x).log_det, rtol=1e-5)
