"""The public assertions catch wrong layers."""

import jax
import jax.numpy as jnp
import pytest

from glowjax.checks import InputError
from glowjax.layers import ActNorm, PixelScaling
from glowjax.testing import assert_invertible, assert_log_det_matches_jacobian


class Shifted(ActNorm):
    """The log-det is off by a constant."""

    def forward(self, params, x):
        y, log_det = super().forward(params, x)
        return y, log_det + 0.5


class Forgetful(ActNorm):
    """The inverse does nothing."""

    def inverse(self, params, y):
        return y, super().inverse(params, y)[1]


class Undefined(ActNorm):
    """The log-det is NaN."""

    def forward(self, params, x):
        y, log_det = super().forward(params, x)
        return y, log_det * jnp.nan


class Mixing(ActNorm):
    """The output depends on the batch."""

    def forward(self, params, x):
        return x - x.mean(axis=0, keepdims=True) if x.ndim > 3 else x, jnp.zeros(x.shape[:-3])


class Singular(ActNorm):
    """A channel is lost."""

    def forward(self, params, x):
        return x.at[..., 0].set(0.0), jnp.full(x.shape[:-3], -1e6)


class OneForAll(ActNorm):
    """There is one log-det for the whole batch."""

    def forward(self, params, x):
        y, log_det = super().forward(params, x)
        return y, log_det[0]


@pytest.mark.parametrize(
    ("assertion", "layer", "message"),
    [
        (assert_invertible, Undefined(), "log-det of forward is not finite at index"),
        (assert_log_det_matches_jacobian, Undefined(), "log-det of forward is not finite at index"),
        (assert_invertible, OneForAll(), "shape"),
        (assert_log_det_matches_jacobian, OneForAll(), "shape"),
        (assert_log_det_matches_jacobian, Mixing(), "mixes the images of a batch"),
        (assert_log_det_matches_jacobian, Singular(), "it is singular"),
        (assert_log_det_matches_jacobian, Shifted(), "log_det is not that of the Jacobian"),
        (assert_invertible, Shifted(), "do not cancel"),
        (assert_invertible, Forgetful(), "differs from x"),
    ],
)
def test_a_wrong_layer_is_caught(assertion, layer, message):
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (4, 2, 2, 3))
    params = ActNorm().init(jax.random.key(0), x)
    assertion(ActNorm(), params, x)
    with pytest.raises(AssertionError, match=message):
        assertion(layer, params, x)


@pytest.mark.parametrize("assertion", [assert_invertible, assert_log_det_matches_jacobian])
def test_whole_numbers_are_refused(assertion, unchecked):
    with pytest.raises(InputError, match="floating-point images, but got uint8"):
        assertion(ActNorm(), {}, jnp.ones((2, 2, 2, 1), jnp.uint8))


class Careless(PixelScaling):
    """The inverse's log-det is off by 0.1 of 17,000 nats."""

    def inverse(self, params, y):
        x, log_det = super().inverse(params, y)
        return x, log_det + 0.1


def test_a_small_error_in_a_large_log_det_is_caught():
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    assert_invertible(PixelScaling(), {}, x)
    with pytest.raises(AssertionError, match="do not cancel"):
        assert_invertible(Careless(), {}, x)
