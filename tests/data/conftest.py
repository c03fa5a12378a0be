"""No test sees the data that happens to lie on the machine, unless it asks for `official`."""

import numpy as np
import pytest

from glowjax.data import ImageSet, load


@pytest.fixture(autouse=True)
def _no_data_of_the_machine(monkeypatch, tmp_path_factory):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.mktemp("tfds")))


@pytest.fixture
def official(data_dir):
    """The folder of whole official sets."""
    if not (data_dir / "fashion_mnist_train.npz").is_file():
        pytest.skip("no folder of official archives (GLOWJAX_DATA_DIR)")
    return data_dir


@pytest.fixture
def notmnist(official):
    """The whole set; a test that needs it is skipped without its archive."""
    if not (official / "notmnist_small.npz").is_file():
        pytest.skip("no notmnist_small.npz among the official archives")
    return load("notmnist_small", "all", official)


@pytest.fixture
def small():
    """Thirty color images with labels, and groups of three."""
    images = np.random.default_rng(7).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)
    return ImageSet("small:test", images, np.arange(30), np.arange(30) // 3, "30 images: made for a test")
