"""What the host does during a training, at tiny sizes."""

import time

import numpy as np
import pytest

from benchmarks import host
from benchmarks.input import MINIMAL


class Slow(np.ndarray):
    """Images that take much longer to read than a step of the minimal model."""

    def __getitem__(self, indices):
        time.sleep(0.1)
        return np.asarray(super().__getitem__(indices))


def test_a_step_waits_for_images_that_are_read_slowly():
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8).view(Slow)
    row = host.steps_that_wait(MINIMAL, images, host.BenchmarkConfig(batch_size=4, num_steps=3))
    assert row["num_waits"] == 2
    assert row["ms_to_get_a_batch"] > 100


@pytest.mark.release
def test_nothing_is_compiled_after_the_second_report():
    rows = host.compilations(host.BenchmarkConfig(width=4, size=8, num_steps=12))
    assert [row["until_step"] for row in rows] == [3, 6, 9, 12]
    assert rows[0]["programs"] > 0
    assert [row["programs"] for row in rows[2:]] == [0, 0]
