"""A run's metric history: one JSON line a point, each under its own CRC, and read back by streaming.

    {"metric":"loss","value":0.5,"step":3,"at":"2026-11-21T06:40:00.000123Z","crc":"1b2c3d4e"}

The CRC-32 is that of the bytes before `,"crc"`. A line is handed to the kernel by one write before the call returns;
one that a crash tore costs no other: the reader looks for the next beginning within it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any
from zlib import crc32

import msgspec

from ..domain.run import MetricPoint, PointsFile
from .files import Appender, Files

_CHUNK = 2**22
_BEGINNING = b'{"metric":'
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BATCH = 500


class _Line(msgspec.Struct):
    metric: str
    value: float | str
    step: int
    at: datetime


_decoder = msgspec.json.Decoder(_Line)
_points = msgspec.json.Decoder(MetricPoint)


class Recorder:
    """Appends points to one run's history, as fast as a line can be formatted and written.

    `heads` holds the beginning of each known metric's line: a metric in it has a name that was checked.
    """

    def __init__(self, appender: Appender) -> None:
        self._appender, self.append = appender, appender.add
        self.heads: dict[str, str] = {}
        self._second = (0, "1970-01-01T00:00:00")

    def know(self, metric: str) -> str:
        """Prepare the beginning of a metric's lines; its name must have been checked."""
        head = f'{{"metric":{msgspec.json.encode(metric).decode()},"value":'
        self.heads[metric] = head
        return head

    def add(self, metric: str, value: float, step: int, nanoseconds: int | None = None) -> None:
        """Append one point of a known metric. Written out in one piece: training loops come here at every step."""
        since, second = self._second
        micro = (time.time_ns() if nanoseconds is None else nanoseconds) // 1000 - since
        if not 0 <= micro < 1_000_000:
            micro, second = self._another_second(since + micro)
        # An infinity or a NaN times 0 is no 0: JSON has no such numbers, and they are written by name.
        shown = repr(value) if value * 0.0 == 0.0 else _named(value)
        body = (self.heads[metric] + shown + ',"step":%d,"at":"%s.%06dZ"' % (step, second, micro)).encode()
        self.append(body + b',"crc":"%08x"}\n' % crc32(body))

    def add_many(self, values: Mapping[str, float], step: int, nanoseconds: int | None = None) -> None:
        """Append a point to each of several known metrics, by one write a few hundred."""
        since, second = self._second
        micro = (time.time_ns() if nanoseconds is None else nanoseconds) // 1000 - since
        if not 0 <= micro < 1_000_000:
            micro, second = self._another_second(since + micro)
        tail = ',"step":%d,"at":"%s.%06dZ"' % (step, second, micro)
        heads = self.heads
        bodies = [
            (heads[metric] + (repr(value) if value * 0.0 == 0.0 else _named(value)) + tail).encode()
            for metric, value in values.items()
        ]
        for at in range(0, len(bodies), _BATCH):
            self.append(b"".join([body + b',"crc":"%08x"}\n' % crc32(body) for body in bodies[at : at + _BATCH]]))

    def close(self) -> None:
        """Make what was appended durable, and let go of the file."""
        self._appender.close()

    def _another_second(self, microseconds: int) -> tuple[int, str]:
        """Spell the second that a time lies in, once for all its points; and make what came before it durable."""
        seconds, micro = divmod(microseconds, 1_000_000)
        second = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"
        self._second = (seconds * 1_000_000, second)
        self._appender.settle()
        return micro, second


def _named(value: float) -> str:
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'


def lines(points: Iterable[MetricPoint]) -> bytes:
    """Points as lines."""
    return b"".join(map(_line_of, points))


def _line_of(point: MetricPoint) -> bytes:
    value: Any = point.value if math.isfinite(point.value) else _named(point.value).strip('"')
    body = msgspec.json.encode({"metric": point.metric, "value": value, "step": point.step, "at": point.at})
    return b'%b,"crc":"%08x"}\n' % (body[:-1], crc32(body[:-1]))


def read(data: bytes, *, verified: bool = False) -> tuple[list[MetricPoint], list[int]]:
    """The points in a history, in order, and the numbers of the lines that are torn or damaged.

    `verified` says that the whole of the data was held against its checksum, so that its lines need not be.
    """
    with suppress(msgspec.MsgspecError, ValueError):
        # Line by line costs four times as much: only what does not decode in one go is looked at so.
        if verified or _is_whole(data):
            return _points.decode_lines(data), []
    return _read_by_line(data)


def _is_whole(data: bytes) -> bool:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [int(line[-10:-2], 16) for line in lines] == [crc32(line[:-18]) for line in lines]


def _read_by_line(data: bytes) -> tuple[list[MetricPoint], list[int]]:
    points: list[MetricPoint] = []
    damaged: list[int] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.strip(b"\r\0 ")  # autocrlf, and pages that a power loss left unwritten
        if line and (point := _point(line)) is not None:
            points.append(point)
        elif line:
            damaged.append(number)
            begins = line.find(_BEGINNING, 1)
            while begins > 0:  # another writer's whole line may stand behind a torn one
                if (point := _point(line[begins:])) is not None:
                    points.append(point)
                    break
                begins = line.find(_BEGINNING, begins + 1)
    return points, damaged


def _point(line: bytes) -> MetricPoint | None:
    if line[-18:-10] != b',"crc":"' or line[-2:] != b'"}' or b"%08x" % crc32(line[:-18]) != line[-10:-2]:
        return None
    try:
        found = _decoder.decode(line)
    except msgspec.MsgspecError:
        return None
    value = _NON_FINITE.get(found.value) if isinstance(found.value, str) else found.value
    return None if value is None else MetricPoint(found.metric, value, found.step, found.at)


def stream(files: Files, name: str, kept: PointsFile | None = None) -> Iterator[list[MetricPoint]]:
    """The points of a history, a few megabytes at a time; nothing where there is no such file.

    `kept` is what its run's document says of the whole file: where that holds, reading is several times as fast.
    """
    verified = kept is not None and kept == checksum(files, name)
    for chunk in files.chunks(name, _CHUNK):
        yield read(chunk, verified=verified)[0]


def checksum(files: Files, name: str) -> PointsFile | None:
    """What a run's document says of the file with its history; None where nothing was logged."""
    size, crc = files.checksum(name)
    return PointsFile(size=size, crc32=f"{crc:08x}") if size else None
