"""Training in one call (`fit`), trained models on disk (`load`, `save`), and the pieces of both."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glowjax.cores import EvaluationInterrupted
    from glowjax.train.evaluation import evaluate, in_batches, log_likelihoods, samples
    from glowjax.train.fitting import fit
    from glowjax.train.optimizer import make_optimizer
    from glowjax.train.parallel import compiled_step, pmapped_step, step_devices
    from glowjax.train.saved import load, load_pretrained, save
    from glowjax.train.signals import Interrupted
    from glowjax.train.step import TrainState, make_state, train_step
    from glowjax.train.trained import Trained

__all__ = [
    "EvaluationInterrupted",
    "Interrupted",
    "TrainState",
    "Trained",
    "compiled_step",
    "evaluate",
    "fit",
    "in_batches",
    "load",
    "load_pretrained",
    "log_likelihoods",
    "make_optimizer",
    "make_state",
    "pmapped_step",
    "samples",
    "save",
    "step_devices",
    "train_step",
]

MODULES = {
    "glowjax.cores": ("EvaluationInterrupted",),
    "glowjax.train.evaluation": ("evaluate", "in_batches", "log_likelihoods", "samples"),
    "glowjax.train.fitting": ("fit",),
    "glowjax.train.optimizer": ("make_optimizer",),
    "glowjax.train.parallel": ("compiled_step", "pmapped_step", "step_devices"),
    "glowjax.train.saved": ("load", "load_pretrained", "save"),
    "glowjax.train.signals": ("Interrupted",),
    "glowjax.train.step": ("TrainState", "make_state", "train_step"),
    "glowjax.train.trained": ("Trained",),
}
"""The names of this package by the module that has them. A module is imported when one of its names is first used, so
that a step needs none of the packages that read and write files."""


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
