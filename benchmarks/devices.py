"""Times a step and an evaluation of every model on 1, 2, 4 and 8 simulated devices, and in 1 and 2 processes.

    python -m benchmarks.devices

The batch is the same in each case and is divided among the devices, each a thread of the CPU (JAX_NUM_CPU_DEVICES), or
among processes with one device each on this machine. With more devices than cores, the table shows what dividing costs.
Efficiency is the seconds of the undivided products alone (benchmarks/arithmetic.py) divided by the seconds of the row.
Prints a table, writes JSON and draws one figure.
"""

import dataclasses
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import tyro
from matplotlib.figure import Figure

from benchmarks.arithmetic import limit
from benchmarks.glow import our_step
from benchmarks.scaling import TITLES, Name, Sizes, draw_models
from benchmarks.timing import OURS, Row, Runs, in_turn, run_parts
from glowjax import processes
from glowjax.cores import num_workers
from glowjax.plots.style import finished, new_figure, save, styled
from glowjax.train import log_likelihoods, step_devices
from glowjax.train.parallel import rows as rows_of

WORK = {"step": "training step", "evaluation": "evaluation"}


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the models to measure.
        num_devices: numbers of devices of one process.
        num_processes: numbers of processes of one device; a single one is the first case again and is left out.
        repeats: timed runs of each.
        output: the JSON file; the figure lies beside it.
    """

    parts: tuple[Name, ...] = ("nvp", "cv", "pixelcnn", "vae")
    num_devices: tuple[int, ...] = (1, 2, 4, 8)
    num_processes: tuple[int, ...] = (2,)
    repeats: int = 3
    output: Path = Path("results/benchmarks/devices.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints the table, writes it as JSON with the figure beside it, and returns it."""
    results = run_parts(PARTS, config)
    rows = [row for part in config.parts for row in results[part]]
    print("drawn in", save(figure(rows), config.output.with_name("devices_figure"), {"rows": rows}))
    return results


def divisions(name: Name, config: BenchmarkConfig) -> list[Row]:
    """The seconds and the efficiency of a model's step and of its evaluation, for each division."""
    cases = [(count, 1, str(count)) for count in config.num_devices]
    cases += [(1, count, f"{count} proc.") for count in config.num_processes]
    rows = []
    undivided: dict[str, float] = {}
    for num_devices, num_processes, title in cases:
        for row in _measured(name, num_devices, num_processes, config.repeats):
            whole = undivided.setdefault(row["work"], row["limit_s"])
            rows.append({"model": name, "value": title} | row)
            rows[-1] |= {"efficiency": whole / row["median_s"], "limit_efficiency": whole / row["limit_s"]}
    return rows


def _measured(name: Name, num_devices: int, num_processes: int, repeats: int) -> list[Row]:
    """The rows of new processes with so many devices each."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(num_devices)}
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from benchmarks.devices import measure; measure({name!r}, {repeats}, {address!r}, {num_processes}, "
                f"{number})",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(num_processes)
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError(f"A process of {name} on {num_devices} devices has failed; its error is above.")
    return json.loads(outputs[0].splitlines()[-1])


def measure(name: Name, repeats: int, address: str, num_processes: int, number: int) -> None:
    """Times a step and an evaluation in this process, together with the others, and prints the rows as JSON."""
    if num_processes > 1:
        processes.initialize(address, num_processes, number)
    case, key = Sizes(name), jax.random.key(2)
    model, params, images = case.model(), case.params(), case.images()
    shared = step_devices(len(images))
    step = our_step(model, params, images[rows_of(shared, len(images))], shared)
    count = num_workers()
    share = images[: len(images) // count]
    evaluate = functools.partial(log_likelihoods, model, params, key, images, batch_size=len(share))
    alone = {
        "step": case.step_limit(),
        "evaluation": limit(model.log_likelihood, params, key, share, workers=count),
    }
    rows = []
    runs: Runs = {"step": step, "evaluation": evaluate}
    for work, run in runs.items():
        (row,) = in_turn({OURS: run}, repeats, limit=alone[work])
        rows.append({"work": work} | row)
    print(json.dumps(rows), flush=True)
    processes.finalize()


@styled
def figure(rows: list[Row]) -> Figure:
    """Two panels, a step and an evaluation: the efficiency of each model by devices, and that of its products alone."""
    drawn, panels = new_figure(3.4, 2)
    values = list(dict.fromkeys(row["value"] for row in rows))
    for axes, (work, title) in zip(panels, WORK.items(), strict=True):
        part = [row for row in rows if row["work"] == work]
        in_one = [row for row in part if row["value"].isdecimal()]
        in_several = [row for row in part if row not in in_one]  # no line leads from devices to processes
        draw_models(axes, in_one, values, _efficiencies)
        draw_models(axes, in_several, values, _efficiencies, labeled=False)
        axes.set_ylim(0, None)
        axes.set_title(title)
        axes.set_xlabel("devices that share a batch, or processes")
        axes.set_ylabel("efficiency")
        axes.grid(visible=True, alpha=0.3)
    return finished(drawn, panels[0], num_columns=5)


def _efficiencies(row: Row) -> tuple[float, float]:
    return row["efficiency"], row["limit_efficiency"]


PARTS: dict[Name, Callable[[BenchmarkConfig], list[Row]]] = {
    name: functools.partial(divisions, name) for name in TITLES
}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
