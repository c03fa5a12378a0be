"""Batches in parts give what whole batches give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax.models import PixelCNN, nvp_glow
from glowjax.models.parts import in_parts, num_parts
from glowjax.models.pixels import LogisticMixture
from glowjax.train.step import loss_and_gradient, mean_gradient

TINY = PixelCNN(1, 2, LogisticMixture(1), entry_size=3)


def images(num, size=32):
    return np.random.default_rng(0).integers(0, 256, (num, size, size, 1), dtype=np.uint8)


def test_a_batch_that_does_not_divide_evenly_keeps_its_values_and_derivatives():
    x, weights = jnp.asarray(images(19), jnp.float32) / 255, jnp.arange(19.0)
    lengths = []

    def fun(scale, x, weights):
        lengths.append(len(x))
        return weights * jnp.sin(scale * x).mean(axis=(1, 2, 3))

    for transform in (lambda f: f, jax.jacfwd, jax.jacrev):
        parts = transform(lambda scale: in_parts(lambda *part: fun(scale, *part), x, weights))(2.0)
        np.testing.assert_allclose(parts, transform(lambda scale: fun(scale, x, weights))(2.0), rtol=1e-5)
    assert set(lengths) == {5, 19}


def test_a_step_takes_the_gradient_of_the_whole_batch():
    batch = images(8)
    params = TINY.init(jax.random.key(0), batch)
    given = TINY, params, jax.random.split(jax.random.key(1), 8), batch
    assert num_parts(TINY, batch.shape) == 2
    for ours, whole in zip(
        jax.tree.leaves(mean_gradient(*given, 1)), jax.tree.leaves(loss_and_gradient(*given)), strict=True
    ):
        np.testing.assert_allclose(ours, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("backend", "model", "expected"), [("cpu", TINY, 6), ("gpu", TINY, 1), ("cpu", "flow", 1)])
def test_only_networks_on_a_cpu_have_parts(monkeypatch, backend, model, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert num_parts(nvp_glow(1, 1, 2) if model == "flow" else model, (42, 28, 28, 1)) == expected
