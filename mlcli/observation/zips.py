"""The names and the small members of a zip file, of which only the beginning and the end are read."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

TAIL = 1 << 16
MAX_MEMBER = 1 << 20
_LOCAL = struct.Struct("<4x2xHH8xLLHH")  # flags, method, sizes, length of name and of what is between it and the data
_CENTRAL = struct.Struct("<4x4x2xH8xLLHHH8xL")
_STORED, _DEFLATED = 0, 8


class Zip:
    """A zip file whose first bytes are `head`."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        self._members: dict[str, tuple[int, int, int]] = {}
        self._read_first(head)
        self._read_directory()

    def names(self) -> list[str]:
        """The members' names, the first one first; of a directory of more than 64 KiB the last."""
        return list(self._members)

    def member(self, name: str) -> bytes:
        """The beginning of a member, at most 1 MiB; nothing where it does not read."""
        offset, size, method = self._members.get(name, (0, 0, -1))
        try:
            self._file.seek(offset)
            head = self._file.read(_LOCAL.size)
            *_, name_length, extra = _LOCAL.unpack(head)
            self._file.seek(name_length + extra, os.SEEK_CUR)
            content = self._file.read(min(size, MAX_MEMBER) if size else MAX_MEMBER)
            return _unpacked(content, method)
        except (OSError, struct.error):
            return b""

    def _read_first(self, head: bytes) -> None:
        try:
            _, method, size, _, length, _ = _LOCAL.unpack_from(head)
        except struct.error:
            return
        name = head[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")
        self._members[name] = (0, 0 if size == 0xFFFFFFFF else size, method)

    def _read_directory(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, end - TAIL))
        tail = self._file.read(TAIL)
        at = tail.find(b"PK\x01\x02")
        while at >= 0 and tail[at : at + 4] == b"PK\x01\x02" and at + _CENTRAL.size <= len(tail):
            method, size, _, length, extra, comment, offset = _CENTRAL.unpack_from(tail, at)
            start = at + _CENTRAL.size
            name = tail[start : start + length].decode("utf-8", "replace")
            self._members[name] = (offset, 0 if size == 0xFFFFFFFF else size, method)
            at = start + length + extra + comment


def _unpacked(content: bytes, method: int) -> bytes:
    if method == _DEFLATED:
        import zlib

        try:
            return zlib.decompressobj(-15).decompress(content, MAX_MEMBER)
        except zlib.error:
            return b""
    return content if method == _STORED else b""
