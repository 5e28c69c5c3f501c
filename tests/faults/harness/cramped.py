"""What a machine really runs out of: room on a disk, inodes, file size, descriptors; a disk that may only be read; a clock."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mlcli.errors import MlcliError

from .facts import difference, observed
from .injector import CHANGES, Fault, Mode, State
from .journal import FAILED, RAISED, Journal, lines_of
from .operations import Relents, Site, perform
from .shutdown import Disk, Unavailable
from .sweep import Report, Spec, Sweep, in_child

NOBODY = 65534
ENOUGH = 60
YEAR = 365 * 86400


class Room:
    """A disk with so many blocks left, or inodes."""

    def __init__(self, disk: Path, left: int, *, inodes: bool) -> None:
        self.ballast = disk / "ballast"
        self.ballast.mkdir()
        if inodes:
            for number in range(max(0, os.statvfs(disk).f_favail - left)):
                (self.ballast / str(number)).touch()
            return
        (self.ballast / "file").touch()
        free = os.statvfs(disk)
        size = max(1, (free.f_bavail - left) * free.f_frsize)
        with open(self.ballast / "file", "r+b") as file:
            while size > 0:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                    break
                except OSError:  # what the ballast's own blocks are noted in takes room, too
                    size -= free.f_frsize

    def relent(self) -> None:
        """Make room."""
        shutil.rmtree(self.ballast, ignore_errors=True)


class Limit:
    """A limit of this process: the size of a file, or how many are open."""

    def __init__(self, what: int, soft: int) -> None:
        self.what, self.before = what, resource.getrlimit(what)
        resource.setrlimit(what, (soft, self.before[1]))

    def relent(self) -> None:
        """Lift it."""
        resource.setrlimit(self.what, self.before)


def cramped(spec: Spec) -> Report:
    """The workload with ever more of what it lacks (`spec.fault`), until it lacks nothing."""
    began = time.monotonic()
    report = Report()
    disk: Disk | None = None
    try:
        if spec.fault == "ext4":
            disk = Disk(Path(spec.top), 3 * 2**20)
        elif spec.fault in {"blocks", "inodes"}:
            _mount_memory(Path(spec.top) / "disk", "size=8m,nr_inodes=400")
        _cramped(spec, report)
    except Unavailable as why:
        report.skipped = str(why)
    finally:
        if disk is not None:
            disk.close()
    report.seconds = time.monotonic() - began
    return report


def _cramped(spec: Spec, report: Report) -> None:
    place = Path(spec.top) / "disk"
    place.mkdir(exist_ok=True)
    sweep = Sweep(Path(spec.top), spec.workload, place / "site")
    files = _users_files(Path(spec.top), sweep)
    for left, want in _wants(spec.fault, place):
        sweep.fresh()
        state = sweep.state()
        state.arm(Fault(mode=Mode.NOTHING, kinds=CHANGES), 0)

        reading, writing = os.pipe()  # a pipe, as it has room even where no file may have any
        journal = Journal(None, writing)

        def work(want: Callable[[], Relents] = want, state: State = state, journal: Journal = journal) -> str:
            state.use()
            site = Site(sweep.top, sweep.world.ids, state, files)
            perform(site, sweep.operations, journal, want(), width=3)
            return ""

        ended = in_child(work)
        os.close(writing)
        with open(reading, "rb") as lines:
            sweep.journal.write_bytes(lines.read())
        shutil.rmtree(place / "ballast", ignore_errors=True)
        struck = any(line.what in {FAILED, RAISED} for line in lines_of(sweep.journal))
        problem = ended.said if ended.status else sweep.judged()
        report.points += struck or bool(problem)
        report.fired += struck
        if problem:
            report.failed.append(f"{spec.workload}, {left} {spec.fault} left {sweep.during()}: {problem}")
        if not struck:
            return
    raise RuntimeError(f"{spec.workload} lacks {spec.fault} at the end, too")


def _wants(what: str, place: Path) -> Iterator[tuple[int, Callable[[], Relents]]]:
    for left in range(400 if what in {"blocks", "ext4", "inodes"} else ENOUGH):
        if what in {"blocks", "ext4", "inodes"}:
            yield left, lambda left=left: Room(place, left, inodes=what == "inodes")  # type: ignore[misc]
        elif what == "bytes":
            yield left * 100, lambda left=left: Limit(resource.RLIMIT_FSIZE, left * 100 if left < ENOUGH - 1 else 2**20)  # type: ignore[misc]
        else:
            yield left, lambda left=left: Limit(resource.RLIMIT_NOFILE, _free_descriptor() + left)  # type: ignore[misc]


def _free_descriptor() -> int:
    descriptor = os.open("/", os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def _users_files(top: Path, sweep: Sweep) -> Path:
    """The user's files that the workload reads, elsewhere: it is the store that shall lack something."""
    site = Site(top / "elsewhere", sweep.world.ids)
    for operation in sweep.operations:
        with suppress(MlcliError):
            operation.do(site)
    return site.files


def _mount_memory(place: Path, options: str) -> None:
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"no file system of our own can be mounted here: {done.stderr.strip()}")


def only_read(spec: Spec) -> Report:
    """A store that may only be read, because of its mount or (`spec.fault` 'nobody') of who owns it, is read."""
    began = time.monotonic()
    report = Report()
    place = Path(spec.top) / "disk"
    try:
        if spec.fault == "nobody" and os.geteuid():
            raise Unavailable("only root can make a store of another user")
        if spec.fault != "nobody":
            _mount_memory(place, "size=8m")
        _only_read(spec, place, report)
    except Unavailable as why:
        report.skipped = str(why)
    report.seconds = time.monotonic() - began
    return report


def _only_read(spec: Spec, place: Path, report: Report) -> None:
    sweep = Sweep(Path(spec.top), spec.workload, place / "site")
    files = _users_files(Path(spec.top), sweep)
    before = observed(Site(sweep.top).workspace)
    Path(spec.top).chmod(0o755)
    if spec.fault != "nobody":
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)

    def work() -> str:
        if spec.fault == "nobody":
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        told = difference(before, observed(Site(sweep.top).workspace))
        said = [f"reading: {told}"] if told else []
        for operation in sweep.operations:
            try:
                operation.do(Site(sweep.top, sweep.world.ids, None, files))
                said += [f"{operation.name} wrote"] if operation.name != "look" else []
            except MlcliError as error:
                said += [f"{operation.name} said {error.message!r}"] if "\n" in error.message else []
        return "; ".join(said)

    ended = in_child(work)
    report.points = report.fired = 1 + len(sweep.operations)
    after = observed(Site(sweep.top).workspace)
    for problem in (ended.said, difference(before, after)):
        if problem:
            report.failed.append(f"{spec.workload}, only to be read: {problem}")


def off(spec: Spec) -> Report:
    """The clock is off by so many years when the workload begins, and by as many the other way at each second step."""
    began = time.monotonic()
    report = Report()
    for seconds in (-10 * YEAR, 12 * YEAR, -3600, 3600):
        top = Path(spec.top) / str(seconds)
        top.mkdir()
        sweep = Sweep(top, spec.workload)
        sweep.fresh()
        state = State.shared(sweep.top / "project")

        def work(sweep: Sweep = sweep, state: State = state, seconds: int = seconds) -> str:
            state.use()
            site = Site(sweep.top, sweep.world.ids, state)
            site.swing = seconds
            perform(site, sweep.operations, Journal(sweep.journal))
            return ""

        ended = in_child(work)
        report.points += 1
        report.fired += state.clock_offset_ns != 0
        problem = ended.said or sweep.judged()
        if problem:
            report.failed.append(f"{spec.workload}, the clock off by {seconds} s: {problem}")
    report.seconds = time.monotonic() - began
    return report
