"""The curvature benchmark from end to end at tiny sizes, and its PyTorch flow against ours."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import quadratic, symmetric

from benchmarks import curvature, estimators
from benchmarks.curvature import BenchmarkConfig, FlowSize

pytestmark = pytest.mark.release
TINY = FlowSize(size=8, channels=3, num_scales=2, num_steps=2, width=8)
TINIEST = FlowSize(size=8, channels=1, num_scales=1, num_steps=1, width=8)
PARTS = ("trace", "weighted", "gap", "memory")
CONFIG = BenchmarkConfig(PARTS, small=TINIEST, large=TINIEST, num_images=4, chunk_sizes=(8,), repeats=1)


def test_the_torch_flow_has_our_log_density():
    import torch

    from benchmarks import torch_glow

    log_prob, params, x = curvature.problem(TINY)
    image = torch.tensor(np.moveaxis(np.asarray(x), -1, 0).copy())
    assert torch_glow.copied(params).log_prob(image[None]).item() == pytest.approx(float(log_prob(x)), rel=1e-4)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # PyTorch's own, in its jvp
def test_every_part_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # for the processes that it starts
    results = curvature.main(dataclasses.replace(CONFIG, output=tmp_path / "curvature.json"))
    assert [row["way"].split(",")[0] for row in results["trace"]] == ["hessian_trace", "by_products", "torch.func"]
    assert all(row["limit_s"] > 0 for row in results["trace"])
    forward, products = results["weighted"]
    assert forward["value"] == pytest.approx(products["value"], rel=1e-3)
    small, large = (row["hessian_trace_mib"] for row in results["memory"])
    assert small < large


def test_an_estimate_needs_as_many_probes_as_its_variance_says():
    """The variance of v' A v over random signs is 2 sum of a_ij^2 over i != j."""
    matrix = symmetric(60)
    log_prob, x = quadratic(matrix), jnp.zeros(60)
    variance = 2 * (np.sum(matrix**2) - np.sum(np.diag(matrix) ** 2))
    probes, _ = estimators.hutchinson(log_prob, x, error=np.sqrt(variance / 1_000))
    assert probes == pytest.approx(1_000, rel=0.4)  # the variance of 128 probes has an error of an eighth
    assert estimators.xtrace(log_prob, x, error=1e-6 * np.sqrt(variance))[0] == 30
