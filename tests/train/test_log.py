"""The metric log: valid JSON whatever happens, and a resumed run's file equal to an uninterrupted one's."""

import json
import math

import pytest

from glowjax.checks import InputError
from glowjax.train.log import MetricLog, read


def write_steps(log: MetricLog, steps: range) -> None:
    for step in steps:
        log.write({"step": step, "bits_per_dim": 4.0 / step, "seconds": float(step)})


def test_every_write_is_one_readable_line_at_once(tmp_path):
    records = [{"step": 10, "bits_per_dim": 3.5, "seconds": 1.25}, {"step": 20, "train": 0.5, "skipped_updates": 2}]
    with MetricLog(tmp_path) as log:
        for number, record in enumerate(records, start=1):
            log.write(record)
            assert read(log.path) == records[:number]


def test_nonfinite_numbers_are_null_in_strict_json_and_nan_when_read(tmp_path):
    def refuse(word: str) -> None:
        raise AssertionError(word)

    with MetricLog(tmp_path) as log:
        log.write({"step": 1, "nan": math.nan, "up": math.inf, "down": -math.inf})
    (line,) = log.path.read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "nan": None, "up": None, "down": None}
    assert all(math.isnan(value) for name, value in read(log.path)[0].items() if name != "step")


@pytest.mark.parametrize("torn", ["", '{"step": 7, "bits_p', '{"step": 7, "bits_per_dim": 1.0, "seconds": 1.0}'])
def test_a_resumed_file_equals_the_uninterrupted_one(tmp_path, torn):
    uninterrupted, interrupted = tmp_path / "uninterrupted", tmp_path / "interrupted"
    for folder, last in ((uninterrupted, 9), (interrupted, 6)):
        folder.mkdir()
        with MetricLog(folder) as log:
            write_steps(log, range(1, last + 1))
    with log.path.open("a") as file:
        file.write(torn)
    assert [record["step"] for record in read(log.path)][:6] == [1, 2, 3, 4, 5, 6]
    with MetricLog(interrupted, resume_step=4) as log:
        write_steps(log, range(5, 10))
    assert log.path.read_bytes() == (uninterrupted / "metrics.jsonl").read_bytes()
    with MetricLog(interrupted):  # before the first checkpoint
        assert read(log.path) == []


def test_a_damaged_line_before_the_last_is_refused_by_its_number(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"Line 2 of .*metrics\.jsonl is not a record"):
        read(path)
    with pytest.raises(InputError, match="Line 2 of"):
        MetricLog(tmp_path, resume_step=1)
    assert path.read_text().endswith('{"step": 3}\n')


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(InputError, match="No metrics at"):
        read(tmp_path / "metrics.jsonl")
