"""Settings and fixtures of all tests: a compilation cache, a second device, images, data, and the expected skips."""

import gc
import os
import re
import signal
import sys
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest

gc.set_threshold(20_000, 10, 10)  # looking for garbage took a tenth of all time

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the experiments run from a checkout; they are not installed

# Compiling takes most of a test's time. These settings cut it to a fifth; the processes that tests start have them too.
FLAGS = ["--xla_cpu_opt_preset=FAST_COMPILE", "--xla_cpu_parallel_codegen_split_count=1"]
if jax.__version__.startswith("0.10."):  # a later JAX ends the process at a flag that it does not know
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
jax.config.update("jax_disable_most_optimizations", True)
# Workers, later runs and the processes that tests start share what was compiled.
CACHE = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "xla"))
jax.config.update("jax_compilation_cache_dir", CACHE)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A shell ignores these for what it starts in the background, and the tests send them.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

DATA_DIR = Path(os.environ.get("GLOWJAX_DATA_DIR", ROOT.parent / "shared" / "data"))
MOST_MEMORY_MAPS = 40_000  # Linux allows a process 65,530; each compiled program holds some
EXPECTED_SKIPS = re.compile(
    "needs whole image sets|no folder of official archives|no notmnist_small.npz|Debian.s package|"
    "root may write everywhere|a cooled mixture has no closed form|operations bear other names elsewhere"
)


def pytest_collection_finish():
    """Garbage is not looked for among what was imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_programs():
    """Drops the compiled programs before the process runs out of memory maps."""
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > MOST_MEMORY_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def float64():
    """Double precision within a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def promotion():
    """JAX's usual promotion of dtypes and ranks, for code as users write it."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def unchecked():
    """No runtime checks of annotations within a test, so that bad input reaches the library's own checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fails the run if a test was skipped for a reason that is not expected, so that no test is lost unseen."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", ()) if report.longrepr}
    unexpected = sorted(reason for reason in reasons if not EXPECTED_SKIPS.search(reason))
    if unexpected:
        reporter.write_line("")
        reporter.write_line(f"FAILED: tests were skipped for reasons that are not expected: {unexpected}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
