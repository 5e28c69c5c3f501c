"""What the benches share: one process measured, an environment without this machine's settings, a table of figures."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".bench"  # environments; git knows nothing of it
MIB = 2**20


@dataclass(frozen=True)
class Spent:
    """What one process took, with the children that it waited for: seconds, and the most memory it had, in bytes."""

    cpu: float
    wall: float
    memory: int
    out: str


class TooLong(Exception):
    """A command that was ended, as it took longer than it may."""


def spend(
    argv: list[str], *, at: Path, env: dict[str, str], terminal: bool = False, seconds: float = threading.TIMEOUT_MAX
) -> Spent:
    """Run a command to its end and say what it took; it must succeed, and TooLong where it takes longer than `seconds`.

    The memory is at least this process's own, as Linux counts what a process had before it became the command: a bench
    keeps itself small, and has what needs mlcli or data done by another process.
    """
    with _streams(terminal=terminal) as (stdin, stdout, stderr), tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        started = subprocess.Popen(argv, cwd=at, env=env, stdin=stdin, stdout=stdout, stderr=stderr or told)
        clock = threading.Timer(seconds, started.kill)
        clock.start()
        try:
            _, status, usage = os.wait4(started.pid, 0)
        except BaseException:
            started.kill()
            started.wait()
            raise
        finally:
            clock.cancel()
        wall = time.perf_counter() - began
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode and wall > seconds:
            raise TooLong(" ".join(argv))
        if started.returncode:
            told.seek(0)
            words = told.read().decode(errors="replace").strip()[-2000:]
            raise SystemExit(f"bench: {' '.join(argv)} exited with {started.returncode} in {at}\n{words}")
        out = "" if terminal else _whole(stdout)
    unit = 1 if sys.platform == "darwin" else 1024
    return Spent(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * unit, out)


def _whole(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


@contextmanager
def _streams(*, terminal: bool) -> Iterator[tuple[int, int, int | None]]:
    if not terminal:
        with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as out:
            yield null.fileno(), out.fileno(), None
        return
    master, slave = pty.openpty()
    reader = threading.Thread(target=_drain, args=(master,), daemon=True)
    reader.start()
    try:
        yield slave, slave, slave
    finally:
        os.close(slave)
        reader.join(5)
        os.close(master)


def _drain(master: int) -> None:
    try:
        while os.read(master, 2**16):
            pass
    except OSError:  # the last of the other side has closed
        return


def installed(directory: Path) -> Path:
    """The `bin` of an environment that has this checkout's mlcli as a wheel; made once, the wheel anew each time."""
    python = directory / "bin" / "python"
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        subprocess.run([*pip, str(CHECKOUT)], check=True, env=env)
    else:
        subprocess.run([*pip, "--force-reinstall", "--no-deps", str(CHECKOUT)], check=True, env=env)
    return python.parent


def environment(bin_: Path, home: Path) -> dict[str, str]:
    """An environment without this machine's settings: no variable of Python, git or mlcli; byte code is kept."""
    home.mkdir(exist_ok=True)
    dropped = ("PYTHON", "GIT_", "MLCLI_", "XDG_", "CI", "NO_COLOR", "FORCE_COLOR", "CLICOLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = f"{bin_}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "120"}


def git(at: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=at, check=True, capture_output=True)


def random_file(path: Path, mib: int) -> None:
    """A file that nothing can make smaller, on the disk."""
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


def random_files(directory: Path, count: int) -> None:
    """Files of 4 KiB."""
    directory.mkdir()
    for number in range(count):
        (directory / f"{number:05}").write_bytes(os.urandom(4096))


@contextmanager
def scratch(needed: int = 0) -> Iterator[Path]:
    """A directory that is removed at the end, also where the bench is told to stop; `needed` bytes must be free."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        sys.exit(f"bench: {tempfile.gettempdir()} has {free >> 20} MiB free, and {needed >> 20} MiB are needed")
    directory = Path(tempfile.mkdtemp(prefix="mlcli-bench-"))
    try:
        yield directory
    except KeyboardInterrupt:
        sys.exit("bench: stopped")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class Row:
    """A figure as it is told, what was asked, and whether it is met; None where nothing was asked."""

    what: str
    told: str
    asked: str = ""
    met: bool | None = None

    @property
    def shown(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        verdict = {None: "", True: "ok", False: "OVER"}[self.met]
        return f"{self.what:<58}  {self.told:<50}  {self.asked:<16}  {verdict}".rstrip()


def at_most(what: str, told: str, value: float, limit: float, unit: str = "x") -> Row:
    return Row(what, told, f"<= {limit:,}{unit}", value <= limit)


def at_least(what: str, told: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(what, told, f">= {limit:,}{unit}", value >= limit)
