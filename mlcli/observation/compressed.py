"""The beginning of what is within a compressed file, without unpacking more of it."""

from __future__ import annotations

from typing import BinaryIO

PART = 1 << 16
_BLOCK = 1 << 20  # bzip2 gives nothing before it has read a block of up to 900 kB
_MEMORY = 80 << 20
_MAGIC = (
    (b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x5d\x00\x00", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd"),
    *((b"\x78" + level, "zlib") for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
)  # fmt: skip


def opened(head: bytes, file: BinaryIO) -> tuple[str, bytes] | None:
    """How a file is compressed, and the beginning of what it holds: '' where that cannot be had. None: it is not.

    `head` are its first bytes, and `file` stands behind them.
    """
    how = next((how for magic, how in _MAGIC if head.startswith(magic)), None)
    if how is None:
        return None
    try:
        if how == "bz2":
            return how, _bz2(head + file.read(_BLOCK))
        return how, _xz(head) if how in {"xz", "lzma"} else _zlib(head, how)
    except Exception:  # each library has errors of its own for what is damaged
        return how, b""


def _zlib(head: bytes, how: str) -> bytes:
    import zlib

    if how not in {"gzip", "zlib"}:
        return b""  # of lz4 and zstd the standard library knows nothing
    return zlib.decompressobj(31 if how == "gzip" else 15).decompress(head, PART)


def _bz2(head: bytes) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(head, PART)


def _xz(head: bytes) -> bytes:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, _MEMORY).decompress(head, PART)
