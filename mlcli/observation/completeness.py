"""Whether all that a command executed was seen, and where it was not, what and how to mend it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .events import Began, Forked, Started, Stream, Trouble

DECLARE = "declare what it reads and writes: --input PATH, --output PATH"
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


def missing(streams: Sequence[Stream], argv: Sequence[str], pid: int) -> list[str]:
    """What was not seen of the command `argv`, whose process was `pid`: a line for each; none where all was."""
    told = {stream.pid for stream in streams if any(isinstance(event, Began | Forked) for event in stream.events)}
    if not told:
        return [_nobody(argv)]
    lines = []
    program = os.path.basename(argv[0])
    if pid not in told and program not in _LAUNCHERS:
        lines.append(f"{program} is no Python: what it read and started besides is not known; {DECLARE}")
    parents = [began.ppid for stream in streams for began in stream.of(Began)]
    for stream in streams:
        lines += _unseen(stream, parents)
    lines += [f"{each.where}: {each.what}" for stream in streams for each in stream.of(Trouble)]
    return list(dict.fromkeys(lines))[:20]


def _nobody(argv: Sequence[str]) -> str:
    program = os.path.basename(argv[0])
    if is_python(program):
        deaf = next((arg for arg in argv[1:] if _is_deaf(arg)), None)
        if deaf:
            return f"{program} {deaf} does not load what watches it; leave {deaf} out, or {DECLARE}"
        return f"{program} did not load what watches it; {DECLARE}"
    return f"{program} started no Python that tells of itself (did it set PYTHONPATH anew?); {DECLARE}"


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
                lines.append(f"a {program} that was started did not load what watches it ({why}); {DECLARE}")
        elif program and program not in _HARMLESS and not first:
            lines.append(f"{program} was started, and what it reads is not seen; {DECLARE}")
    return lines


def _program(argv: Sequence[str] | str) -> tuple[str, bool]:
    """The name of the program, and whether it only starts another."""
    words = argv.split() if isinstance(argv, str) else list(argv)
    name = os.path.basename(words[0]) if words else ""
    return name, name in _LAUNCHERS


def is_python(program: str) -> bool:
    """Whether a program of this name is a Python."""
    return program.startswith(("python", "pypy")) and not program.endswith("-config")
