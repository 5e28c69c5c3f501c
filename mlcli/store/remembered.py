"""What is remembered of the registry's directories, so that no command reads a long history or every version anew.

Derived and disposable: documents are the truth. A directory's time tells whether anything in it was renamed since;
`check` and `doctor` do not ask here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..domain.history import Event, History, fold
from ..domain.typed import typed
from . import layout
from .entries import RACY_NS, Stamp

if TYPE_CHECKING:
    from .files import Files

Marks = set[tuple[str, str]]
DirectoryStamp = tuple[int, int]

# Reading so few costs less than reading what is remembered of them.
_FEW_EVENTS, _FEW_VERSIONS = 50, 3


def history(files: Files, directory: str, read: Callable[[str], Event]) -> History:
    """What the events in a directory add up to, without them where they are many; `read` gives the event of a key.

    Events are named by their content: those that came since are added to what is remembered.
    """
    stamp, seen = _stamp(files, directory), time.time_ns()
    known = _recalled(files, directory)
    if known is not None and known[0] == stamp:
        return known[1]
    names = set(_keys(files, directory))
    if known is None or len(names) <= _FEW_EVENTS:
        told = fold(map(read, sorted(names)))
    else:
        told = _caught_up(known[1], names, known[2](), read) or fold(map(read, sorted(names)))
    if len(names) > _FEW_EVENTS:
        _remember(files, directory, stamp, seen, names, told)
    return told


def _caught_up(known: History, names: set[str], before: set[str], read: Callable[[str], Event]) -> History | None:
    """What is remembered with the events that came since; None where they do not follow one after the other."""
    if not before <= names:
        return None
    came, told = [read(name) for name in names - before], known
    while came:
        following = next((each for each in came if set(told.heads) == set(each.parents)), None)
        if following is None:
            return None
        came.remove(following)
        told = told.followed(following)
    return told


def _remember(files: Files, directory: str, stamp: DirectoryStamp, seen: int, names: set[str], told: History) -> None:
    torn = [[*name, digests] for name, digests in told.torn.items()]
    state = msgspec.to_builtins(msgspec.structs.replace(told, events=[], torn={}))
    head = msgspec.json.encode({"stamp": stamp, "seen_ns": seen, "state": state, "torn": torn})
    files.derive(layout.remembered(directory), head + b"\n" + msgspec.json.encode(sorted(names)))


def _recalled(files: Files, directory: str) -> tuple[DirectoryStamp | None, History, Callable[[], set[str]]] | None:
    """The directory's stamp (None: it was too young to tell), the sum of its events, and their names when asked for."""
    try:
        head, _, names = files.read(layout.remembered(directory)).partition(b"\n")
        document: Any = msgspec.json.decode(head)
        told = typed(document["state"], History)
        torn = {(kind, name): digests for kind, name, digests in document["torn"]}
        stamp = tuple(document["stamp"]) if document["seen_ns"] - document["stamp"][0] > RACY_NS else None
        return stamp, msgspec.structs.replace(told, torn=torn), lambda: set(msgspec.json.decode(names))
    except (OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError):
        return None


def marks(files: Files, directory: str, read: Callable[[str], Marks]) -> dict[str, Marks]:
    """{key: marks} of the versions in a directory; `read` gives those of a key.

    One that is another file than was remembered, by time, size and number, is read again.
    """
    known, whole = _known_marks(files, directory)
    if whole:
        return {key: each for key, (_, each) in known.items()}
    stamp, seen, stamps = _stamp(files, directory), time.time_ns(), _stamps(files, directory)
    found = {
        key: known[key][1] if key in known and known[key][0] == each else read(key) for key, each in stamps.items()
    }
    if len(stamps) > _FEW_VERSIONS:
        entries = {key: (stamps[key], sorted(each)) for key, each in found.items()}
        data = msgspec.json.encode({"stamp": stamp, "seen_ns": seen, "entries": entries})
        files.derive(layout.remembered(directory), data)
    return found


def _known_marks(files: Files, directory: str) -> tuple[dict[str, tuple[Stamp, Marks]], bool]:
    """What is remembered, by key, and whether nothing was renamed in the directory since."""
    try:
        document: Any = msgspec.json.decode(files.read(layout.remembered(directory)))
        stamp = tuple(document["stamp"])
        known = {
            key: (tuple(each), {(mark, value) for mark, value in marked})
            for key, (each, marked) in document["entries"].items()
        }
        return known, stamp == _stamp(files, directory) and document["seen_ns"] - stamp[0] > RACY_NS
    except (OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError):
        return {}, False


def _stamp(files: Files, directory: str) -> DirectoryStamp:
    try:
        found = os.stat(files.path(directory))
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _keys(files: Files, directory: str) -> list[str]:
    return [name[:-5] for name in files.names(directory) if name.endswith(".json")]


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
    return dict(sorted(stamps.items(), key=lambda each: (len(each[0]), each[0])))
