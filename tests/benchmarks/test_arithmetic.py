"""The products that a program computes, counted by hand; nothing is timed."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import arithmetic
from benchmarks.arithmetic import Product

X, MATRIX = jnp.ones((5, 3)), jnp.ones((3, 3))


def chain(matrix, x):
    """Four products in a scan, recomputed in the backward pass, and one of a batch of two."""
    once = jax.checkpoint(lambda x, _: (jnp.tanh(x @ matrix), None))
    x, _ = jax.lax.scan(once, x, length=4)
    return jnp.sum(jnp.stack([x, x]) @ jnp.stack([matrix, matrix]))


def test_scans_batches_and_conditions_are_counted():
    found = arithmetic.products(jax.jit(chain), MATRIX, X)
    assert found == {Product(1, 5, 3, 3, "float32"): 4, Product(2, 5, 3, 3, "float32"): 1}
    assert arithmetic.operations(found) == 6 * 2 * 5 * 3 * 3
    either = arithmetic.products(lambda x: jax.lax.cond(x[0, 0] > 0, lambda: x @ MATRIX, lambda: x), X)
    assert either == {Product(1, 5, 3, 3, "float32"): 1}


def test_a_gradient_has_twice_the_operations_more_and_those_that_it_repeats():
    forward = arithmetic.operations(arithmetic.products(chain, MATRIX, X))
    gradient = arithmetic.products(jax.grad(chain, argnums=(0, 1)), MATRIX, X)
    assert arithmetic.operations(gradient) == 3 * forward + 4 * 2 * 5 * 3 * 3


def test_a_convolution_is_the_product_of_its_windows():
    def convolved(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    x, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((2, 2, 3, 5))
    forward = Product(1, 2 * 4 * 4, 2 * 2 * 3, 5, "float32")
    assert arithmetic.products(convolved, x, kernel) == {forward: 1}
    both = arithmetic.products(jax.grad(lambda *given: jnp.sum(convolved(*given)), argnums=(0, 1)), x, kernel)
    assert arithmetic.operations(both) == 3 * forward.operations


def test_the_limit_computes_every_product_as_often_as_the_program():
    found = arithmetic.products(chain, MATRIX, X)
    assert arithmetic.products(lambda: arithmetic.alone(found)) == found
    np.testing.assert_allclose(arithmetic.alone(found), 1, rtol=1e-6)
    arithmetic.limit(chain, MATRIX, X, workers=2)()
