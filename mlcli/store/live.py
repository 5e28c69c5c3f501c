"""The metric points that a process logs while it runs: records of 32 bytes in a file that is mapped into memory.

Storing one is a few hundred nanoseconds, and hands it to the kernel: it outlives the process, however that ends. When
the run ends its records become lines of metrics.jsonl. A record is, little-endian,

    crc u32 | metric u32 | step i64 | value f64 | microseconds since 1970 i64

`crc` is the CRC-32 of the other 28 bytes. Metric 0 says that the record names one: crc u32 | 0 u32 | metric u32 | 20
bytes of the name in UTF-8, in as many records as it takes, the last of which ends with a zero byte. Zeros are room.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

from .files import Files, Mapped

RECORD = 32
Record = tuple[str, int, float, int]
_RECORD = struct.Struct("<IIqdq")
_CRC = struct.Struct("<I")
_BODY = struct.Struct("<Iqdq")
_NAME = struct.Struct("<II20s")
_PART = 20
_CHUNK = 2**18

pack_body, pack_crc = _BODY.pack, _CRC.pack


class Writer:
    """Puts records into one file of its own."""

    def __init__(self, mapped: Mapped) -> None:
        self.mapped = mapped
        self.numbers: dict[str, int] = {}
        self.grow()

    def name(self, metric: str) -> int:
        """Give a metric its number."""
        number = len(self.numbers) + 1
        text = metric.encode() + b"\0"
        parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
        self.put(b"".join([_sealed(_NAME.pack(0, number, part)) for part in parts]))
        self.numbers[metric] = number
        return number

    def grow(self) -> int:
        """Go on in another segment; where its room begins."""
        self.view = self.mapped.grow()
        self.at, self.end = 0, len(self.view)
        return 0

    def put(self, records: bytes) -> None:
        """Put whole records there, growing the file where they need it."""
        end = self.at + len(records)
        if end <= self.end:
            self.view[self.at : end] = records
            self.at = end
            return
        at = 0
        while at < len(records):
            if self.at == self.end:
                self.grow()
            part = records[at : at + self.end - self.at]
            self.view[self.at : self.at + len(part)] = part
            self.at += len(part)
            at += len(part)


def _sealed(body: bytes) -> bytes:
    return pack_crc(crc32(body)) + body


def read(files: Files, name: str) -> Iterator[tuple[list[Record], int]]:
    """The points of a file, some thousands at a time, as (metric, step, value, microseconds); how many are damaged."""
    names = _Names()
    room = 0
    for data in files.blocks(name, _CHUNK):
        points, damaged = [], 0
        view = memoryview(data)[: len(data) // RECORD * RECORD]
        crcs = [crc32(view[at + 4 : at + RECORD]) for at in range(0, len(view), RECORD)]
        known = names.known
        for at, (crc, (said, metric, step, value, moment)) in enumerate(
            zip(crcs, _RECORD.iter_unpack(view), strict=True)
        ):
            if crc == said and metric in known:
                points.append((known[metric], step, value, moment))
            elif crc == said and not metric:
                names.take(view[at * RECORD + 4 : (at + 1) * RECORD])
            elif said or metric or step or moment or value:
                damaged += 1
            else:
                room += 1
                continue
            damaged, room = damaged + room, 0  # room between records is a page that a power loss left unwritten
        yield points, damaged + (len(view) < len(data))


class _Names:
    """The metrics that records name."""

    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self._parts: dict[int, bytes] = {}

    def take(self, body: memoryview) -> None:
        _, number, part = _NAME.unpack(body)
        text = self._parts.pop(number, b"") + part
        if text.endswith(b"\0"):
            self.known[number] = text.rstrip(b"\0").decode(errors="replace")
        else:
            self._parts[number] = text
