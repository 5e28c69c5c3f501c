"""A working tree as git is asked of it: with the repository's own filters off, and an index that is not the user's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from ..errors import GitError
from .command import failure, git_dir_of, is_root, ran, readable, reason_in
from .config import Config, read_config, without_filter, without_filters

_STATUS = (
    # git would look into a submodule by a process of its own, under the filters of the submodule's configuration.
    *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames"),
    "--ignore-submodules=dirty",
)
# A store is no source, nor is byte code: a script that imports its neighbour would make each later run dirty. Leaving
# them out here is an eighth of what git takes when it is told to.
_NO_SOURCE = re.compile(rb"(?:^|/)(?:\.mlruns|__pycache__)/")
_FAILED_FILTER = re.compile(rb"(?:clean|smudge) filter '([^'\n]+)' failed")
# No index is written that others would share, and line ends are no reason to stop.
_WRITING = ("-c", "core.safecrlf=false", "-c", "core.splitIndex=false")
# By itself git leaves objects to the system, and a power loss leaves empty ones.
_DURABLE = ("-c", "core.fsync=loose-object", "-c", "core.fsyncMethod=batch")


class Status(NamedTuple):
    """What differs from HEAD, as paths from the root. `nested` are repositories that are no submodules.

    `submodules` are those with changes of their own, and `hidden` what git was told to take for unchanged.
    """

    headers: dict[bytes, bytes]
    changed: list[bytes]
    untracked: list[bytes]
    nested: list[bytes]
    submodules: list[bytes]
    hidden: list[bytes]


class WorkTree:
    """One working tree; closing it removes the index of its own, if it needed one."""

    def __init__(self, root: str, config: Config, seconds: float) -> None:
        self.root, self.seconds = root, seconds
        self.git_dir = git_dir_of(root)
        self.overrides = list(without_filters(config))
        self.without_lfs = "lfs" in config.filters
        self.bypassed: list[str] = []
        self._directory: str | None = None

    @classmethod
    def at(cls, root: str, seconds: float) -> WorkTree:
        """The working tree that begins at `root`."""
        return cls(root, read_config(root, seconds), seconds)

    def ask(self, *arguments: str, stdin: bytes = b"", options: Iterable[str] = ()) -> bytes:
        """Run git here. A filter that is required and fails is left out, and noted in `bypassed`."""
        while True:
            overrides = (*options, *self.overrides)
            done = ran(self.root, arguments, overrides, stdin=stdin, index=self._index, seconds=self.seconds)
            if not done.returncode:
                return done.stdout
            failed = _FAILED_FILTER.search(done.stderr)
            name = os.fsdecode(failed[1]) if failed else ""
            if not name or name in self.bypassed:
                raise failure(reason_in(readable(done.stderr), self.root))
            self.bypassed.append(name)
            self.overrides += without_filter(name)

    def change(self, *arguments: str, stdin: bytes, durable: bool = False) -> bytes:
        """Run a command that writes objects, which `durable` has on the disk when it returns, or our own index."""
        if self._directory is None:
            self._copy_index()
        return self.ask(*arguments, stdin=stdin, options=(*_WRITING, *(_DURABLE if durable else ())))

    def status(self) -> Status:
        """What differs from HEAD, hidden files and submodules included."""
        hidden = self._shown()
        status = Status({}, [], [], [], [], hidden)
        for entry in self.ask(*_STATUS).split(b"\0"):
            kind, _, rest = entry.partition(b" ")
            if kind == b"#":
                name, _, value = rest.partition(b" ")
                status.headers[name] = value
            elif kind == b"?":
                if not _NO_SOURCE.search(rest):
                    (status.nested if rest.endswith(b"/") else status.untracked).append(rest)
            elif kind in {b"1", b"u"}:
                path = rest.split(b" ", 7 if kind == b"1" else 9)[-1]
                if not _NO_SOURCE.search(path):
                    status.changed.append(path)
        status.submodules.extend(path for path in submodules_of(self.root, self.seconds) if self._is_dirty(path))
        status.changed.extend(path for path in status.submodules if path not in status.changed)
        return status

    def below(self, path: bytes) -> str:
        """Where a path from the root lies."""
        return os.path.join(self.root, os.fsdecode(path))

    def close(self) -> None:
        """Remove the index of our own."""
        if self._directory is not None:
            with suppress(OSError):  # it lies where the system clears up what is left
                for name in os.listdir(self._directory):
                    os.unlink(f"{self._directory}/{name}")
                os.rmdir(self._directory)

    @property
    def _index(self) -> str | None:
        return f"{self._directory}/index" if self._directory else None

    def _copy_index(self) -> None:
        """Work on a copy from now on: it knows the files' times, without which git would read each of them."""
        # A name that nobody can guess, in a directory of our own: tempfile would take 5 ms to load.
        place = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
        directory = os.path.join(place, f"mlcli-{os.getpid()}-{os.urandom(6).hex()}")
        try:
            os.mkdir(directory, 0o700)
            self._directory = directory
            if os.path.exists(f"{self.git_dir}/index"):  # else nothing was ever added here
                with open(f"{self.git_dir}/index", "rb") as index, open(f"{directory}/index", "wb") as copy:
                    while part := index.read(2**20):
                        copy.write(part)
                    # A file that is as young as the index may have changed since: git compares it only then.
                    copy.flush()
                    found = os.fstat(index.fileno())
                    os.utime(copy.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        except OSError as error:
            raise failure(f"git's index cannot be copied to {place}: {error.strerror}") from None

    def _shown(self) -> list[bytes]:
        """Take back, in an index of our own, that files are to be taken for unchanged; which those are."""
        listed = self.ask("ls-files", "-v", "-z")
        if listed.count(b"\0H ") + listed.startswith(b"H ") == listed.count(b"\0"):
            return []
        entries = [entry for entry in listed.split(b"\0") if entry]
        assumed = [entry[2:] for entry in entries if entry[:1].islower()]
        sparse = os.path.exists(f"{self.git_dir}/info/sparse-checkout")
        skipped = [e[2:] for e in entries if e[:1] in b"Ss" and not sparse and os.path.lexists(self.below(e[2:]))]
        for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
            if paths:
                self.change("update-index", option, "-z", "--stdin", stdin=lines(paths))
        return sorted({*assumed, *skipped})

    def _is_dirty(self, path: bytes) -> bool:
        try:
            inner = WorkTree.at(self.below(path), self.seconds)
        except GitError:
            return True
        try:
            status = inner.status()
        except GitError:
            return True
        finally:
            inner.close()
        return bool(status.changed or status.untracked or status.nested)


def submodules_of(root: str, seconds: float) -> Iterator[bytes]:
    """The paths of those submodules that are checked out."""
    if not os.path.isfile(os.path.join(root, ".gitmodules")):
        return
    asked = ("config", "-f", ".gitmodules", "-z", "--get-regexp", r"^submodule\..*\.path$")
    for entry in ran(root, asked, seconds=seconds).stdout.split(b"\0"):
        path = entry.partition(b"\n")[2]
        place = os.path.realpath(os.path.join(root, os.fsdecode(path)))
        if place.startswith(os.path.join(root, "")) and is_root(place):
            yield path


def lines(paths: Iterable[bytes]) -> bytes:
    """Paths as git reads them with -z."""
    return b"".join(path + b"\0" for path in paths)
