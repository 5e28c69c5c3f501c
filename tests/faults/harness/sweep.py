"""Perform a workload once for each file call it makes, let that call go wrong, and judge what is left.

A process of its own, into which inject.c was preloaded: it imports mlcli once and forks a child for each point.
"""

from __future__ import annotations

import gc
import math
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from mlcli import doctor
from mlcli.errors import NotFound
from mlcli.lookup import find_version

from .facts import observed
from .injector import Fault, Kind, Mode, State, fault_of
from .journal import DONE, FAILED, RAISED, Journal, Line, lines_of
from .operations import Site, World, perform
from .verdict import judged
from .workloads import AFTERWARDS, LARGE, WORKLOADS, Operations

PATIENCE = 120


class Report(msgspec.Struct, kw_only=True):
    """How many points were tried, at how many the fault struck, what failed, by point; and what was done meanwhile."""

    points: int = 0
    fired: int = 0
    failed: list[str] = []
    seconds: float = 0.0
    watched: int = 0
    skipped: str = ""


class Spec(msgspec.Struct, kw_only=True):
    """What to sweep: a workload, a fault, at most how many points (chosen by a seed), and where to work."""

    workload: str
    fault: str
    top: str
    limit: int = 0
    seed: int = 1


class Child(msgspec.Struct, frozen=True):
    """How a child ended, and what it said."""

    status: int
    said: str


def in_child(work: Callable[[], str]) -> Child:
    """What `work` gives, in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            signal.alarm(PATIENCE)
            os.write(writing, work().encode()[:60_000])
            status = 0
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-2000:])
        finally:
            os._exit(status)
    os.close(writing)
    said = b""
    while part := os.read(reading, 2**16):
        said += part
    os.close(reading)
    return Child(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode(errors="replace"))


class Sweep:
    """One workload in one directory, which is made anew for each point."""

    def __init__(self, top: Path, workload: str, site: Path | None = None) -> None:
        before, self.operations = {**WORKLOADS, **LARGE}[workload]
        self.top, self.model, self.journal = site or top / "site", top / "model", top / "journal"
        self.began = int(time.time()) + 1
        _warm(top / "warm")
        self.world = self._set_up(before)

    def _set_up(self, before: Operations) -> World:
        world = World()
        for operation in before:
            world = world.after(operation, operation.effect)
        # The store is made by a child, and where it will be: its runs' process is gone, and no path is strange.
        (self.top / "project").mkdir(parents=True)
        made = in_child(lambda: self._did(before))
        if made.status:
            raise RuntimeError(made.said)
        copied(self.top, self.model)
        return world

    def fresh(self) -> None:
        """The store as it was before."""
        if self.top.exists():
            shutil.rmtree(self.top)
        copied(self.model, self.top)
        self.journal.unlink(missing_ok=True)

    def _did(self, before: Operations) -> str:
        self.state(after=0).use()
        site = Site(self.top)
        for operation in before:
            operation.do(site)
        return ""

    def state(self, after: int = 100) -> State:
        """A state for one child. Its clock stands still, so that each makes the same calls, `after` so many seconds."""
        state = State.shared(self.top / "project")
        state.freeze_clock((self.began + after) * 1_000_000_000)
        return state

    def perform(self, state: State, *, width: int = 1) -> Child:
        """The workload, in a child that obeys `state`."""

        def work() -> str:
            state.use()
            perform(Site(self.top, self.world.ids, state), self.operations, Journal(self.journal), state, width=width)
            return ""

        return in_child(work)

    def judged(self, lines: Sequence[Line] | None = None, since: float = math.inf) -> str:
        """What is wrong with what is left; '' where nothing is. Points that were logged `since` may be lost."""
        noted = lines_of(self.journal) if lines is None else lines

        def work() -> str:
            self.state(after=200).use()
            return judged(self.top, self.world, self.operations, noted, since)

        found = in_child(work)
        return found.said if found.status == 0 else f"the judge failed: {found.said}"

    def during(self) -> str:
        """The operation that failed, or was the last to be begun."""
        lines = lines_of(self.journal)
        failed = [line for line in lines if line.what in {FAILED, RAISED}] or lines
        return f"({self.operations[failed[-1].number].name if failed else 'before any'})"

    def calls(self, kinds: Kind) -> int:
        """How many calls of these kinds the workload makes when nothing goes wrong."""
        self.fresh()
        state = self.state()
        state.arm(Fault(mode=Mode.NOTHING, kinds=kinds), 0)
        ended = self.perform(state)
        problem = ended.said if ended.status else self.judged()
        if problem:
            raise RuntimeError(f"the workload does not pass when nothing goes wrong: {problem}")
        return state.calls


def _warm(top: Path) -> None:
    """Import what is imported late, once, and not in each child."""
    (top / "project").mkdir(parents=True)
    site = Site(top)
    for operation in AFTERWARDS:
        operation.do(site)
    site.settle("after")
    observed(site.workspace)
    doctor.examined(site.workspace)
    with suppress(NotFound):
        find_version(site.workspace, "after-mode@1")


def copied(source: Path, target: Path) -> None:
    """A directory copied with its hard links and times."""
    seen: dict[int, str] = {}
    for where, directories, names in os.walk(source):
        there = str(target) + where[len(str(source)) :]
        os.mkdir(there)
        for name in names:
            path, to = f"{where}/{name}", f"{there}/{name}"
            found = os.stat(path)
            if found.st_nlink > 1 and found.st_ino in seen:
                os.link(seen[found.st_ino], to)
            else:
                seen[found.st_ino] = to
                shutil.copy2(path, to)
        directories.sort()


def swept(spec: Spec) -> Report:
    """The fault at each call, or at some of them."""
    began = time.monotonic()
    fault = fault_of(spec.fault)
    sweep = Sweep(Path(spec.top), spec.workload)
    numbers = list(range(1, sweep.calls(fault.kinds) + 1))
    if spec.limit and len(numbers) > spec.limit:
        numbers = sorted(random.Random(spec.seed).sample(numbers, spec.limit))
    report = Report()
    gc.freeze()
    for number in numbers:
        sweep.fresh()
        state = sweep.state()
        state.arm(fault, number)
        ended = sweep.perform(state, width=3 if fault.mode is Mode.ERROR_FROM else 1)
        report.points += 1
        problem = unlike(fault, state, ended)
        report.fired += not problem
        problem = problem or sweep.judged()
        if problem:
            report.failed.append(f"{spec.workload}, {spec.fault} at call {number} {sweep.during()}: {problem}")
    report.seconds = time.monotonic() - began
    return report


def last_second(lines: Sequence[Line]) -> float:
    """Since when points may be lost where the power goes now: the last second of what was logged."""
    return max((line.at for line in lines if line.what == DONE), default=0.0) - 1.0


def unlike(fault: Fault, state: State, ended: Child) -> str:
    """What shows that the fault did not strike as it should; '' where it did."""
    if not state.fired:
        return f"the fault did not strike: {state.calls} calls, ended with {ended.status} {ended.said}"
    if fault.kills and ended.status != -signal.SIGKILL:
        return f"the process was not killed: it ended with {ended.status} {ended.said}"
    if not fault.kills and ended.status:
        return f"the workload died with {ended.status}: {ended.said}"
    return ""
