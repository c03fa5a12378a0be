"""Writes a trained model to one `.safetensors` file, which `glowjax.load` and every experiment read.

    python -m experiments.export --run-dir runs/nvp-fashion --output mine.safetensors

The file holds the averaged params of the run's best step, and the description of the model and its training.
"""

import dataclasses
from pathlib import Path
from typing import Any

import tyro

import glowjax as gj
from experiments.command_line import run


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """The run and the file.

    Attributes:
        run_dir: folder of the trained model's run.
        output: the file to write; it ends in .safetensors.
    """

    run_dir: Path
    output: Path


def main(config: ExportConfig) -> dict[str, Any]:
    """Writes the file; returns its path and size."""
    path = gj.save(gj.load(config.run_dir), config.output)
    print(f"The model is in {path}, {path.stat().st_size / 1e6:.2f} MB.")
    return {"path": str(path), "bytes": path.stat().st_size}


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ExportConfig, args=arguments, description=__doc__))
