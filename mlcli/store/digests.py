"""Digests of files outside the store, remembered as long as the files stay as they are."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import msgspec

from ..errors import MlcliError
from . import layout
from .files import Files
from .objects import digest_of_file

_REMEMBERED = 10_000
_SMALL = 2**16  # quicker read again than looked up
_RACY_NS = 2_000_000_000
Known = dict[str, tuple[list[int], str]]


class Digests:
    """Tells the digests of files, each read once as long as it stays as it is; what was read is kept at the end.

    A file that was changed within two seconds of being read is read again: its times do not prove that it is the same.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: Known | None = None
        self._new: Known = {}

    def of(self, path: str) -> str:
        """A file's digest; '' where it cannot be read."""
        try:
            now, stamp = time.time_ns(), _stamp(path)
            if stamp[0] <= _SMALL:
                return digest_of_file(path)
            known = self._new.get(path) or self._remembered().get(path)
            if known and known[0] == stamp:
                return known[1]
            digest = digest_of_file(path)
            if _stamp(path) == stamp and now - max(stamp[1:3]) > _RACY_NS:
                self._new[path] = (stamp, digest)
        except (MlcliError, OSError):
            return ""
        return digest

    def __enter__(self) -> Digests:
        return self

    def __exit__(self, *_: object) -> None:
        if self._new:  # a cache that cannot be written is none
            latest = {**self._remembered(), **self._new}
            with suppress(MlcliError, OSError, UnicodeEncodeError):
                self._files.replace(layout.DIGESTS, msgspec.json.encode(dict(list(latest.items())[-_REMEMBERED:])))

    def _remembered(self) -> Known:
        if self._known is None:
            try:
                self._known = msgspec.json.decode(self._files.read(layout.DIGESTS), type=Known)
            except (MlcliError, OSError, msgspec.DecodeError, UnicodeDecodeError):
                self._known = {}
        return self._known


def _stamp(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
