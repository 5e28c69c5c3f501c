"""The library that is preloaded into every program of a command: compiled once where it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..errors import NoNative
from . import hook

_FLAGS = ("-shared", "-fPIC", "-O2", "-fvisibility=hidden")
_COMPILERS = ("cc", "gcc", "clang")
_LEAVE_OUT = "leave --native out"
_SEPARATORS = " :"  # of what is on LD_PRELOAD


def built(cache: str, environ: Mapping[str, str]) -> str:
    """The path of the library, beside the bootstrap; compiled where it is not there. NoNative where it cannot be."""
    libc = _libc()
    try:
        directory = hook.installed(cache)
    except hook.NoHook as trouble:
        raise NoNative(f"--native: {trouble}", "set XDG_CACHE_HOME to a directory that can be written") from None
    if any(sign in directory for sign in _SEPARATORS):
        hint = f"set XDG_CACHE_HOME to a directory without a space, or {_LEAVE_OUT}"
        raise NoNative(f"--native: a path with a space cannot be preloaded: {directory}", hint)
    source = os.path.join(directory, "parts", "native.c")
    path = os.path.join(directory, f"native-{_digest(source, libc)}.so")
    if not os.path.exists(path):
        _compile(source, path, environ)
    return path


def _libc() -> str:
    """The C library of this machine by name and version: glibc 2.36."""
    with suppress(ValueError, OSError, AttributeError):
        found = os.confstr("CS_GNU_LIBC_VERSION") or ""
        if sys.platform == "linux" and found.startswith("glibc"):
            return found
    raise NoNative("--native needs Linux with glibc", _LEAVE_OUT)


def _digest(source: str, libc: str) -> str:
    import hashlib

    with open(source, "rb") as file:
        about = repr((_FLAGS, libc, os.uname().machine)).encode()
        return hashlib.sha256(file.read() + about).hexdigest()[:12]


def _compiler(environ: Mapping[str, str]) -> Sequence[str]:
    import shlex
    import shutil

    path = environ.get("PATH")
    for words in [shlex.split(environ["CC"])] if environ.get("CC") else [[name] for name in _COMPILERS]:
        if words and shutil.which(words[0], path=path):
            return words
    told = f"$CC is {environ['CC']}, which is not here" if environ.get("CC") else "there is none here"
    raise NoNative(f"--native needs a C compiler: {told}", f"apt install gcc libc6-dev, or {_LEAVE_OUT}")


def _compile(source: str, path: str, environ: Mapping[str, str]) -> None:
    """Compile beside it and rename, so that no program ever loads a half of it."""
    import subprocess

    compiler = _compiler(environ)
    beside = f"{path}.{os.getpid()}"
    try:
        done = subprocess.run(
            [*compiler, *_FLAGS, "-o", beside, source, "-ldl"], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            told = lines[0].strip() if lines else f"it exits with {done.returncode}"
            hint = f"apt install gcc libc6-dev, or {_LEAVE_OUT}"
            raise NoNative(f"--native: {compiler[0]} cannot compile the library: {told}", hint)
        _check_loads(beside, environ)
        os.rename(beside, path)
    except OSError as error:
        raise NoNative(f"--native: {compiler[0]}: {error.strerror}", _LEAVE_OUT) from None
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _check_loads(path: str, environ: Mapping[str, str]) -> None:
    """NoNative where programs could not load it and would each say so, as from a disk that is mounted noexec."""
    import subprocess

    done = subprocess.run(["true"], env={**environ, "LD_PRELOAD": path}, capture_output=True, text=True)
    if done.stderr:
        raise NoNative(f"--native: {done.stderr.splitlines()[0]}", f"set XDG_CACHE_HOME elsewhere, or {_LEAVE_OUT}")
