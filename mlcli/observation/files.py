"""The files that a run read and wrote, from the events of its processes, without what is nobody's data."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .events import Began, Digested, Event, Many, Moved, Opened, Stamp, Stream

MANY = 256  # as the bootstrap has it
SCRATCH = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/opt/conda/", "/var/lib/")
_NOBODYS = ("/.git/", "/__pycache__/", "/.cache/", "/.config/", "/.local/share/", "/.ipynb_checkpoints/", "/.ipython/")
_CODE = (".py", ".pyc", ".pyi", ".so", ".pth", ".egg-link")


class Read(Struct, frozen=True, kw_only=True):
    """A file that was read and not first written by the run: its stamp then, and the function that read it.

    `digest` is set where the run was about to overwrite it; `many` counts the files of a directory that is one input.
    """

    path: str
    stamp: Stamp | None = None
    by: str = ""
    digest: str = ""
    many: int = 0


class Touched(Struct, frozen=True):
    """What a run read, and what it wrote with the function that wrote it; both by absolute path, as first met."""

    reads: dict[str, Read]
    writes: dict[str, str]


def touched(streams: Sequence[Stream], *, root: str, ours: Iterable[str]) -> Touched:
    """Add up what all processes did with files. `ours` are directories of mlcli's own, which are nobody's data."""
    places = _Places(root, [*ours, *_prefixes(streams)])
    found = _Found(places)
    events: list[Event] = [event for stream in streams for event in stream.events if type(event) in _TOLD]
    for event in sorted(events, key=lambda event: event.t):
        _TOLD[type(event)](found, event)
    return Touched(found.inputs(), found.outputs())


class _Places:
    """Which files are data at all."""

    def __init__(self, root: str, ours: Iterable[str]) -> None:
        self.root = root.rstrip("/") + "/"
        places = [place.rstrip("/") + "/" for place in ours if place]
        # A run that is made again has its workspace in mlcli's own cache.
        self.ours = tuple(place for place in places if not self.root.startswith(place))

    def is_data(self, path: str) -> bool:
        inside = path.startswith(self.root)
        below = path[len(self.root) - 1 :] if inside else path
        if path.startswith(self.ours) or path.endswith(_CODE) or any(part in below for part in _NOBODYS):
            return _is_packaged_data(path)
        if "/site-packages/" in path or "/dist-packages/" in path:
            return _is_packaged_data(path)
        return inside or not path.startswith(_SYSTEM)

    def is_scratch(self, path: str) -> bool:
        return path.startswith(SCRATCH) and not path.startswith(self.root)


class _Found:
    """What was read and written so far."""

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.reads: dict[str, Read] = {}
        self.writes: dict[str, str] = {}
        self.opened_as: dict[str, Stamp | None] = {}
        self.many: dict[str, int] = {}

    def opened(self, event: Opened) -> None:
        path = os.path.normpath(event.p)
        if not self.places.is_data(path):
            return
        existed = event.st is None or event.st[0] > 0 or event.m == "r"
        unwritten = path not in self.writes or self._is_as_it_was(path, event)
        if event.m != "w" and unwritten and path not in self.reads and existed:
            self.reads[path] = Read(path=path, stamp=event.st, by=event.via)
        elif event.via and (read := self.reads.get(path)) and not read.by and read.stamp == event.st:
            self.reads[path] = replace(read, by=event.via)  # the preloaded library told of it before its reader did
        if event.m != "r":
            self.opened_as.setdefault(path, event.st)
            self.writes[path] = self.writes.get(path) or event.via

    def _is_as_it_was(self, path: str, event: Opened) -> bool:
        """Whether nothing was written since the file was opened for it: `sort -o FILE FILE` reads after that."""
        return event.st is not None and event.st[0] > 0 and event.st == self.opened_as.get(path)

    def moved(self, event: Moved) -> None:
        a, b = os.path.normpath(event.a), os.path.normpath(event.b)
        if a in self.writes:
            by = self.writes.pop(a)
            if self.places.is_data(b):
                self.writes[b] = by
            return
        inside = a + "/"
        for path in [path for path in self.writes if path.startswith(inside)]:  # a directory
            self.writes[b + path[len(a) :]] = self.writes.pop(path)
        if os.path.isfile(b) and self.places.is_data(b):
            self.writes.setdefault(b, "")

    def told_many(self, event: Many) -> None:
        path = os.path.normpath(event.p)
        if self.places.is_data(path + "/."):
            self.many[path] = max(event.n, self.many.get(path, 0))

    def digested(self, event: Digested) -> None:
        path = os.path.normpath(event.p)
        read = self.reads.get(path)
        if read is not None and not read.digest:
            self.reads[path] = Read(path=path, stamp=event.st, by=read.by, digest=f"sha256:{event.h}")

    def inputs(self) -> dict[str, Read]:
        single = {
            path: read
            for path, read in self.reads.items()
            if not (self.places.is_scratch(path) and (path in self.writes or not os.path.exists(path)))
        }
        many = self._many_of(single)
        alone = {path: read for path, read in single.items() if os.path.dirname(path) not in many}
        return alone | {path + "/": Read(path=path, many=count) for path, count in many.items()}

    def _many_of(self, single: Iterable[str]) -> dict[str, int]:
        """The directories that are one input: a process read many of their files, or several did together.

        Not one of which all that was read had been written by the run.
        """
        counts = Counter(os.path.dirname(path) for path in single)
        return {
            path: max(count, self.many.get(path, 0))
            for path, count in counts.items()
            if count >= MANY or path in self.many
        }

    def outputs(self) -> dict[str, str]:
        return {path: by for path, by in self.writes.items() if not self.places.is_scratch(path)}


_TOLD: Mapping[type, Any] = {
    Opened: _Found.opened,
    Moved: _Found.moved,
    Many: _Found.told_many,
    Digested: _Found.digested,
}


def _is_packaged_data(path: str) -> bool:
    """Whether this is a data set that comes with a package, as scikit-learn's iris.csv."""
    packaged = "/site-packages/" in path or "/dist-packages/" in path
    return packaged and ("/data/" in path or "/datasets/" in path) and not path.endswith((*_CODE, ".rst"))


def _prefixes(streams: Sequence[Stream]) -> set[str]:
    """Where the Pythons of the run are installed; of one that belongs to the system, what is the system's is known."""
    return {began.prefix for stream in streams for began in stream.of(Began)} - {"/usr", "/", ""}
