"""What is remembered of a directory of the registry, so that a long history is not read anew by each command.

Derived and disposable: documents are the truth, and each is read again where its file is another than the one that
was remembered, by time, size and number. `check` and `doctor` do not ask here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..domain.typed import typed
from . import layout
from .entries import RACY_NS, Stamp

if TYPE_CHECKING:
    from .files import Files

T = TypeVar("T")


def remembered(files: Files, directory: str, type_: type[T], read: Callable[[str], T], *, few: int) -> dict[str, T]:
    """{key: value} of the documents in a directory, where `read` makes the value of a key; it raises as `read` does.

    Fewer than `few` are read each time: that costs less than reading what is remembered of them.
    """
    known, whole = _known(files, directory, type_)
    if whole is not None:
        return whole
    seen = time.time_ns()
    directory_stamp = _directory_stamp(files, directory)
    stamps = _stamps(files, directory)
    if len(stamps) < few:
        return {key: read(key) for key in _in_order(stamps)}
    found, made = {}, 0
    for key in _in_order(stamps):
        before = known.get(key)
        if before is not None and before[0] == stamps[key]:
            found[key] = before[1]
        else:
            found[key] = read(key)
            made += 1
    if made > len(stamps) // 20 or len(known) > len(stamps) or seen - directory_stamp[0] > RACY_NS:
        entries = {key: (stamps[key], value) for key, value in found.items()}
        data = msgspec.json.encode({"seen_ns": seen, "directory": directory_stamp, "entries": entries})
        files.derive(layout.remembered(directory), data)
    return found


def _known(files: Files, directory: str, type_: type[T]) -> tuple[dict[str, tuple[Stamp, T]], dict[str, T] | None]:
    """What is remembered, by key; and the whole answer where nothing was renamed in the directory since."""
    try:
        document: Any = msgspec.json.decode(files.read(layout.remembered(directory)))
        stamp = _directory_stamp(files, directory)
        entries = {key: (tuple(stamp), value) for key, (stamp, value) in document["entries"].items()}
        values = typed({key: value for key, (_, value) in entries.items()}, dict[str, type_])  # type: ignore[valid-type]
        same = tuple(document["directory"]) == stamp and document["seen_ns"] - stamp[0] > RACY_NS
    except (OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError):
        return {}, None
    return {key: (stamp, values[key]) for key, (stamp, _) in entries.items()}, values if same else None


def _directory_stamp(files: Files, directory: str) -> tuple[int, int]:
    try:
        found = os.stat(files.path(directory))
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _stamps(files: Files, directory: str) -> dict[str, Stamp]:
    stamps: dict[str, Stamp] = {}
    try:
        with os.scandir(files.path(directory)) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    found = entry.stat(follow_symlinks=False)
                    stamps[entry.name[:-5]] = (found.st_mtime_ns, found.st_size, found.st_ino)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return stamps


def _in_order(stamps: dict[str, Stamp]) -> list[str]:
    return sorted(stamps, key=lambda key: (len(key), key))
