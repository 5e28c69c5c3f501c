"""An empty virtual environment of the Python that was recorded, made by uv or by an interpreter that is here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from shutil import which

from msgspec import Struct

from ..domain.names import escaped, quoted
from ..domain.secrets import masked_text
from ..domain.source import Environment
from ..errors import CannotBuild

CURRENT = "--env current runs it with what is here, and tells every difference"
_ASKED = "import sys; print(sys.implementation.name, '.'.join(map(str, sys.version_info[:3])))"
_SECONDS = 60
_ERROR = re.compile(r"(error|ERROR): *|× *")
_CAUSE = re.compile(r"cause: *|╰─▶ *")
_VERSIONS = re.compile(r" \(from versions: .*\)")


class Installer(Struct, frozen=True):
    """What installs packages into an environment: the command that requirements are appended to.

    `keeps` is what it needs to be there as it is, `brings` what it put there besides, `removes` takes that away again.
    """

    command: list[str]
    keeps: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


def wanted(recorded: Environment) -> str:
    """The recorded Python as uv and the names of interpreters have it: 3.11. CannotBuild where there was none."""
    if not recorded.python:
        raise CannotBuild("no Python environment was recorded: the command was no python", CURRENT)
    found = re.match(r"\d{1,3}\.\d{1,3}", recorded.python, re.A)
    if not found:
        raise CannotBuild(f"{quoted(recorded.python)} is no version of Python", CURRENT)
    return found[0]


def made(recorded: Environment, place: str, say: Callable[[str], None]) -> Installer:
    """Make an empty environment at `place`; what installs into it. CannotBuild where that Python cannot be had."""
    name = f"{'pypy' if recorded.implementation == 'pypy' else 'python'}{wanted(recorded)}"
    interpreter, python = _interpreter(recorded, name, say), os.path.join(place, "bin", "python")
    uv = which("uv")
    if uv:  # which takes no virtual environment's interpreter by itself, and fetches what is not here
        code, told = ran([uv, "venv", "--quiet", "--no-project", "--python", interpreter or name, place])
        if code:
            hint = f"put {name} on the PATH; or: {CURRENT}"
            raise CannotBuild(f"uv makes no environment with Python {wanted(recorded)}: {first_words(told)}", hint)
        return Installer([uv, "pip", "install", "--quiet", "--no-deps", "--python", python])
    if interpreter is None:
        hint = f"install uv, which fetches it, or put {name} on the PATH; or: {CURRENT}"
        raise CannotBuild(f"Python {wanted(recorded)} is not here, and the run was made with {recorded.python}", hint)
    code, told = ran([interpreter, "-I", "-m", "venv", place])
    if code:
        hint = f"install uv, or what {name} lacks (on Debian: apt install {name}-venv)"
        raise CannotBuild(f"{interpreter} makes no environment: {first_words(told)}", hint)
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"]
    install = [*pip, "install", "--no-deps", "--no-warn-script-location"]
    return Installer(install, keeps=("pip",), brings=("setuptools",), removes=(*pip, "uninstall", "--yes"))


def _interpreter(recorded: Environment, name: str, say: Callable[[str], None]) -> str | None:
    """An interpreter of the recorded version on this machine, else one that differs in the last part of it only."""
    close: dict[str, str] = {}
    for path, implementation, version in _here(name):
        if (recorded.implementation or implementation) != implementation:
            continue
        if version == recorded.python:
            return path
        if version.startswith(f"{wanted(recorded)}."):
            close.setdefault(version, path)
    for version, path in close.items():
        say(f"Python {version} stands in for {escaped(recorded.python)}, which is not here")
        return path
    return None


def _here(name: str) -> Iterator[tuple[str, str, str]]:
    """Each interpreter that may be it, with what it says it is: the one that runs this, and those of that name."""
    yield sys.executable, sys.implementation.name, ".".join(map(str, sys.version_info[:3]))
    asked = {os.path.realpath(sys.executable)}
    for directory in os.get_exec_path():
        for each in (name, "python3", "python"):
            path = os.path.join(directory, each)
            if os.path.realpath(path) in asked or not os.access(path, os.X_OK) or not os.path.isfile(path):
                continue
            asked.add(os.path.realpath(path))
            code, told = ran([path, "-I", "-c", _ASKED], seconds=_SECONDS)
            if not code and len(told.split()) == 2:
                implementation, version = told.split()
                yield path, implementation, version


def ran(argv: Sequence[str], *, seconds: float | None = None) -> tuple[int, str]:
    """The exit code of a program and all that it said."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, f"error: {error}"
    return done.returncode, done.stdout.decode(errors="replace")


def first_words(told: str) -> str:
    """What is wrong, in the first of an installer's own words that say it, without credentials."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    error = next(filter(_ERROR.match, lines), lines[-1] if lines else "it said nothing")
    cause = next(filter(_CAUSE.match, lines), "")
    words = ": ".join(filter(None, (_ERROR.sub("", error), _CAUSE.sub("", cause))))
    shown = escaped(masked_text(_VERSIONS.sub("", words)))
    return shown if len(shown) <= 200 else f"{shown[:200]}…"
