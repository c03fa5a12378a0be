"""What `experiments.search` tries: changes of a Glow's preset, by name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.presets import TrainConfig


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What differs from the preset: options of the model and of the training."""

    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def of(self, preset: TrainConfig) -> TrainConfig:
        """The preset with these options."""
        model = dataclasses.replace(preset.model, **self.model)
        return dataclasses.replace(preset, model=model, training=dataclasses.replace(preset.training, **self.training))


CANDIDATES: dict[str, Candidate] = {
    "the preset": Candidate(),
    "width 32": Candidate(model={"width": 32}),
    "width 64": Candidate(model={"width": 64}),
    "width 128": Candidate(model={"width": 128}),
    "4 steps a scale": Candidate(model={"num_steps": 4}),
    "16 steps a scale": Candidate(model={"num_steps": 16}),
    "swish": Candidate(model={"activation": "swish"}),
    "scales in (0.27, 0.993)": Candidate(model={"log_scale_bound": 3.0}),
    "batch 8": Candidate(training={"batch_size": 8}),
    "batch 16": Candidate(training={"batch_size": 16}),
    "batch 32": Candidate(training={"batch_size": 32}),
    "batch 128": Candidate(training={"batch_size": 128}),
    "learning rate 0.005": Candidate(training={"learning_rate": 5e-3}),
    "learning rate 0.02": Candidate(training={"learning_rate": 2e-2}),
    "Adam, 0.001": Candidate(training={"optimizer": "adam", "learning_rate": 1e-3}),
}
