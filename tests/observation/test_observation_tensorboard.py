"""The scalars of TensorBoard's event files: written by hand, cut short, damaged, and by a real writer."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mlcli.observation.metrics import from_file
from mlcli.observation.tensorboard import scalars


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def event(step: int, wall: float, *values: bytes) -> bytes:
    summary = b"".join(field(1, value) for value in values)
    return b"\x09" + struct.pack("<d", wall) + b"\x10" + varint(step % 2**64) + field(5, summary)


def simple(tag: str, value: float) -> bytes:
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def tensor(tag: str, content: bytes) -> bytes:
    return field(1, tag.encode()) + field(8, content)


def frame(record: bytes) -> bytes:
    return struct.pack("<Q", len(record)) + b"\0" * 4 + record + b"\0" * 4


VERSION = frame(b"\x09" + struct.pack("<d", 1.0) + field(3, b"brain.Event:2"))


def written(content: bytes) -> str:
    Path("events.out.tfevents.1.host").write_bytes(content)
    return "events.out.tfevents.1.host"


def test_each_scalar_has_its_tag_step_time_and_value():
    path = written(
        VERSION
        + frame(event(0, 5.0, simple("loss", 0.5), simple("acc", 0.25)))
        + frame(event(300, 6.5, simple("loss", 0.125)))
    )
    assert list(scalars(path)) == [("loss", 0, 5.0, 0.5), ("acc", 0, 5.0, 0.25), ("loss", 300, 6.5, 0.125)]


def test_scalars_that_are_tensors():
    single = b"\x08\x01" + field(5, struct.pack("<f", 0.5))
    content = b"\x08\x01" + field(4, struct.pack("<f", 0.75))
    double = b"\x08\x02" + field(6, struct.pack("<d", 0.1))
    text = b"\x08\x07" + field(8, b"hello")
    many = b"\x08\x01" + field(5, struct.pack("<2f", 1, 2))
    path = written(
        frame(event(1, 0.0, *(tensor(f"t{n}", each) for n, each in enumerate([single, content, double, text, many]))))
    )
    assert list(scalars(path)) == [("t0", 1, 0.0, 0.5), ("t1", 1, 0.0, 0.75), ("t2", 1, 0.0, 0.1)]


def test_a_negative_step():
    assert list(scalars(written(frame(event(-1, 0.0, simple("a", 1.0)))))) == [("a", -1, 0.0, 1.0)]


def test_the_torn_tail_of_a_killed_writer_is_left():
    first, second = frame(event(1, 0.0, simple("a", 1.0))), frame(event(2, 0.0, simple("a", 2.0)))
    for cut in range(len(second)):
        assert list(scalars(written(first + second[:cut]))) == [("a", 1, 0.0, 1.0)]


def test_a_record_that_is_no_message_is_passed_over():
    good = frame(event(1, 0.0, simple("a", 1.0)))
    for bad in (b"\xff" * 30, b"\x2a\xff\x01", b"\x0b", b"\x80" * 20, b"\x2a\x05\x0a\x0a\x0a\x01a"):
        assert list(scalars(written(frame(bad) + good))) == [("a", 1, 0.0, 1.0)]


def test_a_frame_of_impossible_size_ends_the_file():
    assert list(scalars(written(b"\xff" * 100))) == []


def test_a_file_of_events_gives_a_series_a_tag():
    path = written(
        b"".join(frame(event(step, float(step), simple("train/loss", 1 / (step + 1)))) for step in range(0, 30, 10))
    )
    series = from_file(path, "runs/events")
    assert [(each.name, each.steps, each.times, str(each.source), each.origin) for each in series] == [
        ("train/loss", [0, 10, 20], [0.0, 10.0, 20.0], "MetricSource.FILE", "runs/events")
    ]
    assert series[0].values[1] == pytest.approx(1 / 11)


def test_what_a_real_writer_writes_is_all_read():
    board = pytest.importorskip("tensorboardX")
    with board.SummaryWriter("runs") as writer:
        for step in range(500):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
        writer.add_text("note", "words", 1)
    (path,) = Path("runs").iterdir()
    points = [(tag, step, value) for tag, step, _, value in scalars(str(path))]
    assert points == [("train/loss", step, pytest.approx(1 / (step + 1))) for step in range(500)]
