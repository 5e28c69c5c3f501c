"""A virtual environment with the Python and the packages that a run recorded, built once and kept in a cache.

It is built where it will lie, as its scripts name that place, and is whole where its stamp is there, which is written
last. Packages are installed by the user's own uv, or pip, from where the user's own settings say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ..domain.names import quoted
from ..domain.source import Environment
from ..errors import WriteFailed
from . import packages, pythons

DIRECTORY = "environments"
STAMP = "built-by-mlcli.json"
Say = Callable[[str], None]


def built(recorded: Environment, *, cache: str, say: Say) -> str:
    """The directory of programs of an environment like `recorded`: found in the cache, else built there.

    CannotBuild names the Python, or every package, that cannot be had. `say` is told what is done, as it takes time.
    """
    place = os.path.join(cache, DIRECTORY, key(recorded))
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with _alone(f"{place}.lock", say):
            if not _is_whole(place):
                _build(recorded, place, say)
    except OSError as error:
        raise WriteFailed(
            f"cannot build an environment in {quoted(place, 200)}: {error.strerror or error}",
            "make room, or set XDG_CACHE_HOME to a directory that has some",
        ) from error
    return os.path.join(place, "bin")


def key(recorded: Environment) -> str:
    """What an environment is called in the cache: the same for the same Python, packages and kind of machine."""
    from hashlib import sha256

    parts = [pythons.wanted(recorded), recorded.implementation, sorted(recorded.packages.items())]
    ours = packages.SOURCE if packages.OURS in recorded.packages else ""
    return sha256(msgspec.json.encode([*parts, sys.platform, os.uname().machine, ours])).hexdigest()[:24]


def _is_whole(place: str) -> bool:
    return os.path.exists(os.path.join(place, STAMP)) and os.access(os.path.join(place, "bin", "python"), os.X_OK)


@contextmanager
def _alone(lock: str, say: Say) -> Iterator[None]:
    """Hold the lock, so that of two who want the same one builds and the other finds it; who was killed holds none."""
    import fcntl

    with open(lock, "a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another mlcli, which builds the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(recorded: Environment, place: str, say: Say) -> None:
    from shutil import rmtree

    packages.check(recorded.packages)
    rmtree(place, ignore_errors=True)  # what a killed build left
    say(f"building Python {pythons.wanted(recorded)} with {len(recorded.packages)} packages in {place}")
    try:
        installer = pythons.made(recorded, place, say)
        packages.install(installer, recorded.packages)
        if packages.OURS in recorded.packages:
            packages.add_ours(place, recorded.packages[packages.OURS])
        with open(os.path.join(place, STAMP), "wb") as stamp:
            stamp.write(msgspec.json.encode(recorded) + b"\n")
    except BaseException:  # a Ctrl-C, too: half an environment is none
        rmtree(place, ignore_errors=True)
        raise
