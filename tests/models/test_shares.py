"""A call for a batch is computed in shares, one per core, and gives what one program gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.models import shares

KEY = jax.random.key(0)
MODEL = nvp_glow(2, 1, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (19, 8, 8, 1), dtype=np.uint8)
PARAMS = jax.tree.map(lambda leaf: leaf + 0.02, MODEL.init(KEY, IMAGES))
X = IMAGES.astype(np.float32)

CALLS = {
    "one key": lambda: MODEL.log_likelihood(PARAMS, KEY, IMAGES, num_draws=2),
    "one key per image": lambda: MODEL.log_likelihood(PARAMS, jax.random.split(KEY, 19), IMAGES),
    "samples": lambda: MODEL.sample_continuous(PARAMS, KEY, 19, 0.5),
    "round trip": lambda: MODEL.decode(PARAMS, MODEL.encode(PARAMS, X)),
    "terms": lambda: MODEL.terms(PARAMS, X),
}


@pytest.mark.parametrize("name", CALLS)
def test_shares_give_what_one_program_gives(name, monkeypatch):
    divided = CALLS[name]()
    monkeypatch.setattr(shares, "num_free_cores", lambda: 1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), divided, CALLS[name]())


def sizes(count, monkeypatch, call):
    """The sizes of the shares that three cores compute of a number of images."""
    found = []
    monkeypatch.setattr(shares, "num_free_cores", lambda: 3)

    def method(images):
        found.append(len(images))
        return images[:, 0, 0, 0]

    def whole(images):
        return shares.in_shares(method, {"images": images}, "images")

    images = np.arange(count, dtype=np.float32)[:, None, None, None]
    np.testing.assert_array_equal(call(whole)(images), np.arange(count))
    return found


def test_the_shares_have_one_shape_and_small_batches_are_not_divided(monkeypatch):
    assert sizes(30, monkeypatch, lambda whole: whole) == [10, 10, 10]
    assert sizes(31, monkeypatch, lambda whole: whole) == [11, 11, 11]
    assert sizes(23, monkeypatch, lambda whole: whole) == [12, 12]
    assert sizes(15, monkeypatch, lambda whole: whole) == [15]


def test_inside_of_a_transformation_there_is_one_program(monkeypatch):
    assert sizes(30, monkeypatch, jax.jit) == [30]
    constant = jnp.ones((30, 1, 1, 1))
    assert sizes(30, monkeypatch, lambda whole: jax.jit(lambda images: 0 * whole(constant) + images[:, 0, 0, 0])) == [
        30
    ]
