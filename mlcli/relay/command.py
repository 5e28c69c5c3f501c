"""The command's process: its start, and its end."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import resource

    from .pipes import Pipe
    from .streams import Terminal


class Ending(Struct, frozen=True):
    """How a command ended.

    `exit_code` is what the shell should see: the command's own, 128+N for signal N, 126 or 127 where it did not start
    and `reason` says why. `signal` ended the command; `interrupted` is the first signal to end it that reached us.
    `pid` was its process. `peak_memory` is in bytes, and never below our own, from which the kernel counts on.
    `warnings` tell what is missing from the log or was not passed on.
    """

    exit_code: int
    started: bool = True
    pid: int = 0
    signal: int | None = None
    interrupted: int | None = None
    reason: str | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None
    warnings: tuple[str, ...] = ()


def spawn(
    argv: Sequence[str], environ: Mapping[str, str], streams: Iterable[Pipe | Terminal], mask: Iterable[int]
) -> int:
    """Start it as execvp would, searching the PATH that it is given and not ours."""
    actions = [(os.POSIX_SPAWN_DUP2, stream.given, fd) for stream in streams for fd in stream.fds]

    def start(path: str, args: list[str]) -> int:
        # Python ignores these two for itself, and what is ignored would stay so in the command.
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        return os.posix_spawn(path, args, environ, file_actions=actions, setsigmask=mask, setsigdef=defaults)

    name = argv[0]
    path = environ.get("PATH", os.defpath).split(os.pathsep) if name else []
    places = [name] if "/" in name else [f"{directory or '.'}/{name}" for directory in path]
    refused: OSError = FileNotFoundError(errno.ENOENT, "no such command")
    for place in filter(os.path.lexists, places):
        try:
            return start(place, list(argv))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            refused = error
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return start("/bin/sh", ["/bin/sh", place, *argv[1:]])
    raise refused


def not_started(name: str, error: OSError | ValueError) -> Ending:
    """The ending of what did not even start, as a shell would tell it."""
    missing = isinstance(error, FileNotFoundError)
    if missing and "/" in name and os.path.isfile(name):
        reason = f"{name!r} needs an interpreter that is not here"
    elif missing:
        reason = f"no such command: {name!r}"
    elif isinstance(error, PermissionError):
        reason = f"{name!r} is a directory" if "/" in name and os.path.isdir(name) else f"{name!r} is not executable"
    else:
        reason = f"cannot start {name!r}: {getattr(error, 'strerror', None) or error}"
    return Ending(127 if missing else 126, started=False, reason=reason)


class Child:
    """The command's process; `watch` becomes readable when it ends, or is -1 where the system has no such thing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.result: tuple[int, resource.struct_rusage] | None = None
        try:
            self.watch = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self.watch = -1

    def ended(self, ready: Iterable[int]) -> bool:
        """Whether it has, going by what is readable."""
        if self.watch >= 0:
            return self.watch in ready
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.result = (status, usage) if pid else None
        return bool(pid)

    def ending(self, interrupted: int | None, warnings: tuple[str, ...]) -> Ending:
        """Reap it, and tell how it ended."""
        if self.watch >= 0:
            os.close(self.watch)
        status, usage = self.result or os.wait4(self.pid, 0)[1:3]
        code = os.waitstatus_to_exitcode(status)
        return Ending(
            code if code >= 0 else 128 - code,
            pid=self.pid,
            signal=-code if code < 0 else None,
            interrupted=interrupted,
            peak_memory=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            warnings=warnings,
        )
