"""A real ext4 on a loop device, which is shut down as if the power went: whatever was not made durable is gone."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

from .injector import fault_of
from .journal import lines_of
from .sweep import Report, Spec, Sweep, last_second, unlike

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("I", 2)
SIZE = 48 * 2**20


class Unavailable(Exception):
    """This machine has no file system that can be shut down."""


class Disk:
    """An image with ext4, mounted."""

    def __init__(self, top: Path, size: int = SIZE) -> None:
        self.image, self.top = top / "image", top / "disk"
        if os.geteuid() or shutil.which("mkfs.ext4") is None:
            raise Unavailable("only root can mount a file system, and mkfs.ext4 makes one")
        with open(self.image, "wb") as file:
            file.truncate(size)
        self._run("mkfs.ext4", "-qF", "-m0", str(self.image))
        self.top.mkdir()
        self._mount()

    def _mount(self) -> None:
        # Without a commit of the journal in between, nothing becomes durable that nobody asked for.
        self._run("mount", "-o", "loop,noatime,commit=300", str(self.image), str(self.top))

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")

    def settle(self) -> None:
        """Make all that is there durable."""
        self._run("sync", "-f", str(self.top))

    def lose_power(self, *, after_an_fsync: bool) -> None:
        """Take the power away and bring it back; `after_an_fsync` of a file that has nothing to do with the store."""
        if after_an_fsync:
            with open(self.top / "other", "wb") as file:
                file.write(os.urandom(64))
                file.flush()
                os.fsync(file.fileno())
        descriptor = os.open(self.top, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, NO_LOG_FLUSH)
        except OSError as error:
            raise Unavailable(f"this kernel does not shut ext4 down: {error}") from None
        finally:
            os.close(descriptor)
        self._run("umount", str(self.top))
        self._mount()

    def close(self) -> None:
        """Let go of the image."""
        subprocess.run(["umount", "-l", str(self.top)], capture_output=True, check=False)


def shut(spec: Spec) -> Report:
    """The power goes after each call of the workload, or some; the fault 'other' is an unrelated fsync just before."""
    began = time.monotonic()
    report = Report()
    disk = None
    try:
        disk = Disk(Path(spec.top))
        _shut(spec, disk, report)
    except Unavailable as why:
        report.skipped = str(why)
    finally:
        if disk is not None:
            disk.close()
    report.seconds = time.monotonic() - began
    return report


def _shut(spec: Spec, disk: Disk, report: Report) -> None:
    fault = fault_of("after")
    sweep = Sweep(Path(spec.top), spec.workload, disk.top / "site")
    numbers = list(range(1, sweep.calls(fault.kinds) + 1))
    if spec.limit and len(numbers) > spec.limit:
        numbers = sorted(random.Random(spec.seed).sample(numbers, spec.limit))
    for number in numbers:
        sweep.fresh()
        disk.settle()
        state = sweep.state()
        state.arm(fault, number)
        ended = sweep.perform(state)
        disk.lose_power(after_an_fsync=spec.fault == "other")
        report.points += 1
        problem = unlike(fault, state, ended)
        report.fired += not problem
        lines = lines_of(sweep.journal)
        problem = problem or sweep.judged(lines, last_second(lines))
        if problem:
            report.failed.append(f"{spec.workload}, after call {number} {sweep.during()}: {problem}")
