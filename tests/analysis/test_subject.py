"""Compiled results belong to an object and not to its equals, are bounded, and fail in a sentence that was tried."""

import functools
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import nonlinear, points
from jax.experimental.ode import odeint

from glowjax.analysis import hessian, hessian_trace, hvp, laplacian, likelihood_gap, quadratic_forms, remainder, subject
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")
X = points(1, (3,))[0]
SETS = points(5, (3,), seed=1), points(5, (3,), seed=2)


class Model:
    """Its bound methods are new objects that compare equal, whatever its state."""

    def __init__(self):
        self.width = 1.0

    def log_prob(self, x):
        return -jnp.sum((x / self.width) ** 2)


WAYS = {
    "laplacian": lambda f: laplacian(f, X),
    "hessian": lambda f: hessian(f, X),
    "hvp": lambda f: hvp(f, X, X),
    "likelihood_gap": lambda f: likelihood_gap(f, *SETS).value,
    "remainder": lambda f: remainder(f, *SETS, center=X, num_nodes=2).total.value,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_method_of_a_model_that_changed_gives_results_of_the_new_state(way):
    model = Model()
    assert model.log_prob == model.log_prob
    before = way(model.log_prob)
    model.width = 0.5
    np.testing.assert_allclose(way(model.log_prob), 4 * before, rtol=1e-12, atol=1e-12)


def test_the_same_object_is_traced_no_more_and_its_equal_is():
    traced = []

    class Counting:
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 0

        def __call__(self, x):
            traced.append(self)
            return -jnp.sum(x**2)

    first, second = Counting(), Counting()
    laplacian(first, X)
    count = len(traced)
    laplacian(first, 2 * X)
    assert len(traced) == count
    laplacian(second, X)
    assert second in [one for one in traced if one is second]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_memory_of_old_functions_is_given_back_at_once(way, monkeypatch):
    monkeypatch.setattr(subject, "MAX_SUBJECTS", 2)
    functions = [functools.partial(lambda scale, x: -scale * jnp.sum(x**2), scale) for scale in range(1, 6)]
    references = [weakref.ref(function) for function in functions]
    gc.collect()
    gc.disable()  # it comes rarely in a process that holds as many objects as JAX does
    try:
        while functions:
            way(functions.pop(0))
        assert [reference() is not None for reference in references] == [False, False, False, True, True]
    finally:
        gc.enable()


def test_a_function_of_traced_values_is_not_kept():
    subject._subjects.clear()
    jax.jit(lambda scale: laplacian(lambda x: scale * nonlinear(x), X))(2.0)
    assert not subject._subjects


@jax.custom_vjp
def reversed_only(x):
    return jnp.sum(jnp.sin(x))


reversed_only.defvjp(lambda x: (jnp.sum(jnp.sin(x)), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def once(x):
    return jnp.sum(x**2)


@once.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return jnp.sum(x**2), jax.pure_callback(lambda x, t: 2 * np.sum(x * t), jax.ShapeDtypeStruct((), x.dtype), x, t)


def continuous_flow(x):
    """Its custom_vjp calls itself in its backward pass, so that only reverse mode passes, twice."""

    def field(state, t):
        return jnp.append(jnp.tanh(state[:3]), -jnp.sum(1 - jnp.tanh(state[:3]) ** 2))

    end = odeint(field, jnp.append(x, 0.0), jnp.array([0.0, 1.0]))[-1]
    return -0.5 * jnp.sum(end[:3] ** 2) - end[3]


def test_the_advice_for_a_custom_vjp_works():
    with pytest.raises(InputError, match=r"hvp, hessian, hessian_diagonal and quadratic_forms work .*with_memory"):
        laplacian(reversed_only, X)
    np.testing.assert_allclose(hvp(reversed_only, X, X), -jnp.sin(X) * X, rtol=1e-12)
    np.testing.assert_allclose(quadratic_forms(reversed_only, X, X[None]), [-jnp.sum(jnp.sin(X) * X**2)], rtol=1e-12)


def test_the_advice_for_a_continuous_flow_works():
    for way in (WAYS["hvp"], WAYS["laplacian"]):
        with pytest.raises(InputError, match="only reverse mode works for it, twice") as caught:
            way(continuous_flow)
    assert "hvp, hessian" not in str(caught.value)
    assert np.isfinite(jax.jacrev(jax.jacrev(continuous_flow))(X)).all()


@pytest.mark.parametrize("way", [WAYS["laplacian"], WAYS["hvp"], WAYS["remainder"]])
def test_a_rule_that_exists_once_but_not_twice_is_refused_in_a_sentence(way):
    with pytest.raises(InputError, match=r"no second derivatives .* write it with operations that JAX differentiates"):
        way(once)


def test_what_fails_while_it_is_computed_is_raised_as_it_is():
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        hessian_trace(lambda x: jnp.sum(jnp.sqrt(x)), -jnp.ones(3))
