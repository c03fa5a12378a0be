"""Training: pure steps, their compiled forms, and the host's loop with checkpoints."""

from glowjax.train.checkpoint import Checkpoints
from glowjax.train.evaluate import in_batches, log_likelihoods, samples
from glowjax.train.loop import Run, evaluate, train
from glowjax.train.optimizer import make_optimizer
from glowjax.train.parallel import compiled_step, pmapped_step, step_devices
from glowjax.train.state import TrainState, make_state
from glowjax.train.step import train_step

__all__ = [
    "Checkpoints",
    "Run",
    "TrainState",
    "compiled_step",
    "evaluate",
    "in_batches",
    "log_likelihoods",
    "make_optimizer",
    "make_state",
    "pmapped_step",
    "samples",
    "step_devices",
    "train",
    "train_step",
]
