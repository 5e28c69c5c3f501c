"""The scalars in a TensorBoard event file: TFRecord frames around protobuf messages, read without either library."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_FRAME = 64 << 20
_MOMENT = struct.Struct("<d")
_FLOAT = struct.Struct("<f")
_FRAME = struct.Struct("<Q")
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def scalars(path: str) -> Iterator[tuple[str, int, float, float]]:
    """Each scalar in the order it was written: tag, step, seconds since 1970, value.

    A record that was cut short, as a killed writer's last, ends the file; one that is no message is passed over.
    """
    for record in _records(path):
        try:
            yield from _of_event(record)
        except (IndexError, struct.error, UnicodeDecodeError, ValueError):
            continue


def _records(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while len(head := file.read(12)) == 12:
            (size,) = _FRAME.unpack_from(head)
            if size > MAX_FRAME:
                return
            record = file.read(size)
            if len(record) < size or len(file.read(4)) < 4:
                return
            yield record


def _of_event(record: bytes) -> list[tuple[str, int, float, float]]:
    """The scalars of one Event: wall_time is field 1, step 2, summary 5."""
    step, wall, found = 0, 0.0, []
    for field, value in _fields(record):
        if field == 1 and isinstance(value, bytes):
            (wall,) = _MOMENT.unpack(value)
        elif field == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif field == 5 and isinstance(value, bytes):
            found += [_of_value(part) for key, part in _fields(value) if key == 1 and isinstance(part, bytes)]
    return [(tag, step, wall, number) for tag, number in found if tag and number is not None]


def _of_value(message: bytes) -> tuple[str, float | None]:
    """The tag and number of one Summary.Value: tag is field 1, simple_value 2, tensor 8."""
    tag, number = "", None
    for field, value in _fields(message):
        if not isinstance(value, bytes):
            continue
        if field == 1:
            tag = value.decode("utf-8", "replace")
        elif field == 2:
            (number,) = _FLOAT.unpack(value)
        elif field == 8:
            number = _of_tensor(value)
    return tag, number


def _of_tensor(message: bytes) -> float | None:
    """The one number of a TensorProto of floats (dtype 1) or doubles (2); None of any other, as a histogram's."""
    kind = 0
    numbers = b""
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            kind = value
        elif field in {4, 5, 6} and isinstance(value, bytes):  # tensor_content, float_val, double_val
            numbers = value
    if kind == 1 and len(numbers) == 4:
        return float(_FLOAT.unpack(numbers)[0])
    return float(_MOMENT.unpack(numbers)[0]) if kind == 2 and len(numbers) == 8 else None


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number, and a whole number or the bytes of it."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in {_EIGHT, _FOUR}:
            size = 8 if wire == _EIGHT else 4
        else:
            raise ValueError("a wire type that is not written any more")
        if at + size > end:
            raise ValueError("a field that is longer than its message")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    byte = message[at]
    if byte < 128:
        return byte, at + 1
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
