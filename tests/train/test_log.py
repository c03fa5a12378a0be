"""The metric log: valid JSON whatever happens, and a resumed run's file equal to an uninterrupted one's."""

import json
import math
import struct
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from glowjax.checks import InputError
from glowjax.train.log import MetricLog, read


def write_steps(log: MetricLog, steps: range) -> None:
    for step in steps:
        log.write(step, bits_per_dim=4.0 / (step + 1), seconds=float(step))


def read_events(directory: Path) -> list[Event]:
    """TensorBoard's events, in the order in which TensorBoard reads them."""
    events = []
    for path in sorted(directory.glob("*tfevents*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return events


def test_every_write_is_one_readable_line_at_once(tmp_path):
    with MetricLog(tmp_path / "run") as log:
        log.write(10, bits_per_dim=3.5, seconds=1.25)
        assert read(log.path) == [{"step": 10, "bits_per_dim": 3.5, "seconds": 1.25}]
        log.write(20, bits_per_dim=3.25, seconds=2.5)
        assert [record["step"] for record in read(log.path)] == [10, 20]


def test_scalars_of_jax_and_numpy_are_numbers(tmp_path):
    with MetricLog(tmp_path) as log:
        log.write(jnp.asarray(1), loss=jnp.float32(0.5), rate=np.float64(0.25), num_skipped=np.int32(2))
    assert read(log.path) == [{"step": 1, "loss": 0.5, "rate": 0.25, "num_skipped": 2}]


def test_non_finite_numbers_are_null_and_the_line_is_strict_json(tmp_path):
    def refuse(word: str) -> None:
        raise AssertionError(word)

    with MetricLog(tmp_path) as log:
        log.write(1, nan=math.nan, up=math.inf, down=-jnp.inf)
    (line,) = log.path.read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "nan": None, "up": None, "down": None}


@pytest.mark.parametrize("value", [np.zeros(2), "much", None])
def test_value_that_is_not_one_number_is_refused_and_nothing_is_written(tmp_path, value):
    with MetricLog(tmp_path) as log:
        with pytest.raises(InputError, match="Metric 'loss' is"):
            log.write(1, seconds=1.0, loss=value)
        assert read(log.path) == []


@pytest.mark.parametrize("torn", ["", '{"step": 7, "bits_p', '{"step": 7, "bits_per_dim": 1.0, "seconds": 1.0}'])
def test_resumed_file_equals_the_uninterrupted_one(tmp_path, torn):
    with MetricLog(tmp_path / "uninterrupted") as whole:
        write_steps(whole, range(10))
    with MetricLog(tmp_path / "interrupted") as log:
        write_steps(log, range(7))
    with log.path.open("a") as file:
        file.write(torn)
    with MetricLog(tmp_path / "interrupted", resume_step=4) as log:
        write_steps(log, range(5, 10))
    assert log.path.read_bytes() == whole.path.read_bytes()


def test_resuming_before_the_first_checkpoint_drops_every_line(tmp_path):
    with MetricLog(tmp_path) as log:
        write_steps(log, range(3))
    with MetricLog(tmp_path, resume_step=-1) as log:
        assert read(log.path) == []


def test_without_a_resume_step_nothing_but_the_half_written_line_is_lost(tmp_path):
    with MetricLog(tmp_path) as log:
        write_steps(log, range(3))
    with log.path.open("a") as file:
        file.write('{"step": 3, "bi')
    assert [record["step"] for record in read(log.path)] == [0, 1, 2]
    with MetricLog(tmp_path) as log:
        write_steps(log, range(3, 5))
    assert [record["step"] for record in read(log.path)] == [0, 1, 2, 3, 4]


def test_damaged_line_before_the_last_is_told_by_number(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"Line 2 of .*metrics\.jsonl is not a record"):
        read(path)
    with pytest.raises(InputError, match="Line 2 of"):
        MetricLog(tmp_path, resume_step=1)
    assert path.read_text().endswith('{"step": 3}\n')


def test_missing_log_is_told(tmp_path):
    with pytest.raises(InputError, match="No metrics at"):
        read(tmp_path / "metrics.jsonl")


def test_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write below"):
        MetricLog(tmp_path / "file" / "below")


def test_tensorboard_gets_every_scalar_and_purges_on_resume(tmp_path):
    with MetricLog(tmp_path) as log:
        write_steps(log, range(4))
    with MetricLog(tmp_path, resume_step=1) as log:
        log.write(2, bits_per_dim=9.0)
    events = read_events(tmp_path)
    bits = [(e.step, v.simple_value) for e in events for v in e.summary.value if v.tag == "bits_per_dim"]
    assert bits == [(0, 4.0), (1, 2.0), (2, pytest.approx(4 / 3)), (3, 1.0), (2, 9.0)]
    starts = [event.step for event in events if event.HasField("session_log")]
    assert starts == [2]
