"""Training in one call (`fit`), trained models on disk (`load`, `save`), and the pieces of both."""

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
