"""Every core of a CPU is used: as a device, or by a batch of its own."""

import functools
import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import analysis, nvp_glow
from glowjax.analysis.paths import log_prob_along
from glowjax.cores import num_side_by_side, platform, side_by_side
from glowjax.train import in_batches, log_likelihoods, samples


@pytest.mark.parametrize(("chosen", "expected"), [({}, 3), ({"JAX_NUM_CPU_DEVICES": "1"}, 1)])
def test_every_core_is_a_device_with_a_batch_of_its_own_unless_their_number_is_chosen(chosen, expected):
    program = (
        "import os; os.sched_getaffinity = lambda _: range(3)\n"
        "import jax, glowjax.cores; print(jax.local_device_count(), glowjax.cores.num_side_by_side())"
    )
    environment = {
        name: value for name, value in os.environ.items() if name not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    }
    environment |= {"JAX_PLATFORMS": "cpu", **chosen}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(expected)] * 2


def test_batches_run_side_by_side_and_their_results_keep_the_order():
    assert num_side_by_side() == 2  # devices of the tests
    both_run = threading.Barrier(2, timeout=30)  # passed by two threads at a time only

    def work(batch):
        both_run.wait()
        return 10 * batch

    assert side_by_side(work, range(6)) == [0, 10, 20, 30, 40, 50]


def test_each_accelerator_runs_batches_with_copies_of_the_params_of_its_own(images, monkeypatch):
    """With the two devices of the tests in the place of accelerators."""
    model, key = nvp_glow(1, 1, 4), jax.random.key(3)
    params = model.init(key, images)
    expected = log_likelihoods(model, params, key, images, batch_size=2), samples(model, params, key, 7, batch_size=2)
    monkeypatch.setattr("glowjax.cores._workers", jax.local_devices)
    used = set()

    def watched(params, key, batch):
        result = model.log_likelihood(params, key, batch)
        used.update(result.devices())
        return result

    committed = jax.device_put((params, key), jax.devices()[0])
    actual = in_batches(functools.partial(watched, committed[0]), committed[1], images, 2)
    np.testing.assert_array_equal(actual, expected[0])
    assert used == set(jax.local_devices())
    np.testing.assert_array_equal(samples(model, *committed, 7, batch_size=2), expected[1])


def test_items_are_divided_among_accelerators(monkeypatch):
    """With the two devices of the tests in the place of accelerators."""
    x, points = jnp.arange(4.0), jax.random.normal(jax.random.key(0), (7, 4))

    def log_prob(x):
        return -jnp.sum(x**4) / 12

    def computed():
        return [
            analysis.log_probs(log_prob, points),
            analysis.quadratic_forms(log_prob, x, points),
            *log_prob_along(log_prob, x, points, [0.25, 0.5]),
            analysis.hessian(log_prob, x),
            analysis.hessian_diagonal(log_prob, x),
            analysis.hessian_trace_estimate(log_prob, x, jax.random.key(1), 5).value,
            analysis.second_order_gap(log_prob, points, 2 * points, center=x, exact=False).total.value,
        ]

    alone = computed()
    monkeypatch.setattr("glowjax.cores._workers", jax.local_devices)
    monkeypatch.setattr("glowjax.analysis.curvature.ROWS_PER_PART", 2)
    shares = []
    for room in ("glowjax.cores", "glowjax.analysis.curvature"):
        monkeypatch.setattr(
            f"{room}.side_by_side", lambda work, parts: shares.append(len(parts)) or side_by_side(work, parts)
        )
    for one, other in zip(computed(), alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert shares == [2] * 8  # two for the sets of the gap
    jax.jit(lambda points: analysis.log_probs(log_prob, points))(points)
    assert len(shares) == 8


def test_an_error_in_a_batch_is_raised():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda batch: 1 / batch, [1, 0, 2])


def test_the_threads_have_the_settings_of_the_caller():
    def settings(_):
        return jnp.ones(()).dtype, jax.config.jax_default_matmul_precision, jax.config.jax_debug_nans

    with jax.enable_x64(True), jax.default_matmul_precision("highest"), jax.debug_nans(True):
        assert side_by_side(settings, range(2)) == [(jnp.float64, "highest", True)] * 2
    assert side_by_side(settings, [0]) == [(jnp.float32, None, False)]


def test_the_platform_is_that_of_the_device_that_computes_by_default(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert platform() == "gpu"
    for device in (jax.devices("cpu")[0], "cpu"):
        with jax.default_device(device):
            assert platform() == "cpu"
