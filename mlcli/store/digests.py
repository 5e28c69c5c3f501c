"""Digests of large files outside the store, remembered as long as the files stay as they are."""

from __future__ import annotations

import os
import time

import msgspec

from ..errors import MlcliError
from . import layout
from .files import Files
from .objects import digest_of_file

_REMEMBERED = 1000
_RACY_NS = 2_000_000_000
Known = dict[str, tuple[list[int], str]]


def known_digest(files: Files, path: str) -> str:
    """A file's digest, read from the file where it is not known; '' where it cannot be read.

    A file that was changed within two seconds of being read is read again: its times do not prove that it is the same.
    """
    known = _remembered(files)
    try:
        now, stamp = time.time_ns(), _stamp(path)
        if path in known and known[path][0] == stamp:
            return known[path][1]
        digest = digest_of_file(path)
        if _stamp(path) == stamp and now - max(stamp[1:3]) > _RACY_NS:
            known = {**dict(list(known.items())[-_REMEMBERED:]), path: (stamp, digest)}
            files.replace(layout.DIGESTS, msgspec.json.encode(known))
    except (MlcliError, OSError):
        return ""
    return digest


def _remembered(files: Files) -> Known:
    try:
        return msgspec.json.decode(files.read(layout.DIGESTS), type=Known)
    except (MlcliError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _stamp(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
