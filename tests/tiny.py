"""A data set of ramps and a training run on it, small enough for a test of a whole experiment."""

import numpy as np

from experiments.presets import TrainConfig, TrainingConfig
from experiments.report.scoring import Evaluation, Scored
from glowjax.data import ImageSet
from glowjax.layers import ActNorm, Chain, PixelScaling, Squeeze
from glowjax.models import Flow, GlowConfig

TINY = TrainConfig(
    in_dist="ramps",
    watch=("noise",),
    model=GlowConfig(num_scales=1, num_steps=1, width=4),
    training=TrainingConfig(num_steps=6, batch_size=16, warmup_steps=2, evaluate_every=3),
)


def write_ramps(folder):
    """A set of ramps in two classes, one of paler ramps cut from photos, and one of another shape."""
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 8)[:, None, None] * rng.uniform(50, 250, (200, 1, 1, 1)) * np.ones((1, 8, 8, 1))
    labels = (ramps[:, -1, 0, 0] > 150).astype(np.int64)  # bright or dim
    pale = (ramps / 8 + 100).astype(np.uint8)
    np.savez(folder / "ramps_train.npz", image=ramps.astype(np.uint8), label=labels)
    np.savez(folder / "ramps_test.npz", image=ramps[:60].astype(np.uint8), label=labels[:60])
    np.savez(folder / "others_train.npz", image=pale)
    np.savez(folder / "others_test.npz", image=pale[:40], source_image=np.arange(40) // 2)
    np.savez(folder / "large_test.npz", image=np.zeros((20, 16, 16, 1), np.uint8))


def evaluation(log_likelihood):
    """Images called theirs:test with this log-likelihood or a little more, beside mine:test with -50."""
    own, other = (
        Scored(ImageSet(name, np.zeros((20, 2, 2, 1), np.uint8)), np.linspace(value, value + 1, 20))
        for name, value in (("mine:test", -50.0), ("theirs:test", log_likelihood))
    )
    return Evaluation(own, {"theirs:test": other})


def flow():
    """A model that only a builder can name: it has a layer that no configuration has."""
    return Flow(Chain((PixelScaling(), Squeeze(), ActNorm())))


def auroc(in_scores, out_scores):
    """The share of pairs in which the OOD image has the higher score; ties count half."""
    pairs = out_scores[:, None] - in_scores
    return np.mean(pairs > 0) + np.mean(pairs == 0) / 2
