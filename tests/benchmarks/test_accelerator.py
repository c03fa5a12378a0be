"""The benchmark of accelerators at tiny sizes on a CPU: its verdicts, what fails or takes too long, what it imports."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks.accelerator import correctness
from benchmarks.accelerator.cases import cases, optimizer
from benchmarks.accelerator.report import Job, Report, exit_code
from glowjax.analysis import laplacian
from glowjax.train import make_state, train_step

ROOT = Path(__file__).parents[2]
SMALL = correctness.NAMES[0]

ONLY_JAX = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "PIL", "array_record", "chex", "grain", "jinja2", "matfree", "matplotlib", "sklearn", "tensorboardX",
            "tensorflow", "tensorflow_datasets", "tqdm", "tyro",
        }:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
runpy.run_module("benchmarks.accelerator", run_name="__main__")
"""
"""Runs the command where little more than JAX, Flax and Optax is installed."""

HANGS = """
import pathlib, time
from benchmarks.accelerator.report import Job, Report

jobs = [Job("a", "fast", lambda: [{"x": 1}], 0), Job("a", "hangs", lambda: time.sleep(99), 1)]
jobs += [Job("b", "last", list, 2)]
Report(pathlib.Path("out.json"), 0.5 / 60, {}).run(jobs)
"""


def verdicts(factor):
    """Of log p under a pretrained model, if this device computes the stored values times a factor."""
    stored = np.load(correctness.STORED)[f"{SMALL}: log p"]
    return list(correctness.rows(SMALL, "highest", lambda *_: {"log p": stored * factor}))


def test_a_value_that_differs_from_the_stored_one_is_wrong():
    right, wrong, nan = (verdicts(factor) for factor in (1 + 1e-7, 1 + 1e-4, np.nan))
    assert [row["verdict"] for row in right] == ["ok"]
    assert [row["verdict"] for row in wrong] == [row["verdict"] for row in nan] == ["WRONG"]
    assert wrong[0]["error"] == pytest.approx(1e-4, rel=1e-3)
    assert [exit_code({"correctness": rows}) for rows in (right, right + wrong)] == [0, 1]


def test_every_quantity_of_every_model_is_stored_and_has_a_tolerance():
    stored = set(np.load(correctness.STORED).files) - {"x"}
    values = set(correctness.QUANTITIES) - {correctness.ROUND_TRIP}
    assert stored == {f"{name}: {quantity}" for name in correctness.NAMES for quantity in values}
    assert all(set(tolerances) == set(correctness.QUANTITIES) for tolerances in correctness.TOLERANCES.values())


def test_a_failure_is_a_row_and_the_others_follow_by_urgency(tmp_path, capsys):
    def fails():
        yield {"x": 1}
        raise MemoryError("RESOURCE_EXHAUSTED: 7 GiB\nmore")

    jobs = [Job("b", "second", lambda: [{"y": 2}], 2), Job("a", "first", fails, 1)]
    results = Report(tmp_path / "out.json", 1, {"device": "none"}).run(jobs)
    assert json.loads((tmp_path / "out.json").read_text()) == results
    assert results["a"] == [{"x": 1}, {"of": "first", "failed": "MemoryError: RESOURCE_EXHAUSTED: 7 GiB"}]
    assert (results["b"], results["left_out"], list(results)[-2:]) == ([{"y": 2}], [], ["a", "b"])
    assert "MemoryError" in capsys.readouterr().out


def test_what_the_time_does_not_allow_is_named_and_the_process_ends(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", HANGS], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    results = json.loads((tmp_path / "out.json").read_text())
    assert (done.returncode, results["a"], results["left_out"]) == (0, [{"x": 1}], ["a: hangs", "b: last"])
    assert "left out, because the time was over: b: last" in done.stdout


def for_accelerators(function, *args):
    """The program of a function as GPUs and TPUs get it; nothing is compiled."""
    return jax.jit(function).trace(*args).lower(lowering_platforms=("cuda", "tpu")).as_text()


@pytest.mark.parametrize("case", [case for case in cases(tiny=True) if case.kind != "cv"], ids=str)
def test_a_step_on_an_accelerator_has_xlas_convolutions_and_nothing_of_lapack(case, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    model, adam, images = case.model(), optimizer(), case.images(3)

    def step(params, key):
        return train_step(model, adam, make_state(params, adam), key, images)

    program = for_accelerators(step, case.shapes(), jax.random.key(0))
    assert "stablehlo.convolution" in program
    assert "custom_call" not in program


def test_a_laplacian_can_be_computed_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    case = cases(tiny=True)[0]
    model, params, x = case.model(), case.params(), case.images(1)[0].astype(np.float32)
    assert "stablehlo.convolution" in for_accelerators(lambda x: laplacian(lambda x: model.log_prob(params, x), x), x)


@pytest.mark.release
def test_the_command_needs_little_more_than_jax(tmp_path):
    parts = ["correctness", "peak", "steps", "likelihoods", "curvature", "devices"]
    command = [sys.executable, "-c", ONLY_JAX, "--tiny", "--output", tmp_path / "out.json", "--parts", *parts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    assert results["left_out"] == []
    failed = [row for part in parts for row in results[part] if "failed" in row]
    assert [row["of"] for row in failed] == []
    assert {row["verdict"] for row in results["correctness"]} == {"ok"}
    assert {row["model"].split()[0] for row in results["steps"]} == {"nvp", "cv", "pixelcnn", "vae"}


@pytest.mark.release
def test_the_curvature_of_a_pretrained_model_is_the_stored_one():
    rows = list(correctness.rows(SMALL, "default", correctness.curvature_values))
    assert [row["quantity"] for row in rows] == list(correctness.QUANTITIES[-3:])
    assert {row["verdict"] for row in rows} == {"ok"}


@pytest.mark.release
@pytest.mark.parametrize("case", [case for case in cases(tiny=True) if case.kind != "cv"], ids=str)
def test_pytorch_computes_the_same_and_is_measured(case, monkeypatch):
    from benchmarks.accelerator import device, torch_rows

    monkeypatch.setattr(device, "LEAST_SECONDS", 0.0)
    rows = list(torch_rows.rows(case, torch_rows.WAYS[:2]))
    assert [(row["what"], row["way"]) for row in rows] == [
        (what, way) for way in ("torch", "channels last") for what in ("step", "likelihood")
    ]
    assert all(row["images_per_s"] > 0 for row in rows)
