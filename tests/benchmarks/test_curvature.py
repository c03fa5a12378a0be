"""The curvature benchmark from end to end at tiny sizes, and its PyTorch flow against ours."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import curvature
from benchmarks.curvature import BenchmarkConfig, FlowSize

torch = pytest.importorskip("torch")
TINY = FlowSize(size=8, channels=1, num_scales=2, num_steps=2, width=8)
TINIEST = dataclasses.replace(TINY, num_scales=1, num_steps=1)
CONFIG = BenchmarkConfig(small=TINIEST, large=TINIEST, num_images=4, chunk_sizes=(8,), repeats=1)


def test_the_torch_flow_has_our_log_density():
    from benchmarks import torch_glow

    log_prob, params, x = curvature.problem(dataclasses.replace(TINY, channels=3))
    flow = torch_glow.copied(params)
    image = torch.tensor(np.moveaxis(np.asarray(x), -1, 0).copy())
    assert flow.log_prob(image[None]).item() == pytest.approx(float(log_prob(x)), rel=1e-4)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # PyTorch's own, in its jvp
def test_every_part_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # for the processes that it starts
    results = curvature.main(dataclasses.replace(CONFIG, output=tmp_path / "new" / "curvature.json"))
    written = json.loads((tmp_path / "new" / "curvature.json").read_text())
    assert {part: written[part] for part in curvature.PARTS} == {part: results[part] for part in curvature.PARTS}
    assert [row["way"].split(",")[0] for row in results["trace"]] == ["hessian_trace", "by_products", "torch.func"]
    forward, products = results["weighted"]
    assert forward["value"] == pytest.approx(products["value"], rel=1e-3)
    small, large = (row["hessian_trace_mib"] for row in results["memory"])
    assert small < large
