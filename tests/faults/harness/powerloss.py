"""Every state of the disk that POSIX allows after the power went, rebuilt from a trace of one workload, and judged.

What is certain at a moment: a file's content as of its last fsync, a directory's entries as of its last. Of all else
nothing may be there, all of it, entries without content (empty, or as long and full of zeros), content without
entries, all but one thing, or half of the last write.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from .injector import Fault, Kind, Mode
from .journal import Line
from .sweep import Report, Spec, Sweep, last_second

DROPPED = 8


class Step(Struct, frozen=True):
    """One call's effect. `node` is the file or directory it is about, `place` an entry: a directory and a name."""

    what: str
    node: int = 0
    place: tuple[int, str] = (0, "")
    gone: tuple[int, str] | None = None
    offset: int = 0
    data: bytes = b""
    line: Line | None = None

    @property
    def is_content(self) -> bool:
        """Whether it changes what is in a file."""
        return self.what in {"write", "truncate", "allocate"}

    @property
    def is_entry(self) -> bool:
        """Whether it changes what is in a directory."""
        return self.what in {"create", "mkdir", "link", "rename", "unlink"}


class Disk:
    """Files and directories by number, as they are when all that was done is there."""

    def __init__(self, top: Path) -> None:
        self.top = str(top)
        self.entries: dict[tuple[int, str], int] = {}
        self.content: dict[int, bytes] = {}
        self.directories = {0}
        self._nodes: dict[int, int] = {}  # what the kernel calls them
        self._next = 1
        for where, names, files in os.walk(top):
            for name in names:
                self._enter(f"{where}/{name}", self._new(os.stat(f"{where}/{name}").st_ino, directory=True))
            for name in files:
                path = f"{where}/{name}"
                inode = os.stat(path).st_ino
                if inode not in self._nodes:
                    self.content[self._new(inode)] = Path(path).read_bytes()
                self._enter(path, self._nodes[inode])

    def _new(self, inode: int, *, directory: bool = False) -> int:
        node, self._next = self._next, self._next + 1
        self._nodes[inode] = node
        if directory:
            self.directories.add(node)
        return node

    def _enter(self, path: str, node: int) -> None:
        self.entries[self.place(path)] = node

    def node(self, path: str) -> int:
        """What lies at a path now; 0 is the top."""
        found = 0
        for name in path[len(self.top) :].strip("/").split("/"):
            found = self.entries[found, name] if name else found
        return found

    def place(self, path: str) -> tuple[int, str]:
        """The entry of a path: its directory as it is now, and its name."""
        above, _, name = path.rpartition("/")
        return self.node(above), name

    def steps(self, trace: bytes) -> Iterator[Step]:
        """The steps that a trace tells of, the disk following them."""
        at = 0
        while at < len(trace):
            end = trace.index(b"\n", at)
            what, *words = trace[at:end].decode().split("\t")
            at = end + 1
            data = b""
            if what == "write":
                data = trace[at : at + int(words[2])]
                at += len(data)
            yield from self._step(what, words, data)

    def _step(self, what: str, words: list[str], data: bytes) -> Iterator[Step]:
        if what == "note":
            yield Step(what, line=msgspec.json.decode(words[0], type=Line))
        elif what == "write":
            yield Step(what, self._nodes[int(words[0])], offset=int(words[1]), data=data)
        elif what in {"truncate", "allocate"}:
            yield Step(what, self._nodes[int(words[0])], offset=int(words[1]))
        elif what == "sync":
            yield Step(what, self._nodes[int(words[0])])
        elif what == "syncdir":
            yield Step(what, self.node(words[0]))
        elif what == "syncall":
            yield Step(what)
        elif what == "create" and not words[0]:
            self._new(int(words[1]))
        elif what in {"create", "mkdir", "link"}:
            place = self.place(words[0])
            if what == "create":
                node = self._new(int(words[1]))
            elif what == "mkdir":
                node = self._new(os.urandom(8).__hash__(), directory=True)
            else:
                node = self._nodes[int(words[1])]
            self.entries[place] = node
            yield Step(what, node, place)
        elif what == "rename":
            gone, place = self.place(words[0]), self.place(words[1])
            if self.entries[gone] != self.entries.get(place):  # two names of one file: the kernel does nothing
                node = self.entries[place] = self.entries.pop(gone)
                yield Step(what, node, place, gone)
        elif what == "unlink":
            place = self.place(words[0])
            yield Step(what, self.entries.pop(place), place)


class States:
    """The states that the steps of one workload may leave."""

    def __init__(self, before: Disk, steps: Sequence[Step]) -> None:
        self.before, self.steps = before, steps

    def at(self, end: int) -> Iterator[tuple[str, list[Step]]]:
        """What may be there where the power goes after that many steps: a name for it, and the steps that count."""
        done = self.steps[:end]
        changes = [step for step in done if step.is_content or step.is_entry]
        sure = self._sure(done)
        loose = [step for step in changes if id(step) not in sure]
        yield "all", changes
        if not loose:
            return
        kept = [step for step in changes if id(step) in sure]
        yield "none", kept
        yield "names", [step for step in changes if id(step) in sure or step.is_entry]
        yield "content", [step for step in changes if id(step) in sure or step.is_content]
        yield "zeros", [step if id(step) in sure else _zeroed(step) for step in changes]
        for step in loose[-DROPPED:]:
            yield f"all but {step.what}", [other for other in changes if other is not step]
        torn = next((step for step in reversed(loose) if step.what == "write" and len(step.data) > 1), None)
        if torn is not None:
            yield "torn", [_halved(step) if step is torn else step for step in changes]

    def _sure(self, done: Sequence[Step]) -> set[int]:
        sure: set[int] = set()
        synced: set[int] = set()
        everything = False
        for step in reversed(done):
            if step.what in {"sync", "syncdir"}:
                synced.add(step.node)
            elif step.what == "syncall":
                everything = True
            elif everything or (step.node if step.is_content else step.place[0]) in synced:
                sure.add(id(step))
        return sure

    def build(self, kept: Sequence[Step], top: Path) -> None:
        """Make the state in a directory."""
        entries, content = dict(self.before.entries), {k: bytearray(v) for k, v in self.before.content.items()}
        directories = self.before.directories | {step.node for step in self.steps if step.what == "mkdir"}
        for step in kept:
            if step.what == "unlink":
                entries.pop(step.place, None)
            elif step.is_entry:
                entries[step.place] = step.node
                if step.gone is not None:
                    entries.pop(step.gone, None)
            else:
                _applied(content.setdefault(step.node, bytearray()), step)
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        _materialised(str(top), 0, entries, content, directories, {})


def _applied(content: bytearray, step: Step) -> None:
    if step.what == "write":
        content.extend(bytes(max(0, step.offset - len(content))))
        content[step.offset : step.offset + len(step.data)] = step.data
    elif step.what == "truncate":
        del content[step.offset :]
    content.extend(bytes(max(0, step.offset - len(content))))


def _materialised(
    path: str,
    node: int,
    entries: dict[tuple[int, str], int],
    content: dict[int, bytearray],
    directories: set[int],
    made: dict[int, str],
) -> None:
    for (above, name), below in entries.items():
        there = f"{path}/{name}"
        if above != node:
            continue
        if below in directories:
            os.mkdir(there)
            _materialised(there, below, entries, content, directories, made)
        elif below in made:
            os.link(made[below], there)
        else:
            made[below] = there
            with open(there, "wb") as file:
                file.write(content.get(below, b""))


def _zeroed(step: Step) -> Step:
    return Step(step.what, step.node, offset=step.offset, data=bytes(len(step.data))) if step.what == "write" else step


def _halved(step: Step) -> Step:
    return Step(step.what, step.node, offset=step.offset, data=step.data[: len(step.data) // 2])


def lost(spec: Spec) -> Report:
    """Each state that the workload may leave where the power goes."""
    began = time.monotonic()
    sweep = Sweep(Path(spec.top), spec.workload)
    states = _traced(sweep, Path(spec.top) / "trace")
    report, project = Report(), sweep.top / "project"
    chosen = list(_distinct(states))
    if spec.limit and len(chosen) > spec.limit:
        chosen = random.Random(spec.seed).sample(chosen, spec.limit)
    for end, name, kept in chosen:
        sweep.fresh()
        states.build(kept, project)
        lines = [step.line for step in states.steps[:end] if step.line is not None]
        problem = sweep.judged(lines, last_second(lines))
        report.points += 1
        report.fired += 1
        if problem:
            last = states.steps[end - 1].what if end else "nothing"
            report.failed.append(f"{spec.workload}, {name} after step {end} ({last}): {problem}")
    report.seconds = time.monotonic() - began
    return report


def _traced(sweep: Sweep, trace: Path) -> States:
    sweep.fresh()
    disk, before = Disk(sweep.top / "project"), Disk(sweep.top / "project")
    state = sweep.state()
    state.arm(Fault(mode=Mode.NOTHING, kinds=Kind(0)), 0)
    state.log_fd = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    ended = sweep.perform(state)
    os.close(state.log_fd)
    if ended.status:
        raise RuntimeError(ended.said)
    return States(before, list(disk.steps(trace.read_bytes())))


def _distinct(states: States) -> Iterator[tuple[int, str, list[Step]]]:
    seen: set[tuple[int, tuple[object, ...]]] = set()
    for end in range(len(states.steps) + 1):
        acked = sum(step.line is not None for step in states.steps[:end])
        for name, kept in states.at(end):
            known = (acked, tuple((step.what, step.node, step.place, step.offset, step.data) for step in kept))
            if known not in seen:
                seen.add(known)
                yield end, name, kept
