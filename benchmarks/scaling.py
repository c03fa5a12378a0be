"""Times a training step of every model by width, depth, batch and image size, beside its arithmetic limit.

    python -m benchmarks.scaling

One size changes at a time, the others stay those of `BASE`. The limit is that of benchmarks/arithmetic.py: the products
of the step alone. A VAE has no depth to change. Prints a table, writes JSON and draws one figure.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.arithmetic import step_limit
from benchmarks.glow import our_step
from benchmarks.timing import OURS, Row, in_turn, run_parts
from glowjax import PixelCNN, conv_vae, cv_glow, nvp_glow
from glowjax.layers.repeat import Memory
from glowjax.models import ImageModel
from glowjax.plots.style import COLORS, finished, new_figure, save, styled
from glowjax.train import step_devices
from glowjax.typing import Params

Name = Literal["nvp", "cv", "pixelcnn", "vae"]

LABELS = {
    "width": "width (features)",
    "depth": "depth (steps per scale, or layers)",
    "batch_size": "images per batch",
    "size": "height and width of an image (pixels)",
}
TITLES: dict[Name, str] = {"nvp": "nvp Glow", "cv": "cv Glow", "pixelcnn": "PixelCNN", "vae": "VAE"}

TICKS = [digit * 10.0**power for power in range(-5, 4) for digit in (1, 2, 5)]
"""The seconds at which the figure may have ticks."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """A model, its images and its batch."""

    name: Name = "nvp"
    width: int = 32
    depth: int = 4
    batch_size: int = 32
    size: int = 32

    def model(self, memory: Memory = "remat") -> ImageModel:
        """The model; flows have three scales."""
        if self.name == "pixelcnn":
            return PixelCNN(self.depth, self.width)
        if self.name == "vae":
            return conv_vae(64, self.width)
        return (nvp_glow if self.name == "nvp" else cv_glow)(3, self.depth, self.width, memory=memory)

    def images(self) -> np.ndarray:
        """A batch of uint8 images [N, H, W, 3], uniform."""
        return np.random.default_rng(0).integers(0, 256, (self.batch_size, self.size, self.size, 3), np.uint8)

    def params(self) -> Params:
        """The initial params."""
        return self.model().init(jax.random.key(0), self.images())

    def step_limit(self) -> Callable[[], Any]:
        """The products of a step alone, without those that it repeats to save memory."""
        images = self.images()
        return step_limit(self.model("store"), self.params(), images, len(step_devices(len(images))))


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the models to measure.
        base: the sizes of which one at a time is changed.
        width: features of the networks.
        depth: steps per scale of a flow, layers of a PixelCNN.
        batch_size: images per step.
        size: height and width of the images.
        repeats: timed runs of each.
        output: the JSON file; the figure lies beside it.
    """

    parts: tuple[Name, ...] = ("nvp", "cv", "pixelcnn", "vae")
    base: Sizes = Sizes()
    width: tuple[int, ...] = (16, 32, 64)
    depth: tuple[int, ...] = (2, 4, 8)
    batch_size: tuple[int, ...] = (8, 32, 128)
    size: tuple[int, ...] = (16, 32, 64)
    repeats: int = 3
    output: Path = Path("results/benchmarks/scaling.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints the table, writes it as JSON with the figure beside it, and returns it."""
    results = run_parts(PARTS, config)
    rows = [row for part in config.parts for row in results[part]]
    print("drawn in", save(figure(rows), config.output.with_name("scaling_figure"), {"rows": rows}))
    return results


def scaling(name: Name, config: BenchmarkConfig) -> list[Row]:
    """The seconds of a model's step and of its products, for each changed size."""
    rows: list[Row] = []
    done: dict[Sizes, Row] = {}
    for varied in LABELS:
        for value in () if (name, varied) == ("vae", "depth") else getattr(config, varied):
            case = dataclasses.replace(config.base, name=name, **{varied: value})
            if case not in done:
                done[case] = _timed(case, config.repeats)
            rows.append({"model": name, "varied": varied, "value": value} | done[case])
    return rows


def _timed(case: Sizes, repeats: int) -> Row:
    (row,) = in_turn({OURS: our_step(case.model(), case.params(), case.images())}, repeats, limit=case.step_limit())
    return row


@styled
def figure(rows: list[Row]) -> Figure:
    """One panel for each size that changes: seconds of a step and of its products, both axes logarithmic."""
    every = [row[key] for row in rows for key in ("median_s", "limit_s")]
    drawn, panels = new_figure(5.6, 4, num_columns=2)
    for axes, varied in zip(panels, LABELS, strict=True):
        part = [row for row in rows if row["varied"] == varied]
        values = sorted({row["value"] for row in part})
        draw_models(axes, part, values, lambda row: (row["median_s"], row["limit_s"]))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(0.6 * min(every), 1.6 * max(every))
        axes.set_yticks([tick for tick in TICKS if min(every) / 2 < tick < 2 * max(every)])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.set_xlabel(LABELS[varied])
        axes.set_ylabel("seconds per step")
        axes.grid(visible=True, alpha=0.3)
    return finished(drawn, panels[0], num_columns=len(TITLES) + 1)


def draw_models(
    axes: Axes, rows: list[Row], values: list[Any], of: Callable[[Row], tuple[float, float]], *, labeled: bool = True
) -> None:
    """A solid line for each model and a dashed one for its limit, at the places of `values`; `of` gives both."""
    for (name, title), color in zip(TITLES.items(), COLORS, strict=False):
        points = {row["value"]: of(row) for row in rows if row["model"] == name}
        if points:
            places = [value for value in values if value in points]
            measured, limits = zip(*(points[place] for place in places), strict=True)
            axes.plot(places, measured, marker="o", markersize=3.5, color=color, label=title if labeled else None)
            axes.plot(places, limits, color=color, linestyle="--", marker="_")
    if labeled:
        axes.plot([], [], color="grey", linestyle="--", marker="_", label="products alone")


PARTS: dict[Name, Callable[[BenchmarkConfig], list[Row]]] = {name: functools.partial(scaling, name) for name in TITLES}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
