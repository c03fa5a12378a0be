"""The benchmark of image sets larger than memory, at tiny sizes."""

import json

import pytest

from benchmarks import input as reading

OPTIONS = {"gigabytes": (0.0, 1e-6), "read_gigabytes": 0.0, "size": 8, "batch_size": 40, "num_steps": 3, "repeats": 1}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.SETTLING_SECONDS", 0.0)


def test_every_way_to_read_is_measured_beside_the_array_and_written(tmp_path):
    results = reading.main(reading.BenchmarkConfig(("reading", "training"), **OPTIONS, output=tmp_path / "input.json"))
    written = json.loads((tmp_path / "input.json").read_text())
    for part in ("reading", "training"):
        assert written[part] == results[part]
        assert (results[part][0]["way"], results[part][0]["ratio_wall"]) == (reading.IN_MEMORY, 1.0)
        assert len(results[part]) == 3
        assert all(row["images_per_s"] == pytest.approx(120 / row["median_s"]) for row in results[part])


@pytest.mark.release
def test_each_size_has_a_process_whose_memory_is_measured(tmp_path):
    rows = reading.main(reading.BenchmarkConfig(("memory",), **OPTIONS, output=tmp_path / "input.json"))["memory"]
    assert [row["num_images"] for row in rows] == [80, 80]
    assert all(100 < row["peak_mib"] < 4_000 for row in rows)
    assert rows[0]["more_mib"] == 0
