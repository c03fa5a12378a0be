"""Checks and measures glowjax on the accelerators of this machine, within nine minutes.

    python -m benchmarks.accelerator

`correctness` compares log densities, gradients, latents, round trips and curvature of the pretrained models with stored
float64 values. `peak` is the rate of a large matrix product. `steps` and `likelihoods` are those of every model at the
sizes of its presets, by `lax.conv` or products, at several precisions and dtypes and in each memory mode, with the
images per second, the fraction of the peak and the memory. `torch` has PyTorch's, where that is installed. `curvature`
times exact traces, and `devices` steps over 1, 2, 4, ... local devices.

Rows come by importance, and each is in the JSON file at once. What fails is a row with its reason. What does not fit
the time is named at the end. The exit code is 1 if a value is wrong.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PARTS = ("correctness", "peak", "steps", "likelihoods", "torch", "curvature", "devices")


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.accelerator", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=9.0, help="time after which the command ends (default: 9)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="the parts to run (default: all)")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to see whether everything runs")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/accelerator.json"), help="JSON file")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs the parts, prints their tables and returns what the JSON file holds."""
    chosen = options(words)
    # JAX would take most of the memory at its start, and PyTorch runs beside it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from benchmarks.accelerator import correctness, curvature, device, sharing, speed, torch_process
    from benchmarks.accelerator.cases import cases
    from benchmarks.accelerator.report import Job, Report, about_devices

    about = about_devices()
    print(about, flush=True)
    report = Report(chosen.output, chosen.minutes, about)
    models, rates = cases(chosen.tiny), {}

    def measure_peaks() -> list[Any]:
        rates.update(device.peaks(chosen.tiny))
        return device.peak_rows(rates)

    jobs = [Job("peak", "matrix products", measure_peaks, 0)]
    jobs += correctness.jobs(chosen.tiny)
    jobs += (speed.tiny_jobs if chosen.tiny else speed.jobs)(models, rates)
    jobs += torch_process.jobs(models[:1] if chosen.tiny else models, chosen.tiny, lambda: report.seconds_left)
    jobs += curvature.jobs(chosen.tiny)
    jobs += sharing.jobs(models[:1] if chosen.tiny else models)
    return report.run(job for job in jobs if job.part in chosen.parts)


if __name__ == "__main__":
    from benchmarks.accelerator.report import exit_code

    raise SystemExit(exit_code(main()))
