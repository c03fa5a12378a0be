"""A causal convolution is XLA's own, with the gradients of that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax.networks import causal
from glowjax.networks.causal import causal_convolution


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("size", [(2, 3, 2, 6), (1, 2, 6, 3), (4, 7, 1, 4)], ids=lambda size: "x".join(map(str, size)))
def test_each_backend_computes_the_same_values_and_gradients(monkeypatch, size, centered):
    x_key, kernel_key = jax.random.split(jax.random.key(0))
    x, kernel = jax.random.normal(x_key, (2, 5, 9, size[2])), jax.random.normal(kernel_key, size)

    def computed(backend):
        monkeypatch.setattr(causal, "platform", lambda: backend)
        return jax.value_and_grad(lambda *args: (causal_convolution(*args, centered=centered) ** 3).sum(), (0, 1))(
            x, kernel
        )

    for ours, theirs in zip(jax.tree.leaves(computed("cpu")), jax.tree.leaves(computed("gpu")), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("centered", [True, False])
def test_no_row_below_is_seen_and_off_center_no_column_to_the_right(centered):
    x, kernel = np.zeros((1, 5, 5, 1), np.float32), jax.random.normal(jax.random.key(0), (2, 3, 1, 1))
    x[0, 2, 2, 0] = 1
    y = np.array(causal_convolution(jnp.asarray(x), kernel, centered=centered)[0, ..., 0])
    first = 1 if centered else 2
    np.testing.assert_allclose(y[2:4, first : first + 3], kernel[::-1, ::-1, 0, 0], rtol=1e-6)
    y[2:4, first : first + 3] = 0
    assert not y.any()
