"""The metric log: valid JSON whatever happens, and no damage and no full disk that ends a run."""

import errno
import json
import math
from pathlib import Path

import pytest

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


def test_metrics_of_a_run_without_checkpoints_are_kept_beside_the_new_ones(tmp_path):
    with MetricLog(tmp_path) as log:
        write_steps(log, range(1, 4))
    before = log.path.read_bytes()
    with pytest.warns(UserWarning, match=r"goes up to step 3, but there is no checkpoint; it was renamed .*\.old"):
        MetricLog(tmp_path)
    assert log.path.read_bytes() == b""
    assert (tmp_path / "metrics.jsonl.old").read_bytes() == before


LINE = b'{"step": %d, "seconds": 1.0, "validation": null}\n'
DAMAGED = {
    "half a line": b'{"ste\n',
    "text": b"x\n",
    "zeros": bytes(40) + b"\n",
    "not UTF-8": b"\xff\xfe\n",
    "two lines in one": LINE[:-1] % 2 + LINE % 3,
    "a list": b"[1]\n",
    "a number": b"3\n",
    "no step": b'{"train": 1}\n',
    "step of text": b'{"step": "ten"}\n',
    "step null": b'{"step": null}\n',
    "step true": b'{"step": true}\n',
    "step 1e400": b'{"step": 1e400}\n',
    "a value of text": b'{"step": 2, "validation": "7"}\n',
    "a list as value": b'{"step": 2, "validation": [7]}\n',
    "an integer beyond floats": b'{"step": 2, "train": 1' + b"0" * 400 + b"}\n",
    "an integer of 5,000 digits": b'{"step": 2, "train": ' + b"1" * 5000 + b"}\n",
    "deep nesting": b"[" * 100_000 + b"\n",
}
HARMLESS = {
    "empty lines": (b"\n\r\n", []),
    "NaN": (b'{"step": 2, "train": NaN}\n', [2]),
    "1e400": (b'{"step": 2, "train": 1e400}\n', [2]),
    "U+2028 in a name": ('{"step": 2, "a\u2028b": 1}\n'.encode(), [2]),
    "CRLF": (LINE[:-1] % 2 + b"\r\n", [2]),
    "a step again": (LINE % 1, []),
    "a later step before": (LINE % 8, [8]),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_lines_are_left_out_and_the_file_is_set_aside_with_one_warning(tmp_path, kind):
    path = tmp_path / "metrics.jsonl"
    content = LINE % 1 + DAMAGED[kind] + LINE % 5
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"is damaged in line 2; 2 records are used") as caught:
        assert [record["step"] for record in read(path)] == [1, 5]
    assert len(caught) == 1
    with (
        pytest.warns(UserWarning, match=r"line 2; 2 of its records are kept; it was renamed .*\.damaged") as caught,
        MetricLog(tmp_path, resume_step=5) as log,
    ):
        write_steps(log, range(6, 7))
    assert len(caught) == 1
    assert [record["step"] for record in read(path)] == [1, 5, 6]
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content


@pytest.mark.parametrize("kind", HARMLESS)
def test_odd_lines_that_are_records_are_read_in_the_order_of_their_steps(tmp_path, kind):
    line, steps = HARMLESS[kind]
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(LINE % 1 + line + LINE % 5)
    assert [record["step"] for record in read(path)] == sorted([1, 5, *steps])
    with MetricLog(tmp_path, resume_step=9):
        pass
    for text in path.read_text().splitlines():
        json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)], ids=["a folder", "a loop of links"])
def test_something_else_in_the_place_of_the_file_is_set_aside(tmp_path, make):
    path = tmp_path / "metrics.jsonl"
    make(path)
    with pytest.warns(UserWarning, match="cannot be read .*; 0 records are used"):
        assert read(path) == []
    with pytest.warns(UserWarning, match=r"renamed metrics\.jsonl\.damaged"), MetricLog(tmp_path, 3) as log:
        write_steps(log, range(4, 5))
    assert [record["step"] for record in read(path)] == [4]


def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(LINE % 1)
    (tmp_path / "metrics.jsonl").symlink_to(target)
    with MetricLog(tmp_path, 1) as log:
        write_steps(log, range(2, 3))
    assert target.read_bytes() == LINE % 1


def test_a_missing_log_has_no_records_and_is_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="There are no metrics at"):
        assert read(tmp_path / "metrics.jsonl") == []


def test_a_disk_that_refuses_lines_is_one_warning_and_no_line_is_lost(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with MetricLog(tmp_path) as log:
        write_steps(log, range(1, 3))
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", fail)
            patch.setattr(Path, "write_text", fail)
            with pytest.warns(UserWarning, match="cannot be written .No space left on device.; training") as caught:
                write_steps(log, range(3, 6))
            assert len(caught) == 1
    assert [record["step"] for record in read(log.path)] == [1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
