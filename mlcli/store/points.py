"""A run's metric history: one JSON line a point, each under its own CRC, and read back by streaming.

    {"metric":"loss","value":0.5,"step":3,"at":"2026-11-21T06:40:00.000123Z","crc":"1b2c3d4e"}

The CRC-32 is that of the bytes before `,"crc"`. A line is handed to the kernel by one write before the call returns;
one that a crash tore costs no other: the reader looks for the next beginning within it. A process that logs more than
a few points puts them into a file of its own (live.py), which becomes lines when the run ends.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from weakref import WeakSet
from zlib import crc32

import msgspec

from ..domain.run import Metric, MetricPoint, PointsFile, joined, summarised, summary
from . import layout
from .files import Appender, Files
from .live import RECORD, Record, Writer, pack_body, pack_crc
from .live import read as read_live

_CHUNK = 2**20
_BEGINNING = b'{"metric":'
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BATCH = 500
_SECOND = 1_000_000_000
_EPOCH = datetime.fromtimestamp(0, timezone.utc)
_MERGED = re.compile(r"/metrics-[0-9a-f]+-([0-9]{1,18})-([0-9a-f]{8})\.live$", re.A)


class _Line(msgspec.Struct):
    metric: str
    value: float | str
    step: int
    at: datetime


_decoder = msgspec.json.Decoder(_Line)
_points = msgspec.json.Decoder(MetricPoint)


class Recorder:
    """Appends points to one run's history: the first few as lines, and more than that as records in mapped memory.

    `heads` holds the beginning of each known metric's line: a metric in it has a name that was checked. One thread
    uses a recorder; a process forked off while there is one goes on with a file of its own.
    """

    LINES = 100

    def __init__(self, files: Files, run_id: str) -> None:
        self._files, self._run_id = files, run_id
        self._appender: Appender | None = files.appender(layout.metrics(run_id))
        self._live: Writer | None = None
        self._numbers: dict[str, int] = {}
        self._lines = self.LINES
        self._spelled = _Spelled()
        self._due = time.time_ns() + _SECOND
        self.heads: dict[str, str] = {}
        _recorders.add(self)

    def know(self, metric: str) -> str:
        """Prepare the beginning of a metric's lines; its name must have been checked."""
        head = self.heads[metric] = _head(metric)
        return head

    def add(self, metric: str, value: float, step: int, nanoseconds: int | None = None) -> None:
        """Append one point of a known metric. Written out in one piece: training loops come here at every step."""
        number = self._numbers.get(metric)
        if number is None:
            self.add_many({metric: value}, step, nanoseconds)
            return
        now = time.time_ns()
        if now > self._due:
            self._settle(now)
        body = pack_body(number, step, value, (now if nanoseconds is None else nanoseconds) // 1000)
        live: Any = self._live
        at = live.at
        if at == live.end:
            at = live.grow()
        live.view[at : at + RECORD] = pack_crc(crc32(body)) + body
        live.at = at + RECORD

    def add_many(self, values: Mapping[str, float], step: int, nanoseconds: int | None = None) -> None:
        """Append a point to each of several known metrics."""
        now = time.time_ns()
        if now > self._due:
            self._settle(now)
        micro = (now if nanoseconds is None else nanoseconds) // 1000
        if self._lines > 0:
            self._add_lines(values, step, micro)
            return
        live = self._live or self._open_live()
        numbers = self._numbers
        try:
            bodies = [pack_body(numbers[metric], step, value, micro) for metric, value in values.items()]
        except KeyError:
            for metric in values.keys() - numbers.keys():
                live.name(metric)
            bodies = [pack_body(numbers[metric], step, value, micro) for metric, value in values.items()]
        live.put(b"".join([pack_crc(crc32(body)) + body for body in bodies]))

    def close(self) -> None:
        """Let go of the files; they are made durable when the run ends, and what is older than a second was already."""
        appender, live = self._appender, self._live
        self._appender = self._live = None
        self._numbers = {}
        if appender is not None:
            appender.close()
        if live is not None:
            live.mapped.close()

    def _add_lines(self, values: Mapping[str, float], step: int, micro: int) -> None:
        self._lines -= len(values)
        if self._appender is None:
            self._appender = self._files.appender(layout.metrics(self._run_id))
        tail = self._spelled.tail(step, micro)
        made = [_line(self.heads[metric], value, tail) for metric, value in values.items()]
        for at in range(0, len(made), _BATCH):
            self._appender.add(b"".join(made[at : at + _BATCH]))

    def _open_live(self) -> Writer:
        name = layout.live_metrics(self._run_id, os.urandom(4).hex())
        self._live = live = Writer(self._files.mapped(name))
        self._numbers = live.numbers
        if self._appender is not None:
            appender, self._appender = self._appender, None
            appender.settle()
            appender.close()
        return live

    def _settle(self, now: int) -> None:
        """Make what was appended durable, about once a second."""
        self._due = now + _SECOND
        if self._appender is not None:
            self._appender.settle()
        if self._live is not None:
            self._live.mapped.settle()


_recorders: WeakSet[Recorder] = WeakSet()


def _after_fork() -> None:
    for recorder in _recorders:
        with suppress(OSError):
            recorder.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Spelled:
    """Spells times, the second once for all points that lie in it."""

    def __init__(self) -> None:
        self.since, self.second = 0, "1970-01-01T00:00:00"
        self.heads: dict[str, str] = {}

    def tail(self, step: int, microseconds: int) -> str:
        """What follows a value in its line, up to the CRC."""
        micro = microseconds - self.since
        if not 0 <= micro < 1_000_000:
            micro = self.another_second(microseconds)
        return f',"step":{step},"at":"{self.second}.{micro:06d}Z"'

    def lines(self, points: Iterable[Record]) -> bytes:
        """Records as lines; written out in one piece, as a run that ends waits for it."""
        made = []
        heads, since, second = self.heads, self.since, self.second
        for metric, step, value, micro in points:
            rest = micro - since
            if not 0 <= rest < 1_000_000:
                rest = self.another_second(micro)
                since, second = self.since, self.second
            head = heads.get(metric) or heads.setdefault(metric, _head(metric))
            shown = repr(value) if value * 0.0 == 0.0 else _named(value)
            body = f'{head}{shown},"step":{step},"at":"{second}.{rest:06d}Z"'
            made.append(f'{body},"crc":"{crc32(body.encode()):08x}"}}\n')
        return "".join(made).encode()

    def another_second(self, microseconds: int) -> int:
        """Spell the second that a time lies in, and give what is left of the time."""
        seconds, rest = divmod(microseconds, 1_000_000)
        self.since = microseconds - rest
        self.second = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"
        return rest


def _head(metric: str) -> str:
    return f'{{"metric":{msgspec.json.encode(metric).decode()},"value":'


def _line(head: str, value: float, tail: str) -> bytes:
    # An infinity or a NaN times 0 is no 0: JSON has no such numbers, and they are written by name.
    body = (head + (repr(value) if value * 0.0 == 0.0 else _named(value)) + tail).encode()
    return body + b',"crc":"%08x"}\n' % crc32(body)


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


def stream(files: Files, run_id: str, kept: PointsFile | None = None) -> Iterator[list[MetricPoint]]:
    """The points of a run's history, a few megabytes at a time.

    `kept` is what its document says of the whole of metrics.jsonl: where that holds, reading is several times as fast.
    """
    name = layout.metrics(run_id)
    verified = kept is not None and kept == checksum(files, name)
    for chunk in files.chunks(name, _CHUNK):
        yield read(chunk, verified=verified)[0]
    for live in live_files(files, run_id):
        for lines_ in _live_lines(files, live):
            yield read(lines_, verified=True)[0]


def examined(files: Files, name: str) -> tuple[int, list[int]]:
    """How many points the lines of a history hold, and the numbers of those lines that are torn or damaged."""
    counted, before, damaged = 0, 0, []
    for chunk in files.chunks(name, _CHUNK):
        points, bad = read(chunk)
        counted += len(points)
        damaged += [before + number for number in bad]
        before += chunk.count(b"\n") + 1
    return counted, damaged


def checksum(files: Files, name: str) -> PointsFile | None:
    """What a run's document says of the file with its history; None where nothing was logged."""
    size, crc = files.checksum(name)
    return PointsFile(size=size, crc32=f"{crc:08x}") if size else None


# What processes logged while the run ran


def live_files(files: Files, run_id: str) -> list[str]:
    """The files with what processes logged that is not among the lines yet."""
    return [name for name in _live_files(files, run_id) if not _is_merged(files, name)]


def merged_files(files: Files, run_id: str) -> list[str]:
    """The files with what processes logged that is among the lines, and was not yet removed."""
    return [name for name in _live_files(files, run_id) if _is_merged(files, name)]


def _live_files(files: Files, run_id: str) -> list[str]:
    directory = layout.run_directory(run_id)
    return [f"{directory}/{name}" for name in sorted(files.names(directory)) if layout.is_live_metrics(name)]


def _is_merged(files: Files, live: str) -> bool:
    """Whether a live file's points are among the lines: its name then tells how the lines' file begins."""
    marked = _MERGED.search(live)
    if marked is None:
        return False
    size, crc = int(marked[1]), int(marked[2], 16)
    return files.checksum(f"{live.rpartition('/')[0]}/metrics.jsonl", size) == (size, crc)


def damaged_records(files: Files, live: str) -> int:
    """How many records of a live file cannot be trusted."""
    return sum(damaged for _, damaged in read_live(files, live))


def settle(files: Files, run_id: str) -> tuple[dict[str, Metric], PointsFile | None]:
    """Make a run's history durable, and lines of all of it; its metrics in short, and the checksum of its lines.

    A kill at any moment neither loses nor doubles a point: a live file is given the checksum of what the lines' file
    will be as its name before that takes its place, and is no longer read once it has. Where a process still logs, all
    stays as it is.
    """
    name = layout.metrics(run_id)
    if live_files(files, run_id):
        with ExitStack() as held:
            held.enter_context(files.lock(f"run-{run_id}"))
            live = live_files(files, run_id)
            if all(held.enter_context(files.alone(each)) for each in (name, *live)):
                return _merge(files, name, live)
            for each in (name, *live):
                files.settle(each)
    else:
        files.settle(name)
    metrics: dict[str, Metric] = {}
    for chunk in stream(files, run_id):
        metrics = summarised(metrics, chunk)
    return metrics, checksum(files, name)


def _merge(files: Files, name: str, live: list[str]) -> tuple[dict[str, Metric], PointsFile]:
    counting = _Counting(files)
    temporary, size, crc = files.gather(counting.all_lines(name, live))
    merged = [f"{'-'.join(each.removesuffix('.live').split('-')[:2])}-{size}-{crc:08x}.live" for each in live]
    for each, mark in zip(live, merged, strict=True):
        files.move(each, mark)
    files.install(temporary, name)
    for mark in merged:
        files.forget(mark)
    return counting.metrics, PointsFile(size=size, crc32=f"{crc:08x}")


class _Counting:
    """Gives the lines of a history, and adds them up on the way."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.metrics: dict[str, Metric] = {}

    def all_lines(self, name: str, live: list[str]) -> Iterator[bytes]:
        """What is lines already, and what will be."""
        for chunk in self.files.chunks(name, _CHUNK):
            self.metrics = summarised(self.metrics, read(chunk)[0])
            yield chunk + b"\n"
        for each in live:
            spelled = _Spelled()
            for points, _ in read_live(self.files, each):
                grouped: dict[str, list[Record]] = {}
                for point in points:
                    grouped.setdefault(point[0], []).append(point)
                for metric, group in grouped.items():
                    _, steps, values, times = zip(*group, strict=True)
                    self.metrics = joined(self.metrics, {metric: summary(steps, values, times, _moment)})
                yield spelled.lines(points)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _live_lines(files: Files, live: str) -> Iterator[bytes]:
    """A live file's points as lines."""
    spelled = _Spelled()
    return (spelled.lines(points) for points, _ in read_live(files, live))
