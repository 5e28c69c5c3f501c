"""All a run was made from: command, git state, environment, process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

# What brings the code that other clones kept.
FETCH_CODE = "git fetch origin 'refs/mlruns/*:refs/mlruns/*'"


class Person(Struct, frozen=True, kw_only=True):
    """Who did something: git's user.name and user.email, either may be empty."""

    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        return self.name or self.email or "unknown"

    @property
    def identity(self) -> str:
        """What tells one person from another: the address, else the name, in any case."""
        return (self.email or self.name).casefold()


class Command(Struct, frozen=True, kw_only=True):
    """What was run: argv with secrets masked, and the directory relative to the workspace."""

    argv: list[str]
    cwd: str = "."
    masked: int = 0

    @property
    def check(self) -> str:
        """A check sum of the arguments and the directory, by which the same command is found again."""
        return check_of(self.cwd, self.argv)


def check_of(cwd: str, argv: Iterable[str]) -> str:
    """A check sum of a command: its arguments, and the directory that it runs in."""
    text = "\0".join((cwd, *argv))
    return f"{crc32(text.encode('utf-8', 'surrogatepass')):08x}"


class LeftOut(Struct, frozen=True, kw_only=True):
    """An untracked file that a snapshot does not hold, and why: its path, size in bytes and the digest of its content.

    `reason` is large, secret (by its name), holds secret (by its content), unreadable, or many for a directory of many
    files, whose path ends with '/'. Only of a large file the digest is taken.
    """

    path: str
    size: int
    digest: str
    reason: str


class SnapshotLimits(Struct, frozen=True):
    """How large an untracked file may be to be kept in a snapshot, and all of them together, in bytes.

    `durable` says whether to wait for the disk, `secrets` whether files are kept whose content looks like a secret.
    """

    file: int = 10_000_000
    together: int = 100_000_000
    durable: bool = True
    secrets: bool = True


class Snapshot(Struct, frozen=True, kw_only=True):
    """A dirty tree, kept as a commit whose parent is the one that was checked out.

    `submodules` holds the commit of each submodule that had changes of its own, `nested` that of each repository which
    lies in this one without being a submodule; `bypassed` are the filters that were needed and not installed. Of the
    files that were left out a hundred are named, and `unnamed` counts the others. `secrets` are files in it whose
    content looks like a secret.
    """

    commit: str
    tree: str
    left_out: list[LeftOut] = []
    unnamed: int = 0
    submodules: dict[str, str] = {}
    nested: dict[str, str] = {}
    bypassed: list[str] = []
    secrets: list[str] = []


class Rewritten(Struct, frozen=True, kw_only=True):
    """Where the code of a commit is that was amended, rebased or picked: `what` is the same, "tree" or "patch".

    `on` is a branch or tag that leads to `commit`.
    """

    commit: str
    what: str
    on: str


class GitState(Struct, frozen=True, kw_only=True):
    """The repository when the run began. `commit` is None where there was none; `reason` then says why.

    `pushed` is whether a remote-tracking branch held the commit, None where that is not known. `snapshot` is the dirty
    tree, kept; `unkept` says why a dirty tree was not. `hidden` are the files that git was told to take for unchanged.
    `patch_id` is git's stable one of the commit, noted when a version is registered.
    """

    commit: str | None = None
    tree: str | None = None
    subject: str | None = None
    branch: str | None = None
    upstream: str | None = None
    ahead: int | None = None
    behind: int | None = None
    remote: str | None = None
    dirty: bool = False
    changed: list[str] = []
    untracked: list[str] = []
    left_out: int = 0
    operation: str | None = None
    shallow: bool = False
    reason: str | None = None
    pushed: bool | None = None
    hidden: list[str] = []
    snapshot: Snapshot | None = None
    unkept: str | None = None
    patch_id: str | None = None

    @property
    def code(self) -> str | None:
        """The commit that holds the code as it ran: the snapshot of a dirty tree, else what was checked out."""
        return self.snapshot.commit if self.snapshot else self.commit

    @property
    def lost(self) -> str | None:
        """Why what was not committed is not to be had; None where there was nothing, or it was kept."""
        if not self.dirty or self.snapshot is not None:
            return None
        return self.unkept or "no snapshot of it was made"

    @property
    def kept(self) -> dict[str, str]:
        """What refs must lead to so that the code is not lost: {path of the repository from the root: commit}.

        The snapshot of a dirty tree, which leads to the commit below it, and those of its submodules; else the commit
        itself where no remote has it. '' is the root.
        """
        if self.snapshot is not None:
            return {"": self.snapshot.commit, **self.snapshot.submodules}
        return {"": self.commit} if self.commit and self.pushed is False else {}


class Environment(Struct, frozen=True, kw_only=True):
    """The machine and interpreter mlcli saw; `variables` holds an allowlist, and what was declared.

    `prefix` is where the interpreter is installed, told only of one that the command's own words do not lead to.
    """

    python: str = ""
    implementation: str = ""
    platform: str = ""
    machine: str = ""
    cpus: int | None = None
    variables: dict[str, str] = {}
    packages: dict[str, str] = {}
    prefix: str = ""


class Process(Struct, frozen=True, kw_only=True):
    """The process that owns a run, known again also after its number was given to another."""

    pid: int
    host: str
    boot_id: str = ""
    start_ticks: int = 0


class Source(Struct, frozen=True, kw_only=True):
    """Everything noted about what a run was made from, at its start."""

    command: Command
    git: GitState
    environment: Environment
    process: Process
    user: Person
    at: datetime


def parsed_scalar(text: str) -> Any:
    """A word of a command line as the JSON value it spells: 10, 0.1, true; else the text itself."""
    if text in {"true", "false"}:
        return text == "true"
    if text[:1] not in set("-0123456789") or text[-1].isspace():
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError):
        return text
    return value if isinstance(value, int | float) and -(2**63) <= value < 2**63 else text
