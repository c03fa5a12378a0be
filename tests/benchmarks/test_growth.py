"""A process that lives long does not grow: a short form of the measurement."""

import gc

import pytest

from benchmarks import growth

pytestmark = pytest.mark.release


@pytest.fixture(autouse=True)
def only_new_objects():
    """Collections leave out the objects of all tests before, with which each of hundreds would take a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_nothing_grows(tmp_path):
    config = growth.BenchmarkConfig(
        parts=("steps", "trainings", "reports"),  # tests of the analysis bound what it keeps
        num_steps=8000,  # the evaluations of the first thousands fill caches
        num_trainings=6,
        num_reports=40,
        output=tmp_path / "growth.json",
    )
    results = growth.main(config)
    assert not [one for one in growth.too_steep(results) if "trainings" not in one]  # six are too few for a slope
    files = [row["files"].split(" -> ") for part in config.parts for row in results[part]]
    assert all(int(last) <= int(first) + 2 for first, last in files)


def test_a_leak_is_told():
    kept, samples = [], growth.Samples("leaks", "call")
    for number in range(1, 31):
        kept.append(b"x" * 2**20)
        samples.take(number)
    row = samples.row()
    assert 900 < row["kib_each"] < 1200
    assert growth.too_steep({"config": {"parts": ["analysis"]}, "analysis": [row]}) == ["leaks"]
