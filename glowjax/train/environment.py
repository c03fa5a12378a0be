"""Settings of JAX, versions and devices. The bits of a run depend on them."""

import platform
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from glowjax._version import __version__
from glowjax.cores import option
from glowjax.typing import Key

CHANGES_BITS = ("glowjax", "jax", "jaxlib", "numpy", "platform", "device")
"""The entries of `versions` that may change the bits of a run."""


def settings(key: Key) -> dict[str, Any]:
    """The settings of JAX that change every number of a run, and the kind of its random key."""
    return {
        "x64": bool(option("jax_enable_x64")),
        "prng": str(jax.random.key_impl(key)),
        "threefry_partitionable": bool(option("jax_threefry_partitionable")),
    }


def versions() -> dict[str, Any]:
    """The versions and the device of this process, and the time."""
    return {
        "glowjax": __version__,
        "jax": jax.__version__,
        "jaxlib": version("jaxlib"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": jax.default_backend(),
        "device": jax.local_devices()[0].device_kind,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def start(step: int, description: Mapping[str, Any]) -> dict[str, Any]:
    """The entry in `config.json` for a start of the run at `step`."""
    return {
        "step": step,
        "host": socket.gethostname(),
        "num_processes": jax.process_count(),
        "num_devices": description.get("num_devices"),
        **description.get("provenance", {}),
    }
