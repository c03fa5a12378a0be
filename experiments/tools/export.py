"""One file of a trained model, which `glowjax.load`, every experiment and PyTorch read.

    python -m experiments export --run-dir runs/fashion --output fashion.safetensors

The file holds the averaged params of the run's best step, and describes the model and its training in its header.
"""

import dataclasses
from pathlib import Path

import glowjax as gj
from experiments.report.trained import load


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Options of the export.

    Attributes:
        run_dir: folder of a run of `train`.
        output: the file to write; it ends in .safetensors.
    """

    run_dir: Path
    output: Path


def main(config: ExportConfig) -> str:
    """Writes the file."""
    path = gj.save(load(config.run_dir), config.output)
    return f"The model is in {path}, {path.stat().st_size / 1e6:.2f} MB."
