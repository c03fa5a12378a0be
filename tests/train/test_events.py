"""TensorBoard's events: tags with units, and no failure that ends a run."""

import errno
import struct
import sys

import numpy as np
import pytest
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from glowjax.train.events import Events

RECORD = {"step": 3, "seconds": 1.5, "train": 3.5, "validation": 3.25, "learning_rate": 0.5, "gradient_norm": np.nan}


def read_events(directory):
    """TensorBoard's events, in the order in which TensorBoard reads them."""
    events = []
    for path in sorted(directory.glob("*tfevents*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return events


def test_scalars_have_tags_with_units_and_a_resumed_run_purges_later_steps(tmp_path):
    for resume_step, bits in ((0, 3.5), (2, 9.0)):
        events = Events(tmp_path, resume_step)
        events.write(RECORD | {"train": bits, "steps_per_second": 7.0})
        events.close()
    written = read_events(tmp_path)
    scalars = [(value.tag, value.simple_value) for event in written for value in event.summary.value if event.step == 3]
    assert ("bits_per_dim/train", 3.5) in scalars
    assert dict(scalars) == {
        "bits_per_dim/train": 9.0,
        "bits_per_dim/validation": 3.25,
        "learning_rate": 0.5,
        "steps_per_second": 7.0,
    }
    assert [event.step for event in written if event.HasField("session_log")] == [1, 3]


def test_images_are_shown_side_by_side(tmp_path):
    events = Events(tmp_path)
    events.show("samples", 3, np.zeros((4, 8, 6, 1), np.uint8))
    events.close()
    (picture,) = [value.image for event in read_events(tmp_path) for value in event.summary.value]
    assert (picture.height, picture.width) == (8, 24)


def test_a_full_disk_ends_the_events_with_one_warning(tmp_path, monkeypatch):
    def refuse(self, event):
        raise OSError(errno.ENOSPC, "No space left on device")

    events = Events(tmp_path)
    monkeypatch.setattr(EventsWriter, "write_event", refuse)
    with pytest.warns(UserWarning, match="TensorBoard's events are no longer written .*No space"):
        events.write(RECORD)
    assert not events.is_open
    events.write(RECORD)  # a second warning would be an error
    events.show("samples", 3, np.zeros((4, 8, 6, 1), np.uint8))
    events.close()
    with pytest.warns(UserWarning, match="no longer written"):
        Events(tmp_path / "missing")


def test_nothing_is_written_without_a_directory_or_tensorboardx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    for directory in (None, tmp_path):
        events = Events(directory)
        events.write(RECORD)
        events.close()
        assert not events.is_open
    assert list(tmp_path.iterdir()) == []
