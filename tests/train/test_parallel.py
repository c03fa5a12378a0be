"""Several devices take the step that one would. With SGD, since Adam would hide a multiple of the right gradient."""

import dataclasses
import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path
from unittest import mock

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from glowjax import PixelCNN, conv_vae, nvp_glow
from glowjax.checks import InputError
from glowjax.train import compiled_step, make_state, pmapped_step, step_devices, train_step
from glowjax.train.optimizer import skip_nonfinite
from glowjax.train.parallel import rows, shards
from glowjax.train.step import loss_and_gradient

SGD = skip_nonfinite(optax.sgd(0.1))
KEY = jax.random.key(5)
DEVICES = jax.devices()


@dataclasses.dataclass(frozen=True)
class Quadratic:
    """A deterministic model whose loss is the squared distance of the images from one learned image."""

    def init(self, key, images):
        del key
        return {"center": jnp.zeros(images.shape[1:]), "offset": jnp.ones(())}

    def log_likelihood(self, params, key, images, num_draws=1):
        del key, num_draws
        levels = jnp.asarray(images, jnp.float32) / 255
        return -jnp.mean((levels - params["center"][None] - params["offset"]) ** 2, axis=(1, 2, 3))

    def loss(self, params, key, images):
        return -jnp.mean(self.log_likelihood(params, key, images))

    def sample(self, params, key, num_images, temperature=1.0):
        raise NotImplementedError


def test_two_devices_take_the_step_of_one_on_the_joined_batch(images):
    assert len(DEVICES) == 2
    model = Quadratic()
    state = make_state(model.init(KEY, images), SGD)
    one, one_metrics = jax.jit(lambda s: train_step(model, SGD, s, KEY, images))(state)
    two, two_metrics = pmapped_step(model, SGD, DEVICES)(state, KEY, images)
    assert np.abs(one.params["offset"] - 1) > 0.01
    chex.assert_trees_all_close(two, one, rtol=1e-5, atol=1e-7)
    chex.assert_trees_all_close(two_metrics, one_metrics, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "num_devices"),
    [(nvp_glow(1, 1, 4), 1), (nvp_glow(1, 1, 4), 2), (PixelCNN(1, 4), 2), (conv_vae(2, 4), 2)],
    ids=["glow-1", "glow-2", "pixelcnn-2", "vae-2"],
)
def test_a_step_is_along_the_mean_gradient_of_the_shards_with_noise_of_their_own(model, num_devices, images):
    state = make_state(model.init(jax.random.key(0), images), SGD).replace(step=jnp.asarray(3))
    parts = shards(KEY, 3, images, num_devices)
    keys, shares = zip(*parts, strict=True)
    step_key = jax.random.fold_in(KEY, 3)
    assert list(jnp.concatenate(keys)) == [jax.random.fold_in(step_key, index) for index in range(len(images))]
    np.testing.assert_array_equal(np.concatenate(shares), images)
    value_and_gradient = jax.jit(lambda key, images: loss_and_gradient(model, state.params, key, images))
    losses, gradients = zip(*(value_and_gradient(*part) for part in parts), strict=True)
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *gradients)
    expected = jax.tree.map(lambda p, gradient: np.asarray(p - 0.1 * gradient), state.params, mean)
    before = jax.tree.map(np.asarray, state.params)
    after, metrics = compiled_step(model, SGD, DEVICES[:num_devices])(state, KEY, images)
    np.testing.assert_allclose(metrics.bits_per_dim, np.mean(losses), rtol=1e-6)
    chex.assert_trees_all_close(after.params, expected, rtol=1e-5, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (after.params, before)), strict=True)) > 1e-3


def test_a_step_for_one_device_runs_on_that_one(images):
    model = Quadratic()
    state = make_state(model.init(KEY, images), SGD)
    state, _ = compiled_step(model, SGD, DEVICES[1:2])(state, KEY, images)
    assert {device for leaf in jax.tree.leaves(state) for device in leaf.devices()} == {DEVICES[1]}


def test_a_step_is_the_same_on_1_2_and_8_devices_up_to_the_order_of_sums():
    """In double precision to 1e-12, with the noise of a flow and of a VAE, and in microbatches."""
    program, root = Path(__file__).parent / "on_eight_devices.py", Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, program], env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_batch_in_parts_takes_the_step_of_the_whole_batch(num_devices, images):
    model, devices = nvp_glow(1, 1, 4), DEVICES[:num_devices]
    params = jax.device_get(model.init(jax.random.key(0), images))
    whole, parts = (compiled_step(model, SGD, devices, count)(make_state(params, SGD), KEY, images) for count in (1, 4))
    chex.assert_trees_all_close(parts, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_steps_follow_each_other_by_one_program(images, num_devices):
    compiled, losses = [], []
    step = compiled_step(Quadratic(), SGD, DEVICES[:num_devices])
    state = make_state(Quadratic().init(KEY, images), SGD)
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **about: compiled.append(about["fun_name"]) if "backend_compile" in event else None
    )
    try:
        for _ in range(3):
            state, metrics = step(state, KEY, images)
            losses.append(float(metrics.bits_per_dim))
    finally:
        jax.monitoring.clear_event_listeners()
    assert len(compiled) == 1, compiled
    assert int(state.step) == 3
    assert losses == sorted(set(losses), reverse=True)


def pretend_devices(monkeypatch, platform, *counts):
    """Devices of as many processes as there are counts, in the order in which a TPU pod may list them."""
    devices = [
        mock.Mock(spec=jax.Device, platform=platform, process_index=process, id=100 * process + index)
        for index in range(max(counts))
        for process, count in enumerate(counts)
        if index < count
    ]
    monkeypatch.setattr(jax, "devices", lambda: devices)
    monkeypatch.setattr(jax, "process_count", lambda: len(counts))


def test_a_pmapped_step_is_given_back_with_its_programs(images):
    model, optimizer = nvp_glow(1, 1, 4), skip_nonfinite(optax.sgd(1e-3))
    update = weakref.ref(optimizer.update)
    state = make_state(model.init(jax.random.key(0), images), optimizer)
    step = pmapped_step(model, optimizer, jax.devices()[:2])
    step(state, jax.random.key(0), images)
    del step, optimizer
    gc.collect()
    assert update() is None


@pytest.mark.parametrize(
    ("batch_size", "num_microbatches", "expected"),
    [(64, 1, 4), (30, 1, 6), (7, 1, 1), (5, 1, 5), (4, 1, 4), (30, 2, 5), (12, 6, 2)],
)
def test_as_many_cpu_cores_as_can_share_a_batch_evenly(monkeypatch, batch_size, num_microbatches, expected):
    pretend_devices(monkeypatch, "cpu", 6)
    assert len(step_devices(batch_size, num_microbatches)) == expected


def test_accelerators_all_take_part_so_an_uneven_batch_is_refused(monkeypatch):
    pretend_devices(monkeypatch, "gpu", 2)
    assert step_devices(6) == jax.devices()
    with pytest.raises(InputError, match=r"batch of 7 images .* 2 equal parts \(devices: 2, .* multiple of 2"):
        step_devices(7)
    with pytest.raises(InputError, match=r"batch of 6 images .* 4 equal parts .*microbatches: 2\).* multiple of 4"):
        step_devices(6, num_microbatches=2)


def test_processes_share_a_batch_in_their_order(monkeypatch):
    pretend_devices(monkeypatch, "tpu", 4, 4)
    devices = step_devices(32)
    assert [device.process_index for device in devices] == [0] * 4 + [1] * 4
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert rows(devices, 32) == slice(16, 32)


def test_each_process_uses_as_many_cpu_cores_as_the_others(monkeypatch):
    pretend_devices(monkeypatch, "cpu", 4, 3)
    assert [device.id for device in step_devices(8)] == [0, 1, 100, 101]
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert rows(step_devices(8), 8) == slice(4, 8)
    with pytest.raises(InputError, match=r"batch of 7 images .* 2 equal parts \(processes: 2"):
        step_devices(7)
