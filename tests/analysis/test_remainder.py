import numpy as np
import pytest
from analysis.densities import (
    EDGE,
    glow_density,
    kinked,
    nonlinear,
    numbers,
    points,
    quadratic,
    symmetric,
    two_image_sets,
    two_sets,
)

from glowjax.analysis import remainder

pytestmark = pytest.mark.usefixtures("float64")
every_center = pytest.mark.parametrize(
    "center", ["midpoint", "in_dist", points(1, seed=9)[0]], ids=["midpoint", "in_dist", "elsewhere"]
)


def parts_sum_to_total(found, rtol=1e-10):
    total = found.smooth.value + found.kink.value - found.quadrature.value
    np.testing.assert_allclose(total, found.total.value, rtol=rtol, atol=rtol)


@every_center
def test_a_quadratic_leaves_no_remainder(center):
    found = remainder(quadratic(symmetric(), slope=1.0), *two_sets(), center, num_nodes=2)
    np.testing.assert_allclose(numbers(found), 0, atol=1e-12)


@every_center
def test_a_smooth_density_has_a_smooth_remainder_only(center):
    found = remainder(nonlinear, *two_sets(), center)
    parts_sum_to_total(found)
    assert abs(found.total.value) > 0.1
    np.testing.assert_allclose(numbers([found.kink, found.quadrature]), 0, atol=1e-5 * abs(found.total.value))
    np.testing.assert_allclose(numbers(found.smooth), numbers(found.total), rtol=1e-5)


def test_too_few_nodes_show_in_the_quadrature():
    few, many = (remainder(nonlinear, *two_sets(), num_nodes=number) for number in (1, 24))
    parts_sum_to_total(few)
    np.testing.assert_allclose(numbers(few.total), numbers(many.total), rtol=1e-12)
    assert abs(few.quadrature.value) > 1e3 * abs(many.quadrature.value)


def test_the_kink_of_a_kinked_density_is_its_whole_remainder():
    in_dist, out_dist = two_sets()
    center = np.zeros(6)
    kinks = [np.where(images[:, 0] > EDGE, -2 * (images[:, 0] - EDGE), 0) for images in (in_dist, out_dist)]
    expected = kinks[1].mean() - kinks[0].mean()
    found = remainder(kinked, in_dist, out_dist, center, num_nodes=200)
    parts_sum_to_total(found)
    np.testing.assert_allclose(found.total.value, expected, rtol=1e-10)
    np.testing.assert_allclose(found.total.sem, np.hypot(*(np.std(k, ddof=1) / len(k) ** 0.5 for k in kinks)))
    np.testing.assert_allclose(numbers(found.smooth), 0, atol=1e-12)
    np.testing.assert_allclose(found.kink.value, expected, atol=4 * found.quadrature.sem + 1e-3)


def test_a_relu_glow_has_kinks_and_a_tanh_glow_has_none():
    relu, smooth = (remainder(glow_density(name), *two_image_sets()) for name in ("cv-relu", "cv-tanh"))
    for found in (relu, smooth):
        parts_sum_to_total(found, rtol=1e-9)
    assert abs(relu.kink.value) > 5 * abs(relu.quadrature.value)
    assert abs(smooth.kink.value) < 1e-8 * abs(smooth.total.value)
