"""What the watched processes of a run told, one JSON line an event, one file a process: written by `bootstrap/`.

Of a process that the preloaded library is in there is a second file, and one, of no process, tells of all programs.
Paths are absolute, times are seconds since 1970, `st` is (size in bytes, mtime in ns, inode) at that moment, `at` is
(file, line). A line that does not read, as the last of a process that was killed, is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

Stamp = tuple[int, int, int]
Place = tuple[str, int]
T = TypeVar("T", bound="Event")


class Event(Struct, frozen=True, kw_only=True, tag_field="e"):
    """Something that happened in a watched process, at `t`."""

    t: float


class Began(Event, frozen=True, kw_only=True, tag="proc"):
    """A Python started."""

    pid: int
    ppid: int
    argv: list[str]
    exe: str
    ver: str
    prefix: str
    cwd: str


class Forked(Event, frozen=True, kw_only=True, tag="fork"):
    """A watched Python forked; this is the child."""

    pid: int
    ppid: int


class Ended(Event, frozen=True, kw_only=True, tag="exit"):
    """A Python came to its end by itself; `failed` where an exception ended it.

    `pkgs` are the packages that it had loaded, {name: version}.
    """

    pid: int
    main: str | None = None
    pkgs: dict[str, str] = {}
    failed: bool = False


class Native(Event, frozen=True, kw_only=True, tag="native"):
    """A program, Python or not, began with the preloaded library in it: its file, and the name that it was called by.

    `flags` are those of a Python's options that stand before all else.
    """

    pid: int
    ppid: int
    exe: str
    name: str = ""
    flags: list[str] = []


class Became(Event, frozen=True, kw_only=True, tag="exec"):
    """Process `pid` was turned into the program `p`, as a program with the preloaded library saw; or `failed` to be."""

    pid: int
    p: str
    failed: bool = False


class Opened(Event, frozen=True, kw_only=True, tag="open"):
    """A file was opened to be read (r), written (w) or both (rw); `via` names the function where it was no open()."""

    p: str
    m: str
    st: Stamp | None = None
    via: str = ""


class Moved(Event, frozen=True, kw_only=True, tag="mv"):
    """A file was renamed."""

    a: str
    b: str


class Many(Event, frozen=True, kw_only=True, tag="dir"):
    """So many files of one directory were read that they are told of as one; `n` so far."""

    p: str
    n: int


class Listed(Event, frozen=True, kw_only=True, tag="ls"):
    """A directory of the project was listed."""

    p: str


class Digested(Event, frozen=True, kw_only=True, tag="pre"):
    """A file that was read is about to be written to: the hexadecimal SHA-256 of what was read."""

    p: str
    h: str
    st: Stamp


class Loaded(Event, frozen=True, kw_only=True, tag="code"):
    """A file of code that is neither the library's nor installed was executed, as module `n`."""

    p: str
    n: str
    st: Stamp


class Reached(Event, frozen=True, kw_only=True, tag="url"):
    """A URL or database was asked for, without credentials and query."""

    u: str
    m: str = ""


class Started(Event, frozen=True, kw_only=True, tag="sub"):
    """Another program was started; `env` says that it was given an environment of its own."""

    argv: list[str] | str
    env: bool = False


class Parsed(Event, frozen=True, kw_only=True, tag="params"):
    """A parser of the command line or configuration (argparse, click, typer, hydra) told its values.

    `given` are those that the user gave, the others are defaults.
    """

    src: str
    v: dict[str, Any]
    given: list[str] = []
    at: Place | None = None


class Fitted(Event, frozen=True, kw_only=True, tag="fit"):
    """A model was fitted by the project's own code; `oid` is its id() in that process."""

    cls: str
    oid: int
    set: dict[str, Any] = {}
    sub: dict[str, Any] = {}
    dt: float | None = None
    shape: list[int] = []
    at: Place
    best: dict[str, Any] | None = None
    best_score: float | None = None


class Measured(Event, frozen=True, kw_only=True, tag="metric"):
    """A metric function `k` returned `v`: a number, or lists and maps of them. `steps` says that `v` is a history."""

    k: str
    v: Any
    at: Place
    cls: str = ""
    oid: int = 0
    steps: bool = False


class Part(Struct, frozen=True, kw_only=True):
    """A model within what was written: its class, its id() and whether this process fitted it."""

    cls: str
    oid: int
    fitted_here: bool = False


class Dumped(Event, frozen=True, kw_only=True, tag="dump"):
    """An object of class `cls` was written to `p` by `how`; `parts` are the models in it, by key, '.' for itself."""

    p: str
    how: str
    cls: str
    parts: dict[str, Part] = {}


class Repeated(Event, frozen=True, kw_only=True, tag="calls"):
    """How often a line that is told of only now and then was reached."""

    at: Place
    n: int


class Trouble(Event, frozen=True, kw_only=True, tag="trouble"):
    """What could not be watched: where, and why."""

    where: str
    what: str


class Stream(Struct, frozen=True):
    """What one process told, in order. An id() is its own: no other process's means the same object."""

    pid: int
    events: list[Event]

    def of(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if type(event) is kind]


def read(directory: str) -> list[Stream]:
    """What is in the event files of a run, by the start of their processes; none where there is no such directory."""
    streams = []
    for name in _listed(directory):
        pid, _, rest = name.partition("-")
        if rest.endswith(".jsonl") and pid.isdecimal():
            with suppress(OSError), open(os.path.join(directory, name), "rb") as file:
                streams.append(Stream(int(pid), list(_decoded(file.read().split(b"\n")))))
    return sorted((each for each in streams if each.events), key=lambda each: each.events[0].t)


def _decoded(lines: list[bytes]) -> Iterator[Event]:
    decoder = msgspec.json.Decoder(_Any)
    for line in lines:
        if line:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield decoder.decode(line)


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


_Any = (
    Began | Forked | Ended | Opened | Moved | Many | Listed | Digested | Loaded | Reached | Started | Parsed | Fitted
    | Measured | Dumped | Repeated | Trouble | Native | Became
)  # fmt: skip
