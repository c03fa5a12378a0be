"""Tiny data sets and training runs that all tests of experiments share, made once per session."""

import dataclasses
import fcntl

import pytest
from tiny import TINY, write_ramps

from experiments import train
from glowjax.models import GlowConfig, PixelCNNConfig, VAEConfig

MODELS = {
    "nvp": TINY.model,
    "cv": GlowConfig("cv", num_scales=1, num_steps=1, width=4, memory="invert"),
    "pixelcnn": PixelCNNConfig(num_layers=1, width=4, head_width=4),
    "vae": VAEConfig(num_latents=2, width=4),
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder that the workers of a session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(shared):
    """A function that returns the folder `name`, after `make(folder)` has filled it once in the session."""

    def folder_of(name, make):
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                folder.mkdir()
                make(folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def folder(once):
    """A data folder with a set of ramps, one of other images and one of another shape. Tests leave it as it is."""
    return once("data", write_ramps)


@pytest.fixture(scope="session")
def trained_run(once, folder):
    """A function that returns the folder of a tiny run. Tests leave it as it is."""

    def run_of(kind="nvp", in_dist="ramps", seed=0):
        training = dataclasses.replace(TINY.training, seed=seed)
        config = dataclasses.replace(TINY, model=MODELS[kind], in_dist=in_dist, training=training, data_dir=folder)
        return once(
            f"{in_dist}-{kind}-{seed}", lambda run_dir: train.main(dataclasses.replace(config, output_dir=run_dir))
        )

    return run_of
