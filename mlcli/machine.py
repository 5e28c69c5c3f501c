"""This machine and its processes: who owns a run, and whether it still lives."""

from __future__ import annotations

import os

from .domain.source import Process


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def boot_id() -> str:
    """What tells this start of the machine from its others; empty where the system does not say."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _start_ticks(pid: int) -> int:
    # The name in field 2 may hold spaces and parentheses: count from the last one. Field 22 is the start time.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    ended = fields[:1] in (["Z"], ["X"])  # and nobody has asked how yet
    return int(fields[19]) if len(fields) > 19 and not ended else 0


def this_process() -> Process:
    """The process we are in, so that it is known again after its number was given to another."""
    return process_of(os.getpid())


def process_of(pid: int) -> Process:
    """The process that has this number now."""
    return Process(pid=pid, host=os.uname().nodename, boot_id=boot_id(), start_ticks=_start_ticks(pid))


def is_alive(process: Process) -> bool:
    """Whether the process still runs. On another host nobody here can say: it is taken to live."""
    if process.host != os.uname().nodename:
        return True
    if process.boot_id and process.boot_id != boot_id():
        return False
    ticks = _start_ticks(process.pid)
    if ticks or process.start_ticks:
        return ticks == process.start_ticks and ticks != 0
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
