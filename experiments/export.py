"""Writes the weights of a trained Glow as `glowjax.load_pretrained` reads them: a NumPy archive and its description.

    python -m experiments.export --run-dir runs/nvp-fashion --name fashion-mnist-small --command "..."

The weights are the averaged params of the run's best checkpoint; the description holds their SHA-256 hash and the
command that trained them.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments.command_line import run
from experiments.report.trained import load_flow
from glowjax.checks import writable_directory
from glowjax.pretrained import packed


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is written, and where.

    Attributes:
        run_dir: of a trained NVP- or CV-Glow.
        name: by which it will be loaded.
        command: that trained it.
        output_dir: of NAME.npz and NAME.json.
    """

    run_dir: Path
    name: str
    command: str
    output_dir: Path = Path("results/pretrained")


def main(config: ExportConfig) -> dict[str, Any]:
    """Writes the two files; returns the description."""
    trained = load_flow(config.run_dir)
    folder = writable_directory(config.output_dir)
    weights = folder / f"{config.name}.npz"
    np.savez_compressed(weights, allow_pickle=False, **packed(trained.params))
    glow = trained.architecture
    sizes = ["kind", "num_scales", "num_steps", "width", "conditioner", "activation"]
    sizes += ["log_scale_bound"] if glow.kind == "nvp" else []
    description = {
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "model": {name: getattr(glow, name) for name in sizes},
        "image_shape": list(trained.params.image_shape),
        "in_dist": trained.name,
        "num_images": trained.description["num_images"],
        "num_training_steps": trained.step,
        "bits_per_dim": round(min(record["validation"] for record in trained.history), 4),
        "command": config.command,
    }
    (folder / f"{config.name}.json").write_text(json.dumps(description, indent=1) + "\n")
    print(f"{weights}: {weights.stat().st_size / 1e6:.2f} MB")
    return description


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ExportConfig, args=arguments, description=__doc__))
