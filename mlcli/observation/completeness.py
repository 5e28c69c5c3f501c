"""Whether all that a command executed was seen, and where it was not, what and how to mend it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence

from ..domain.names import is_python
from .events import Became, Began, Forked, Native, Started, Stream, Trouble

DECLARE = "declare what it reads and writes: --input PATH, --output PATH"
_OR_NATIVE = f"{DECLARE}, or run it with --native" if sys.platform == "linux" else DECLARE
# They start the command that follows, and read no data themselves.
_LAUNCHERS = {
    "env", "nohup", "nice", "ionice", "time", "timeout", "setsid", "stdbuf", "taskset", "chrt", "xvfb-run", "uv", "uvx",
    "poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "conda", "mamba", "micromamba", "srun", "caffeinate", "sudo",
}  # fmt: skip
_HARMLESS = {
    "git", "uname", "lscpu", "nproc", "nvidia-smi", "rocm-smi", "ldconfig", "lsb_release", "hostname", "stty", "tput",
    "which", "free", "sysctl", "file", "id", "whoami", "date", "sleep", "true", "echo", "ps", "locale", "ld", "gcc",
    "cc", "c++", "g++", "clang", "objdump", "uuidgen", "getconf", "numactl", "test", "mlcli",
}  # fmt: skip
_DEAF = {"I", "E", "S"}
_ONLY_ASKED = {"-V", "-VV", "--version", "-h", "--help"}
_NO_LIBC = "it is linked statically, or runs as another user"
_NOTE_OF_GO = b"\4\0\0\0Go\0\0"
_HEAD = 2**15


def missing(streams: Sequence[Stream], argv: Sequence[str], pid: int, *, native: bool = False) -> list[str]:
    """What was not seen of the command `argv`, whose process was `pid`: a line for each; none where all was.

    `native` is whether a library was preloaded that tells of programs that are no Python.
    """
    natives = _natively(streams)
    told = {stream.pid for stream in streams if any(isinstance(event, Began | Forked) for event in stream.events)}
    told |= natives
    if not told:
        return [f"{os.path.basename(argv[0])} is not seen: {_NO_LIBC}; {DECLARE}" if native else _nobody(argv)]
    lines = []
    program = os.path.basename(argv[0])
    if pid not in told and program not in _LAUNCHERS:
        mend = DECLARE if native else _OR_NATIVE
        lines.append(f"{program} is no Python: what it read and started besides is not known; {mend}")
    parents = [began.ppid for stream in streams for began in stream.of(Began)]
    for stream in streams:
        lines += [] if stream.pid in natives else _unseen(stream, parents)
    lines += _unseen_natively(streams)
    lines += [f"{each.where}: {each.what}" for stream in streams for each in stream.of(Trouble)]
    return list(dict.fromkeys(lines))[:20]


def processes(streams: Sequence[Stream]) -> int:
    """How many processes told of themselves."""
    events = (event for stream in streams for event in stream.events)
    return len({event.pid for event in events if isinstance(event, Began | Forked | Native)})


def _nobody(argv: Sequence[str]) -> str:
    program = os.path.basename(argv[0])
    if is_python(program):
        deaf = next((arg for arg in argv[1:] if _is_deaf(arg)), None)
        if deaf:
            return f"{program} {deaf} does not load what watches it; leave {deaf} out, or {DECLARE}"
        return f"{program} did not load what watches it; {DECLARE}"
    return f"{program} started no Python that tells of itself (did it set PYTHONPATH anew?); {_OR_NATIVE}"


def _is_deaf(arg: str) -> bool:
    return arg.startswith("-") and not arg.startswith("--") and bool(_DEAF & set(arg[1:])) and arg[1:].isalpha()


def _unseen(stream: Stream, parents: list[int]) -> list[str]:
    """What a process started that did not tell of itself."""
    lines = []
    children = parents.count(stream.pid)
    for event in stream.of(Started):
        program, first = _program(event.argv)
        if list(event.argv[1:3]) == ["-m", "mlcli"]:
            continue
        if is_python(program):
            children -= 1
            if children < 0:
                why = "an environment of its own" if event.env else "-I, -E or -S, or it ended at once"
                lines.append(f"a {program} that was started did not load what watches it ({why}); {_OR_NATIVE}")
        elif program and program not in _HARMLESS and not first:
            lines.append(f"{program} was started, and what it reads is not seen; {_OR_NATIVE}")
    return lines


def _natively(streams: Sequence[Stream]) -> set[int]:
    """The processes that the preloaded library is in: those that it told of, and what they forked."""
    found = {event.pid for stream in streams for event in stream.of(Native)}
    for stream in streams:  # by the start of their processes: a parent comes before its child
        found |= {event.pid for event in stream.of(Forked) if event.ppid in found}
    return found


def _unseen_natively(streams: Sequence[Stream]) -> list[str]:
    """What was started where the preloaded library saw it, and did not tell of itself, or not of all that it does."""
    began = Counter(event.pid for stream in streams for event in stream.of(Began))
    natives = sorted((event for stream in streams for event in stream.of(Native)), key=lambda event: event.t)
    of_go = {program for program in {event.exe for event in natives} if _is_of_go(program)}
    times: dict[int, list[float]] = {}
    lines = []
    for event in natives:
        times.setdefault(event.pid, []).append(event.t)
        if event.name in _HARMLESS:
            continue
        if is_python(event.exe):
            began[event.pid] -= 1
            if began[event.pid] < 0 and not _ONLY_ASKED & set(event.flags):
                lines.append(_deaf(event))
        elif event.exe in of_go:
            lines.append(f"{event.name} is a program of Go: what it reads is not seen; {DECLARE}")
    for pid, programs in _started(streams).items():
        for program, at, until in programs:
            name = os.path.basename(program)
            told = any(at <= time < until for time in times.get(pid, ()))
            if not told and name not in _HARMLESS and name not in _LAUNCHERS:
                lines.append(f"{name} was started, and what it reads is not seen: {_NO_LIBC}; {DECLARE}")
    return lines


def _started(streams: Sequence[Stream]) -> dict[int, list[tuple[str, float, float]]]:
    """The programs that each process was turned into: from when, and until when it was that one."""
    found: dict[int, list[tuple[str, float, float]]] = {}
    events = [event for stream in streams for event in stream.of(Became)]
    for event in sorted(events, key=lambda event: event.t):
        programs = found.setdefault(event.pid, [])
        if event.failed:
            programs[:] = programs[:-1]
            continue
        if programs:
            programs[-1] = (*programs[-1][:2], event.t)
        programs.append((event.p, event.t, float("inf")))
    return found


def _deaf(event: Native) -> str:
    """What is to be said of a Python that the preloaded library was in, and the bootstrap was not."""
    flag = next((flag for flag in event.flags if _is_deaf(flag)), None)
    if flag:
        return f"of {event.name} {flag} the files are seen, but not what code it executed; leave {flag} out"
    return f"of a {event.name} the files are seen, but not what code it executed: it did not load what watches it"


def _is_of_go(program: str) -> bool:
    """Whether a program was compiled by Go, which asks the system for its files without the C library."""
    try:
        with open(program, "rb") as file:
            return _NOTE_OF_GO in file.read(_HEAD)
    except OSError:
        return False


def _program(argv: Sequence[str] | str) -> tuple[str, bool]:
    """The name of the program, and whether it only starts another."""
    words = argv.split() if isinstance(argv, str) else list(argv)
    name = os.path.basename(words[0]) if words else ""
    return name, name in _LAUNCHERS
