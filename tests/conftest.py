"""What every test shares: keys, the data folder, and a second device for the parallel ones."""

import gc
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the experiments run from a checkout; they are not installed

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_disable_most_optimizations", True)  # compiling is most of a test's time, and this halves it

DATA_DIR = Path(os.environ.get("GLOWJAX_DATA_DIR", ROOT.parent / "shared" / "data"))


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_programs():
    """Each program that XLA compiles holds memory maps, of which a process may have 65,530; a whole run needs more."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def float64():
    """Double precision within a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def data_dir():
    """The optional folder of whole image sets; a test that needs it is skipped without it."""
    if not DATA_DIR.is_dir():
        pytest.skip(f"needs whole image sets in {DATA_DIR}; set GLOWJAX_DATA_DIR")
    return DATA_DIR


@pytest.fixture
def images():
    """Eight small grey images with structure: [8, 8, 8, 1] uint8."""
    rng = np.random.default_rng(0)
    ramps = np.linspace(0, 1, 8)[None, :, None, None] * rng.uniform(50, 200, (8, 1, 8, 1))
    return np.clip(ramps + rng.normal(0, 10, (8, 8, 8, 1)), 0, 255).astype(np.uint8)
