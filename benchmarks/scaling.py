"""Times a training step by width, depth, batch and image size, beside the machine's arithmetic limit.

    python -m benchmarks.scaling

One size changes at a time, the others stay those of `--base`. The limit is that of benchmarks/arithmetic.py. Prints a
table, writes JSON and draws one figure.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import tyro
from matplotlib.figure import Figure

from benchmarks.glow import GlowCase, limit_of, our_step
from benchmarks.timing import OURS, Row, in_turn, run_parts
from glowjax.plots.style import finished, line_styles, new_figure, save, styled

Part = Literal["scaling"]
LABELS = {
    "width": "width of the conditioners",
    "num_steps": "steps per scale",
    "batch_size": "images per batch",
    "size": "height and width of an image (pixels)",
}


TICKS = [digit * 10.0**power for power in range(-5, 4) for digit in (1, 2, 5)]
"""The seconds at which the figure may have ticks."""

BASE = GlowCase(32, 3, 3, 8, 64, 32)


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the only part.
        base: the sizes of which one at a time is changed.
        width: hidden features of the conditioners.
        num_steps: steps per scale.
        batch_size: images per step.
        size: height and width of the images.
        repeats: timed runs of each.
        output: the JSON file; the figure lies beside it.
    """

    parts: tuple[Part, ...] = ("scaling",)
    base: GlowCase = BASE
    width: tuple[int, ...] = (32, 64, 128, 256)
    num_steps: tuple[int, ...] = (2, 4, 8, 16, 32)
    batch_size: tuple[int, ...] = (8, 16, 32, 64)
    size: tuple[int, ...] = (16, 32, 64)
    repeats: int = 5
    output: Path = Path("results/benchmarks/scaling.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints the table, writes it as JSON with the figure beside it, and returns it."""
    results = run_parts(PARTS, config)
    print(
        "drawn in",
        save(figure(results["scaling"]), config.output.with_name("scaling_figure"), {"rows": results["scaling"]}),
    )
    return results


def scaling(config: BenchmarkConfig) -> list[Row]:
    """The median seconds of a step and of its products, for each changed size."""
    rows = []
    for varied in LABELS:
        for value in getattr(config, varied):
            case = dataclasses.replace(config.base, **{varied: value})
            step = our_step(case.model(), case.params(), case.images(case.batch_size))
            (row,) = in_turn({OURS: step}, config.repeats, limit=limit_of("step", case))
            rows.append({"varied": varied, "value": value} | row)
    return rows


@styled
def figure(rows: list[Row]) -> Figure:
    """One panel for each size that changes: seconds of a step and of its products, both axes logarithmic."""
    names = {"median_s": "training step", "limit_s": "its matrix products alone"}
    every = [row[key] for row in rows for key in names]
    drawn, panels = new_figure(5.2, 4, num_columns=2)
    for axes, varied in zip(panels, LABELS, strict=True):
        part = [row for row in rows if row["varied"] == varied]
        values = [row["value"] for row in part]
        for (key, label), style in zip(names.items(), line_styles(names).values(), strict=True):
            axes.loglog(values, [row[key] for row in part], marker="o", markersize=3.5, label=label, **style)
        axes.set_ylim(0.6 * min(every), 1.6 * max(every))
        axes.set_yticks([tick for tick in TICKS if min(every) / 2 < tick < 2 * max(every)])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.set_xlabel(LABELS[varied])
        axes.set_ylabel("seconds")
        axes.grid(visible=True, alpha=0.3)
    return finished(drawn, panels[0])


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {"scaling": scaling}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
