"""The expansion around a center: what it holds, how it is kept, and how it is computed in parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import (
    DIM,
    GLOW_POINT,
    dense_glow_hessian,
    glow_density,
    nonlinear,
    points,
    quadratic,
    symmetric,
)

from glowjax.analysis import Expansion, curvature, expand, hessian
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")

SHAPE = (2, 3, 1)
X = points(1, SHAPE, seed=4)[0]


def test_an_expansion_holds_value_gradient_and_hessian():
    slope = points(1, seed=3)[0]
    found = expand(quadratic(symmetric(), slope, constant=7.0), X)
    flat = X.ravel()
    np.testing.assert_array_equal(found.center, X)
    np.testing.assert_allclose(found.value, 7 + slope @ flat + flat @ symmetric() @ flat / 2, rtol=1e-12)
    np.testing.assert_allclose(found.gradient, (slope + symmetric() @ flat).reshape(SHAPE), rtol=1e-12)
    assert found.hessian.shape == (*SHAPE, *SHAPE)
    np.testing.assert_allclose(found.hessian.reshape(DIM, DIM), symmetric(), atol=1e-12)


def test_a_saved_expansion_is_read_again(tmp_path):
    found = expand(nonlinear, X)
    np.savez(tmp_path / "expansion.npz", **found._asdict())
    again = Expansion(**np.load(tmp_path / "expansion.npz"))
    jax.tree.map(np.testing.assert_array_equal, again, found)


@pytest.mark.parametrize("chunk_size", [3, None])
def test_parts_of_any_size_give_all_rows_and_report_their_progress(monkeypatch, chunk_size):
    monkeypatch.setattr(curvature, "ROWS_PER_PART", 3)  # 16 rows in 5 parts, the last of which repeats a row
    reports = []
    found = expand(
        glow_density("nvp-relu"),
        GLOW_POINT,
        chunk_size=chunk_size,
        on_progress=lambda *report: reports.append(report),
    )
    dense = dense_glow_hessian("nvp-relu")
    np.testing.assert_allclose(found.hessian.reshape(dense.shape), dense, atol=1e-11 * np.ptp(dense))
    assert reports == [(16 * done // 5, 16) for done in range(1, 6)]


def test_an_expansion_of_traced_params_is_the_same():
    known = expand(nonlinear, X)
    traced = jax.jit(lambda scale, x: expand(lambda x: scale * nonlinear(x), x))(1.0, X)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12), traced, known)


@pytest.mark.parametrize("form", [hessian, expand])
def test_a_matrix_above_the_limit_is_refused(form):
    with pytest.raises(InputError, match=r"The Hessian of 6 values would take .* above the limit"):
        form(nonlinear, jnp.ones(6), limit=100)
