"""Models that diverged: said, and kept out of files of results and weights."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults import runs
from benchmarks.faults.pages import is_json
from benchmarks.faults.row import Lab, Trial, row, trial

RATES = ("1e3", "1e6", "1e38", "nan", "inf")


@row("Trainings at learning rates up to 1e38, inf and NaN", "said, or refused; no checkpoint holds NaN")
def learning_rates(lab: Lab) -> Iterator[Trial]:
    """Trains at each learning rate."""
    import numpy as np

    from glowjax.train.checkpoint import Checkpoints

    for rate in RATES:
        out = lab.path("rate")
        done = runs.run(lab, runs.words(out, "--training.learning-rate", rate))
        finite = True
        for step in runs.steps(out):
            arrays = Checkpoints(out / "checkpoints", read_only=True).read(step).arrays
            del arrays["gradient_norm"]  # it tells what happened
            finite &= all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")
        scores = [record["validation"] for record in runs.metrics(out) if record.get("validation") is not None]
        is_useful = bool(scores) and min(scores) < 8
        claims = {
            "exit 0 or 2": done.code in (0, 2),
            "no traceback": done.is_orderly,
            "checkpoints of finite numbers": finite,
            f"said ({scores[-1:]} bits/dim)": is_useful or bool(done.lines),
        }
        yield trial(f"a rate of {rate}", claims, done)


@row("Reports, rankings and weights of a model of NaN", "said, or refused; no NaN in JSON; no weights written")
def models_of_nan(lab: Lab) -> Iterator[Trial]:
    """Gives a run averaged params of NaN, and runs the experiments that read it."""
    from glowjax.train.checkpoint import Checkpoints

    broken = runs.copy_of_base(lab, "broken", at=40)
    checkpoints = Checkpoints(broken / "checkpoints")
    saved = checkpoints.read(40)
    nan = {name: array * _factor(name) if array.dtype.kind == "f" else array for name, array in saved.arrays.items()}
    checkpoints.save(45, nan, 1.0, saved.description)
    for experiment in ("likelihoods", "rankings", "model-samples"):
        out = lab.path(experiment)
        options = ["--run-dir", str(broken), "--num-images", "20", "--output-dir", str(out)]
        others = [] if experiment == "model-samples" else ["--out-dists", "other"]
        done = runs.run(lab, [sys.executable, "-m", "experiments", experiment, *options, *others])
        written = list(out.rglob("*.json"))
        claims = {
            "exit 0 or 2": done.code in (0, 2),
            "no traceback": done.is_orderly,
            "JSON": all(map(is_json, written)),
            "said": bool(done.lines) or "nan" in _page(out).lower() or "finite" in _page(out),
        }
        yield trial(experiment, claims, done)
    file = lab.path("model.safetensors")
    done = runs.run(
        lab, [sys.executable, "-m", "experiments", "export", "--run-dir", str(broken), "--output", str(file)]
    )
    yield trial(
        "export", {"exit 2": done.code == 2, "no traceback": done.is_orderly, "no file": not file.exists()}, done
    )


def _factor(name: str) -> Any:
    return float("nan") if name.startswith("ema_params") else 1


def _page(out: Path) -> str:
    page = out / "report.md"
    return page.read_text() if page.exists() else ""
