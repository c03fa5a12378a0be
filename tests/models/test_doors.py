"""What the methods of models take: arrays in any byte order, and a sentence for everything else."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import PixelCNN, cv_glow, dequantize
from glowjax.checks import InputError

KEY = jax.random.key(0)
MODEL = cv_glow(1, 1, 4)
pytestmark = pytest.mark.usefixtures("unchecked")  # the checks of the library itself are tested here


@pytest.fixture(scope="module")
def params():
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1), dtype=np.uint8)
    return MODEL.init(KEY, images)


@pytest.fixture
def x():
    images = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    return np.array(dequantize(KEY, images))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">f2"])
def test_any_byte_order_gives_the_same_numbers(params, x, dtype):
    native = x.astype(np.dtype(dtype).newbyteorder("="))
    for method in (MODEL.log_prob, MODEL.encode):
        expected = method(params, native)  # compiled for the native order first
        for found, wanted in zip(
            jax.tree.leaves(method(params, native.astype(dtype))), jax.tree.leaves(expected), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)
    latents = MODEL.encode(params, x)
    swapped = tuple(np.asarray(z).astype(">f4") for z in latents)
    np.testing.assert_array_equal(MODEL.decode(params, swapped), MODEL.decode(params, latents))


def test_a_masked_array_without_masked_values_is_an_array(params, x):
    np.testing.assert_array_equal(MODEL.log_prob(params, np.ma.array(x)), MODEL.log_prob(params, x))


class Tensor:
    """Stands for an array of another library, which NumPy can convert."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.tolist(), "must be a NumPy or JAX array, but is a list; convert it with numpy.asarray"),
        (Tensor, "must be a NumPy or JAX array, but is a Tensor; convert it with numpy.asarray"),
        (lambda x: np.ma.array(x, mask=x > 100), r"masked entries; fill them with .filled\(...\)"),
        (lambda x: x.astype(str), "must hold numbers, but its dtype is <U"),
        (lambda x: x.astype(object), "must hold numbers, but its dtype is object"),
        (lambda x: None, "must be a NumPy or JAX array, but is a NoneType"),
    ],
)
def test_what_is_no_array_is_refused_by_every_method_and_the_advice_works(params, x, change, message):
    levels = x.astype(np.uint8)
    calls = {
        "log_prob": lambda x: MODEL.log_prob(params, x),
        "encode": lambda x: MODEL.encode(params, x),
        "decode": lambda x: MODEL.decode(params, (x,)),
        "init": lambda x: MODEL.init(KEY, x),
        "log_likelihood": lambda x: MODEL.log_likelihood(params, KEY, x),
        "dequantize": lambda x: dequantize(KEY, x),
    }
    for name, call in calls.items():
        given = change(levels if name in ("init", "log_likelihood", "dequantize") else x)
        with pytest.raises(InputError, match=message):
            call(given)
    if "numpy.asarray" in message and change(x) is not None:
        np.testing.assert_array_equal(
            MODEL.log_prob(params, np.asarray(change(x), np.float32)), MODEL.log_prob(params, x)
        )


@pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, True, None, "3"])
def test_counts_are_positive_whole_numbers(params, count):
    images = np.zeros((2, 4, 4, 1), np.uint8)
    for call in (
        functools.partial(MODEL.log_likelihood, params, KEY, images, count),
        functools.partial(MODEL.sample, params, KEY, count),
        lambda: PixelCNN(num_layers=count, width=4),
        lambda: cv_glow(1, count, 4),
    ):
        with pytest.raises(InputError, match=f"must be a positive whole number, but is {count!r}"):
            call()


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_a_temperature_is_a_number_from_zero_on(params, temperature):
    with pytest.raises(InputError, match="temperature must be 0 or more"):
        MODEL.sample(params, KEY, 1, temperature)


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_images_scaled_to_one_are_warned_about(params, x, convert):
    with pytest.warns(UserWarning, match=r"lie in \[0, 1\], but the unit of a model is grey levels"):
        MODEL.log_prob(params, convert(x / 256))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODEL.log_prob(params, convert(x))
        MODEL.log_prob(params, convert(np.zeros_like(x)))
        jax.jit(MODEL.log_prob)(params, convert(x / 256))  # values under a transformation are not known


def test_not_a_number_goes_through(params, x):
    x[2, 1, 0, 0] = np.nan
    log_prob = MODEL.log_prob(params, x)
    assert np.isnan(log_prob[2])
    assert np.isfinite(np.delete(log_prob, 2)).all()
