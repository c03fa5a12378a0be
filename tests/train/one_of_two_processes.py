"""A program: one of two processes that train one model again and again, interrupted by each signal.

Arguments: a folder, the port of the first process, and the number of this one. `test_processes.py` runs it.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

jax.config.update("jax_disable_most_optimizations", True)

import glowjax as gj  # noqa: E402
from glowjax import analysis, processes  # noqa: E402
from glowjax.checks import InputError  # noqa: E402
from glowjax.processes import OtherProcessError  # noqa: E402
from glowjax.train import Interrupted, compiled_step, fit, log_likelihoods, loop, samples  # noqa: E402

MODEL = gj.nvp_glow(1, 1, 4)
IMAGES = np.random.default_rng(0).integers(100, 150, (24, 8, 8, 1)).astype(np.uint8)
SIGNALS = {"SIGTERM": [0], "SIGHUP": [1], "SIGUSR1": [0, 1], "SIGINT": [1], "SIGQUIT": [0]}
"""Signals, and the processes that receive them."""


def train(directory, **changes):
    options = {"key": jax.random.key(0), "num_steps": 20, "batch_size": 8, "evaluate_every": 10, "warmup_steps": 1}
    options |= {"validation": IMAGES[:8], "directory": directory, "progress": False}
    return fit(MODEL, IMAGES, **options | changes)


class Step:
    """Stands for `compiled_step`: compiles once for all trainings, and sends a signal after a step."""

    signal, after, last = "", 0, 0
    compiled = own_signal = None

    def __call__(self, *arguments):
        *others, self.own_signal = arguments
        self.compiled = self.compiled or compiled_step(*others, lambda: self.own_signal())
        return self.take

    def take(self, state, key, images):
        state, metrics = self.compiled(state, key, images)
        self.last = int(state.step)
        if self.last == self.after and jax.process_index() in SIGNALS[self.signal]:
            signal.raise_signal(getattr(signal, self.signal))
        return state, metrics


def interrupted(directory, name, step):
    """Trains until some of the processes receive a signal after a step; all must end for it at the same one."""
    loop.compiled_step.signal, loop.compiled_step.after = name, step
    with pytest.raises(Interrupted) as ending:
        train(directory)
    assert ending.value.number == getattr(signal, name)
    last, loop.compiled_step.after = loop.compiled_step.last, 0
    assert len({one.item() for one in processes.gather(np.array(last))}) == 1
    assert step <= last <= step + 2, last


def assert_equal(one, other):
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def interruptions(folder):
    """Interrupted runs end with the bits of an uninterrupted one, which all processes have."""
    whole = train(folder / "whole")
    assert_equal(*processes.gather(jax.device_get(whole.params)))
    assert whole.history[-1]["step"] == 20
    for step, name in enumerate(SIGNALS, 2):
        interrupted(folder / "parts", name, 3 * step)
    parts = train(folder / "parts")
    assert_equal(parts.params, whole.params)
    assert parts.history[-1]["validation"] == whole.history[-1]["validation"]
    in_memory = train(None)
    assert_equal(in_memory.params, whole.params)
    return whole


def errors(folder):
    """An InputError of the first process ends all, and processes with different images do not train."""
    expected = InputError if processes.is_primary() else OtherProcessError
    with pytest.raises(expected, match=r"holds a run with training.learning_rate"):
        train(folder / "whole", learning_rate=0.5)
    message = "Another process was given" if processes.is_primary() else "Process 1 was given training.seed = 1, but"
    with pytest.raises(InputError, match=message):
        train(folder / "other", key=jax.random.key(jax.process_index()))


def log_density(x):
    return -(x**4).sum() / 12


def scores(trained):
    """Likelihoods and samples, which the processes share, are those that each would compute alone."""
    call = (trained.model, trained.params, jax.random.key(1))
    shared = log_likelihoods(*call, IMAGES[:21], batch_size=4), samples(*call, 5, batch_size=2)
    count = jax.process_count
    jax.process_count, index = lambda: 1, jax.process_index
    jax.process_index = lambda: 0
    alone = log_likelihoods(*call, IMAGES[:21], batch_size=4), samples(*call, 5, batch_size=2)
    jax.process_count, jax.process_index = count, index
    assert_equal(shared, alone)
    points = jax.random.normal(jax.random.key(2), (5, 300))
    log_probs = analysis.log_probs(log_density, points)
    np.testing.assert_allclose(log_probs, jax.vmap(log_density)(points), rtol=1e-5)
    np.testing.assert_allclose(analysis.laplacian(log_density, points[0]), -(points[0] ** 2).sum(), rtol=1e-5)
    np.testing.assert_allclose(analysis.hessian_diagonal(log_density, points[0]), -(points[0] ** 2), rtol=1e-5)
    one_batch = log_likelihoods(*call, IMAGES[:3], batch_size=4)  # which only one process computes
    np.testing.assert_array_equal(one_batch, alone[0][:3])


def main(folder, port, index):
    processes.initialize(f"127.0.0.1:{port}", 2, index)
    loop.compiled_step = Step()
    own = folder if index == 0 else folder / "not shared"  # as on a disk of its own
    whole = interruptions(own)
    errors(own)
    scores(whole)
    if index == 0:
        np.savez(folder / "together.npz", *jax.tree.leaves(jax.device_get(whole.params)))
    processes.finalize()
    assert index == 0 or not own.exists(), os.listdir(own)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
