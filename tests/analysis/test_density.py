"""What every function says of input that it cannot take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from analysis.densities import nonlinear, points

from glowjax import analysis as an
from glowjax.analysis.density import check_finite, check_point
from glowjax.analysis.paths import gauss_legendre, log_prob_along
from glowjax.checks import InputError

X = jnp.asarray(points(1, (2, 3))[0], jnp.float32)
IN, OUT = (jnp.asarray(points(num, (2, 3), seed=num), jnp.float32) for num in (6, 5))


def estimate(log_prob_fn, x, **options):
    return an.hessian_trace_estimate(log_prob_fn, x, jax.random.key(0), options.pop("num_probes", 4), **options)


def split(log_prob_fn, in_dist, out_dist, **options):
    return an.location_spread_gap(log_prob_fn, in_dist, out_dist, jax.random.key(0), **options)


AT_A_POINT = {
    "hessian": an.hessian,
    "hvp": lambda f, x: an.hvp(f, x, jnp.ones(x.shape)),
    "quadratic_forms": lambda f, x: an.quadratic_forms(f, x, jnp.ones((2, *x.shape))),
    "hessian_diagonal": an.hessian_diagonal,
    "hessian_trace": an.hessian_trace,
    "hessian_trace_estimate": estimate,
    "laplacian": an.laplacian,
    "extreme_eigenpairs": lambda f, x: an.extreme_eigenpairs(f, x, 1, 1),
}
OF_TWO_SETS = {
    "likelihood_gap": an.likelihood_gap,
    "second_order_gap": an.second_order_gap,
    "remainder": an.remainder,
    "location_spread_gap": split,
}
at_a_point = pytest.mark.parametrize("function", AT_A_POINT.values(), ids=AT_A_POINT)
of_two_sets = pytest.mark.parametrize("function", OF_TWO_SETS.values(), ids=OF_TWO_SETS)


@at_a_point
@pytest.mark.parametrize(
    ("log_prob", "x", "message"),
    [
        (jnp.tanh, X, r"log_prob_fn gives shape \[2, 3\], float32 for x of shape \[2, 3\]; it must give one real"),
        (lambda x: (x.sum(), x), X, "log_prob_fn gives a tuple for x"),
        (lambda x: x.sum() > 0, X, r"log_prob_fn gives shape \[\], bool"),
        (lambda x: jnp.sum(x, axis=(-2, -1)), X[None], r"gives shape \[1\], float32 .* without batch axes"),
        (nonlinear, jnp.ones((2, 3), int), "x is int32, but derivatives need floating-point values"),
        (nonlinear, X.at[1, 2].set(jnp.nan), r"x is nan at index \[1, 2\] \(1 of 6 values are not finite\)"),
        (nonlinear, X.at[0, 1].set(-jnp.inf), r"x is -inf at index \[0, 1\]"),
    ],
    ids=["array", "tuple", "bool", "batch", "integer", "nan", "infinite"],
)
def test_a_density_or_point_that_does_not_serve_is_refused(function, log_prob, x, message):
    with pytest.raises(InputError, match=message):
        function(log_prob, x)


@of_two_sets
@pytest.mark.parametrize(
    ("in_dist", "out_dist", "message"),
    [
        (IN, OUT[:, :1], r"float32 of shape \[2, 3\] and those of out_dist float32 of shape \[1, 3\]"),
        (IN, OUT.astype(jnp.bfloat16), "in_dist are float32 .* out_dist bfloat16"),
        (IN[:1], OUT, r"in_dist has shape \[1, 2, 3\]; expected \[N, ...\] with two points or more"),
        (IN, OUT[:0], r"out_dist has shape \[0, 2, 3\]"),
        (IN, OUT.at[3, 1, 0].set(jnp.nan), r"out_dist is nan at index \[3, 1, 0\]"),
        (IN.astype(int), OUT.astype(int), "in_dist is int32"),
        (jnp.float32(1), jnp.float32(2), r"in_dist has shape \[\]"),
    ],
    ids=["shapes", "dtypes", "single", "empty", "nan", "integer", "scalar"],
)
def test_sets_that_do_not_serve_are_refused(function, in_dist, out_dist, message):
    with pytest.raises(InputError, match=message):
        function(nonlinear, in_dist, out_dist)


@of_two_sets
def test_a_density_of_two_points_at_once_is_refused(function):
    with pytest.raises(InputError, match="it must give one real number for one point"):
        function(lambda x: x.sum(axis=-1), IN, OUT)


@pytest.mark.parametrize("function", [an.likelihood_gap, an.remainder, split])
def test_the_first_point_at_which_a_density_is_nan_is_named(function):
    where = IN[3, 0, 0]

    def log_prob(x):
        return jnp.where(jnp.abs(x[0, 0] - where) < 1e-5, jnp.nan, -jnp.sum(x**2))

    with pytest.raises(InputError, match=r"log_prob_fn.* is nan at index \[3\]"):
        function(log_prob, IN, OUT)
    with pytest.raises(InputError, match=r"log_prob_fn.* is nan at index \[3\]"):
        function(log_prob, OUT, IN)


@pytest.mark.parametrize("name", [name for name in AT_A_POINT if name != "extreme_eigenpairs"])
def test_a_hessian_that_is_not_finite_is_refused(name):
    with pytest.raises(InputError, match=r"(Hessian|Laplacian|v' H v|estimate).* is (nan|-?inf)"):
        AT_A_POINT[name](lambda x: jnp.sum(jnp.sqrt(jnp.abs(x))), jnp.zeros((2, 3)))


CALLS = {
    "v": (lambda: an.hvp(nonlinear, X, X[0]), r"v has shape \[3\], but x has shape \[2, 3\]; expected \[2, 3\]"),
    "directions": (lambda: an.quadratic_forms(nonlinear, X, X), r"directions has shape .* expected \['any', 2, 3\]"),
    "nan-direction": (
        lambda: an.quadratic_forms(nonlinear, X, X[None] + jnp.nan),
        r"directions is nan at index",
    ),
    "weights": (lambda: an.hessian_trace(nonlinear, X, weights=X.T), r"weights has shape \[3, 2\]"),
    "estimate-weights": (lambda: estimate(nonlinear, X, weights=X[None]), r"weights has shape \[1, 2, 3\]"),
    "factor": (lambda: an.hessian_trace(nonlinear, X, factor=X), r"factor has shape \[2, 3\], .* \[2, 3, 'any'\]"),
    "no-columns": (
        lambda: an.hessian_trace(nonlinear, X, factor=an.moments(IN).covariance_factor),
        r"factor has no columns; moments\(images, rank=6\)",
    ),
    "no-directions": (lambda: an.quadratic_forms(nonlinear, X, X[None][:0]), "directions has none"),
    "no-values": (lambda: an.hessian_trace(nonlinear, X[:0]), r"x has shape \[0, 3\]: no values"),
    "all-pairs": (lambda: an.extreme_eigenpairs(nonlinear, X, 4, 3), r"4 \+ 3 eigenpairs of 6 values"),
    "flat": (lambda: an.extreme_eigenpairs(jnp.sum, X, 1, 1), "The Hessian at x is zero"),
    "paths-of-a-group": (
        lambda: split(nonlinear, IN, OUT, num_paths=3, groups_in=[0, 0, 0, 1, 1, 2]),
        "The first 3 points of in_dist are all of one group; raise num_paths",
    ),
    "both": (lambda: an.hessian_trace(nonlinear, X, weights=X, factor=X[..., None]), "got both weights and factor"),
    "center": (lambda: an.second_order_gap(nonlinear, IN, OUT, center=X[0]), r"center has shape \[3\]"),
    "center-name": (lambda: an.second_order_gap(nonlinear, IN, OUT, center="indist"), "center 'indist'.*'in_dist'"),
    "center-none": (lambda: an.remainder(nonlinear, IN, OUT, center=None), "center is None; expected 'midpoint'"),
    "covariance": (lambda: an.second_order_gap(nonlinear, IN, OUT, covariance="diag"), "covariance 'diag'.*'diagonal'"),
    "method": (lambda: estimate(nonlinear, X, method="xtrase"), "method 'xtrase'; did you mean 'xtrace'"),
    "one-probe": (lambda: estimate(nonlinear, X, num_probes=1), "num_probes must be .* at least 2, but is 1"),
    "half-a-probe": (lambda: estimate(nonlinear, X, num_probes=2.5), "num_probes must be a whole number .* is 2.5"),
    "nodes": (lambda: gauss_legendre(0), "num_nodes must be a positive whole number, but is 0"),
    "half-nodes": (lambda: an.remainder(nonlinear, IN, OUT, num_nodes=2.5), "positive whole number, but is 2.5"),
    "no-nodes": (lambda: split(nonlinear, IN, OUT, num_nodes=0), "positive whole number, but is 0"),
    "half-resamples": (lambda: split(nonlinear, IN, OUT, num_resamples=2.5), "num_resamples is 2.5"),
    "half-paths": (lambda: split(nonlinear, IN, OUT, num_paths=2.5), "num_paths is 2.5"),
    "one-path": (lambda: split(nonlinear, IN, OUT, num_paths=1), "num_paths is 1"),
    "half-rank": (lambda: an.moments(IN, rank=2.5), "rank must be 0 .* is 2.5"),
    "resamples": (lambda: split(nonlinear, IN, OUT, num_resamples=1), "num_resamples is 1; .* try 200"),
    "laplacian-chunk": (lambda: an.laplacian(nonlinear, X, chunk_size=0), "chunk_size must be a positive whole number"),
    "gap-chunk": (lambda: an.likelihood_gap(nonlinear, IN, OUT, chunk_size=-3), "whole number, but is -3"),
    "limit": (
        lambda: an.hessian(nonlinear, X, limit=100),
        r"would take 0\.00 GiB, above the limit of 0\.00",
    ),
    "size": (
        lambda: an.hessian(jnp.sum, jnp.zeros((100, 1000))),
        r"100,000 values .* 37\.25 GiB, .* 2\.00 GiB",
    ),
}


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_bad_arguments_are_refused_in_a_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


@of_two_sets
@pytest.mark.parametrize("groups", [[0, 1, 2], [7] * 6, np.zeros((6, 2))], ids=["length", "one", "shape"])
def test_groups_that_do_not_serve_are_refused(function, groups):
    with pytest.raises(
        InputError,
        match=r"groups(_in)? has shape .* for 6 images; expected one label|groups(_in)?: all 6 images form one",
    ):
        function(nonlinear, IN, OUT, groups_in=groups)


def test_values_are_checked_where_they_are_known_and_passed_where_they_are_not():
    bad = X.at[1, 1].set(jnp.nan)
    check_finite(X, "values")
    assert np.isnan(jax.jit(lambda x: an.hessian_trace(nonlinear, x))(bad))
    with pytest.raises(InputError, match=r"x is nan at index \[1, 1\]"):
        jax.jit(lambda scale: an.hessian_trace(lambda x: scale * nonlinear(x), bad))(2.0)


def test_numbers_of_numpy_serve_as_counts():
    np.testing.assert_allclose(an.hessian_trace(nonlinear, X, chunk_size=np.int64(3)), an.hessian_trace(nonlinear, X))
    assert len(gauss_legendre(np.int32(3)).t) == 3


SIBLINGS = {
    "numpy": np.asarray,
    "big-endian": lambda x: np.asarray(x, ">f4"),
    "unmasked": lambda x: np.ma.array(np.asarray(x)),
}


def test_lists_of_numbers_and_of_arrays_are_points():
    found = [an.likelihood_gap(nonlinear, list(IN), OUT.tolist()), an.likelihood_gap(nonlinear, IN, OUT)]
    np.testing.assert_allclose(found[0].value, found[1].value, rtol=1e-5)
    np.testing.assert_allclose(check_point(nonlinear, X.tolist())[1], X)


@pytest.mark.parametrize("convert", SIBLINGS.values(), ids=SIBLINGS)
def test_points_are_read_alike_in_any_form_also_after_the_first_call(convert):
    np.testing.assert_allclose(an.hessian_trace(nonlinear, convert(X)), an.hessian_trace(nonlinear, X), rtol=1e-5)
    np.testing.assert_allclose(an.moments(convert(IN)).variance, an.moments(IN).variance, rtol=1e-5)
    along, expected = (log_prob_along(nonlinear, X, points, [0.5]) for points in (convert(IN), IN))
    np.testing.assert_allclose(along.curvature, expected.curvature, rtol=1e-4)
    found = an.likelihood_gap(nonlinear, convert(IN), convert(OUT)).value
    np.testing.assert_allclose(found, an.likelihood_gap(nonlinear, IN, OUT).value, rtol=1e-5)


class Unreadable:
    def __array__(self, *args, **options):
        raise RuntimeError("Can't call numpy() on a tensor that requires grad.")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ma.array(np.asarray(X), mask=np.asarray(X) > 0), "x have masked entries"),
        (Unreadable(), r"x cannot be read as an array \(RuntimeError: Can't call numpy"),
        ([[1.0, 2.0], [3.0]], "x cannot be made into one array"),
        (["a", None], "x is a list that holds no numbers"),
    ],
    ids=["masked", "unreadable", "ragged", "objects"],
)
def test_what_cannot_be_read_as_numbers_is_refused(x, message):
    with pytest.raises(InputError, match=message):
        an.hessian_trace(nonlinear, x)


NOT_TRACEABLE = {
    "numpy": lambda x: -np.sum(np.square(np.asarray(x))),
    "scipy": lambda x: scipy.stats.norm.logpdf(x).sum(),
    "if": lambda x: -jnp.sum(x**2) if x.sum() > 0 else -jnp.inf,
    "float": lambda x: float(-jnp.sum(x**2)),
}


@pytest.mark.parametrize("log_prob", NOT_TRACEABLE.values(), ids=NOT_TRACEABLE)
def test_a_density_that_jax_cannot_trace_is_refused_with_the_remedy(log_prob):
    for call in (lambda: an.hessian_trace(log_prob, X), lambda: an.likelihood_gap(log_prob, IN, OUT)):
        with pytest.raises(InputError, match=r"cannot be traced by JAX .* jax.numpy .* jnp.where"):
            call()


def test_an_error_inside_the_density_is_named_with_the_point():
    with pytest.raises(InputError, match=r"fails for x of shape \[2, 3\] and float32 \(TypeError: .*dot"):
        an.hessian_trace(lambda x: jnp.sum(x @ jnp.ones(7)), X)


def test_points_on_a_mesh_of_explicit_axes_give_the_same_numbers():
    mesh = jax.make_mesh((2,), ("data",))
    assert mesh.axis_types == (jax.sharding.AxisType.Explicit,)
    sets = [jax.device_put(points[:4], jax.NamedSharding(mesh, jax.P("data"))) for points in (IN, OUT)]
    found, expected = (an.likelihood_gap(nonlinear, *pair) for pair in (sets, (IN[:4], OUT[:4])))
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-5)
    np.testing.assert_allclose(an.hessian_trace(nonlinear, sets[0]), an.hessian_trace(nonlinear, IN[:4]), rtol=1e-4)
