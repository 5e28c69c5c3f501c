"""Many processes on one store at once: writers, readers and sweepers, with jitter, and with kill -9 among them."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from mlcli import registry, tracking, trash
from mlcli.domain.history import Action
from mlcli.domain.run import RunStatus
from mlcli.errors import MlcliError

from .facts import digest
from .injector import CHANGES, Fault, Mode, State
from .operations import Site, begin, finish, model
from .sweep import PATIENCE, Report, in_child
from .verdict import Unexplained, mend

MANY = 120
"""Points that a writer records in a turn: more than are kept as lines."""


class Race(msgspec.Struct, kw_only=True):
    """How many take part, how often each writes, how many are killed, and where.

    `numbers` lets the writers ask the store for version numbers without the lock that the registry holds meanwhile.
    """

    top: str
    writers: int
    rounds: int
    kills: int = 0
    readers: int = 0
    sweepers: int = 0
    numbers: bool = False
    jitter_us: int = 1500
    seed: int = 1


class Ack(msgspec.Struct, frozen=True, array_like=True):
    """What returned: of what kind, by whom, with what result."""

    kind: str
    writer: str
    turn: int
    number: int = 0
    run: str = ""


def raced(race: Race) -> Report:
    """All at once, and then the store held against what returned."""
    began = time.monotonic()
    report = Report()
    contest = _Contest(race)
    try:
        contest.hold()
        report.watched = sum(int(path.read_text()) for path in contest.top.glob("watched-*"))
        report.points, report.fired = contest.acked, contest.killed or contest.acked
        contest.judge()
    except Unexplained as problem:
        report.failed.append(str(problem))
    report.seconds = time.monotonic() - began
    return report


class _Contest:
    def __init__(self, race: Race) -> None:
        self.race, self.top = race, Path(race.top) / "site"
        (self.top / "project").mkdir(parents=True)
        self.over = State.shared(self.top / "project")  # its `at` tells readers that the writers are done
        self.random = random.Random(race.seed)
        self.killed = self.acked = 0
        made = in_child(self._set_up)
        if made.status:
            raise RuntimeError(made.said)
        self.ids = dict(word.split("=") for word in made.said.split())
        self.shared = self.ids["shared"]

    def _set_up(self) -> str:
        site = Site(self.top)
        for operation in (begin("shared"), begin("base"), model("base", "base"), finish("base")):
            operation.do(site)
        registry.register(site.workspace, "iris", site.id("base"))
        tracking.finish(site.workspace, site.id("shared"), RunStatus.FINISHED)
        begin("busy").do(site)
        return " ".join(f"{name}={site.id(name)}" for name in ("shared", "base", "busy"))

    # Holding it

    def hold(self) -> None:
        """Let all begin, kill and begin again, until every writer is through; then let those who watch end."""
        race = self.race
        states: dict[int, State] = {}
        writers: dict[int, tuple[int, int]] = {}
        watchers = [self._spawned(self._read) for _ in range(race.readers)]
        watchers += [self._spawned(self._sweep) for _ in range(race.sweepers)]
        left = race.kills

        def start(writer: int, generation: int) -> None:
            nonlocal left
            state = State.shared(self.top / "project")
            state.arm(
                Fault(mode=Mode.KILL_BEFORE if left else Mode.NOTHING, kinds=CHANGES), self.random.randrange(1, 60)
            )
            state.jitter_us = race.jitter_us
            left -= 1 if left else 0
            pid = self._spawned(lambda: self._write(writer, generation, state))
            states[pid], writers[pid] = state, (writer, generation)

        for writer in range(race.writers):
            start(writer, 0)
        failed = []
        while writers:
            pid, status = os.wait()
            if pid in watchers:
                watchers.remove(pid)
                failed.append(f"whoever watches ended before the writers: {status}")
                continue
            writer, generation = writers.pop(pid)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and states[pid].fired:
                self.killed += 1
                start(writer, generation + 1)
            elif status:
                failed.append(f"writer {writer} ended with {status}")
        self.over.at = 1
        for pid in watchers:
            if os.waitpid(pid, 0)[1]:
                failed.append("whoever watched was wrong")
        self.acked = len(self._acks())
        said = [path.read_text() for path in sorted(self.top.glob("error-*"))]
        if failed or said:
            raise Unexplained("; ".join([*failed, *said])[:3000])
        if race.kills and self.killed != race.kills:
            raise Unexplained(f"{self.killed} were killed, and {race.kills} should have been")

    def _spawned(self, work: Callable[[], None]) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            signal.alarm(PATIENCE * 4)
            work()
            status = 0
        except BaseException:
            (self.top / f"error-{os.getpid()}").write_text(traceback.format_exc()[-1500:])
        finally:
            os._exit(status)

    def _write(self, writer: int, generation: int, state: State) -> None:
        state.use()
        name = f"w{writer}.{generation}"
        site = Site(self.top, self.ids)
        acks = os.open(self.top / f"acks-{writer}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def ack(kind: str, turn: int, number: int = 0, run: str = "") -> None:
            os.write(acks, msgspec.json.encode(Ack(kind, name, turn, number, run)) + b"\n")

        for turn in range(self.race.rounds):
            if self.race.numbers:
                base = site.workspace.store.version("iris", 1)
                ack(
                    "numbered",
                    turn,
                    site.workspace.store.add_version(msgspec.structs.replace(base, why=f"{name} {turn}")).number,
                )
                continue
            self._turn(site, f"{name}.{turn}", writer, turn, ack)

    def _turn(self, site: Site, name: str, writer: int, turn: int, ack: Callable[..., None]) -> None:
        for operation in (begin(name), model(name, name), finish(name)):
            operation.do(site)
        ack("run", turn, run=site.id(name))
        version = registry.register(site.workspace, "iris", site.id(name)).version
        ack("registered", turn, version.number, site.id(name))
        registry.promote(site.workspace, version.ref, "production")
        ack("promoted", turn, version.number)
        tracking.log_metrics(site.workspace, site.id("shared"), {name: float(turn)}, step=turn, live=False)
        ack("logged", turn)
        tracking.set_tags(site.workspace, site.id("shared"), {f"w{writer}": name})
        ack("tagged", turn)
        recorder = site.recorder("busy")
        recorder.know(name)
        for step in range(MANY):
            recorder.add(name, step / 8, step)
        ack("recorded", turn)
        if self.race.sweepers:
            begin(f"{name} gone").do(site)
            model(f"{name} gone", f"{name} gone").do(site)
            finish(f"{name} gone").do(site)
            trash.remove(site.workspace, [site.id(f"{name} gone")])

    def _read(self) -> None:
        site = Site(self.top)
        for _ in self._until_over():
            found = tracking.find_runs(site.workspace)
            for problem in found.problems:
                raise problem
            registry.history(site.workspace, "iris")
            site.workspace.store.run(self.shared)
            site.workspace.store.points(self.ids["busy"])

    def _sweep(self) -> None:
        site = Site(self.top)
        for _ in self._until_over():
            trash.collect(site.workspace, older_than=timedelta())

    def _until_over(self) -> Iterator[None]:
        times = 0
        while not self.over.at:
            yield
            times += 1
        (self.top / f"watched-{os.getpid()}").write_text(str(times))

    # Judging it

    def _acks(self) -> list[Ack]:
        paths = sorted(self.top.glob("acks-*"))
        return [ack for path in paths for ack in msgspec.json.Decoder(Ack).decode_lines(path.read_bytes())]

    def judge(self) -> None:
        """Nothing that returned is lost, nothing is there twice; and doctor finds the store whole."""
        found = in_child(self._judged)
        if found.status or found.said:
            raise Unexplained(found.said)

    def _judged(self) -> str:
        try:
            (self._numbered if self.race.numbers else self._whole)(self._acks())
        except (Unexplained, AssertionError, MlcliError) as problem:
            return f"{type(problem).__name__}: {problem}"
        return ""

    def _numbered(self, acks: list[Ack]) -> None:
        store = Site(self.top).workspace.store
        for ack in acks:
            said = store.version("iris", ack.number).why
            _same(f"version {ack.number}", f"{ack.writer} {ack.turn}", said)
        _same("numbers", list(range(1, len(acks) + 2)), store.version_numbers("iris"))

    def _whole(self, acks: list[Ack]) -> None:
        mend(self.top)
        site = Site(self.top)
        store = site.workspace.store
        numbers = store.version_numbers("iris")
        _same("numbers", list(range(1, len(numbers) + 1)), numbers)
        _same("numbers given twice", [], [n for n, times in _counted(acks, "registered").items() if times > 1])
        versions = {number: store.version("iris", number) for number in numbers}
        history = store.history("iris")
        _same("heads of the history", 1, len(history.heads))
        _same("parents of an event", 1, max(len(event.parents) for event in history.events))
        moved = Counter(event.version for event in history.events if event.action is Action.MOVED)
        announced = Counter(event.version for event in history.events if event.action is Action.REGISTERED)
        points = Counter((point.metric, point.step) for point in store.points(self.shared))
        busy = Counter((point.metric, point.step) for point in store.points(self.ids["busy"]))
        for ack in acks:
            if ack.kind == "run":
                _same(f"run {ack.run}", ["finished"], [store.run(ack.run).status.value])
                for artifact in store.run(ack.run).artifacts:
                    with open(store.content_path(artifact), "rb") as file:
                        _same(f"content of {ack.run}", digest(f"{ack.writer}.{ack.turn}"), digest(file.read()))
            elif ack.kind == "registered":
                _same(f"version {ack.number}", ack.run, versions[ack.number].run.id)
                _same(f"events of version {ack.number}", 1, announced[versions[ack.number].digest])
            elif ack.kind == "promoted":
                _same(f"moves of version {ack.number}", 1, moved[versions[ack.number].digest])
            elif ack.kind == "logged":
                _same(f"points of {ack.writer}.{ack.turn}", 1, points[f"{ack.writer}.{ack.turn}", ack.turn])
            elif ack.kind == "recorded":
                there = [busy[f"{ack.writer}.{ack.turn}", step] for step in range(MANY)]
                _same(f"points that {ack.writer}.{ack.turn} recorded", [1] * MANY, there)
        twice = [point for point, times in [*points.items(), *busy.items()] if times > 1]
        _same("points that are there twice", [], twice)
        self._tags(acks, store.run(self.shared).tags)

    def _tags(self, acks: list[Ack], tags: dict[str, str]) -> None:
        for ack in acks:
            if ack.kind == "tagged":
                writer, generation = ack.writer.split(".")
                _, there_generation, there_turn = tags[writer].split(".")
                if (int(there_generation), int(there_turn)) < (int(generation), ack.turn):
                    raise Unexplained(f"tag {writer} is {tags[writer]}, older than {ack.writer}.{ack.turn}")


def _same(what: str, expected: Any, found: Any) -> None:
    if expected != found:
        raise Unexplained(f"{what}: {str(found)[:300]} and not {str(expected)[:300]}")


def _counted(acks: list[Ack], kind: str) -> Counter[int]:
    return Counter(ack.number for ack in acks if ack.kind == kind)
