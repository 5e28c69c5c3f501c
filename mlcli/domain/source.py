"""All a run was made from: command, git state, environment, process; and what must not be kept of them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

MASK = "***"
# What brings the code that other clones kept.
FETCH_CODE = "git fetch origin 'refs/mlruns/*:refs/mlruns/*'"


class Person(Struct, frozen=True, kw_only=True):
    """Who did something: git's user.name and user.email, either may be empty."""

    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        return self.name or self.email or "unknown"


class Command(Struct, frozen=True, kw_only=True):
    """What was run: argv with secrets masked, and the directory relative to the workspace."""

    argv: list[str]
    cwd: str = "."
    masked: int = 0


class LeftOut(Struct, frozen=True, kw_only=True):
    """An untracked file that a snapshot does not hold, and why: its path, size in bytes and the digest of its content.

    `reason` is large, secret, unreadable, or many for a directory of many files, whose path ends with '/'. Only of a
    large file the digest is taken.
    """

    path: str
    size: int
    digest: str
    reason: str


class SnapshotLimits(Struct, frozen=True):
    """How large an untracked file may be to be kept in a snapshot, and all of them together, in bytes.

    `durable` says whether to wait for the disk.
    """

    file: int = 10_000_000
    together: int = 100_000_000
    durable: bool = True


class Snapshot(Struct, frozen=True, kw_only=True):
    """A dirty tree, kept as a commit whose parent is the one that was checked out.

    `submodules` holds the commit of each submodule that had changes of its own, `nested` that of each repository which
    lies in this one without being a submodule; `bypassed` are the filters that were needed and not installed. Of the
    files that were left out a hundred are named, and `unnamed` counts the others.
    """

    commit: str
    tree: str
    left_out: list[LeftOut] = []
    unnamed: int = 0
    submodules: dict[str, str] = {}
    nested: dict[str, str] = {}
    bypassed: list[str] = []


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
    """The machine and interpreter mlcli saw; `variables` holds an allowlist only."""

    python: str = ""
    implementation: str = ""
    platform: str = ""
    machine: str = ""
    cpus: int | None = None
    variables: dict[str, str] = {}
    packages: dict[str, str] = {}


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


@cache
def _secret_name() -> re.Pattern[str]:
    return re.compile(
        r"((pass(word|wd|phrase)?|secret|credential|api[-_]?key|access[-_]?key|private[-_]?key|auth|bearer)s?|token)$",
        re.I,  # but not max_tokens, which is a number that people tune
    )


@cache
def _secret_shape() -> re.Pattern[str]:
    return re.compile(
        r"(sk-[A-Za-z0-9_-]{6,}|gh[pousr]_[A-Za-z0-9]{10,}|github_pat_\w{10,}|glpat-[\w-]{10,}|xox[abprs]-[\w-]{10,}"
        r"|A[KS]IA[0-9A-Z]{12,}|hf_[A-Za-z0-9]{10,}|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}|AIza[\w-]{20,})"
    )


@cache
def _userinfo() -> re.Pattern[str]:
    # Greedy, and past a '/' where what follows ':' is no port: a password may hold '@' and '/'.
    return re.compile(r"((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/:\s]*:(?!\d+/)\S*|[^/\s]*)@")


@cache
def _secret_within() -> re.Pattern[str]:
    # In a line of shell or a header: TOKEN=x, api-key: x, --password x, Authorization: Bearer x.
    name = "(?:(?:pass(?:word|wd|phrase)?|secret|credential|(?:api|access|private)[-_]?key)s?|token)"
    before = rf"--[\w.-]{{0,40}}?{name}\s+|{name}\s*[=:]\s*|authorization:\s*(?:\w+\s+)?"
    return re.compile(rf"""({before})('[^']*'|"[^"]*"|[^\s'";&|]+)""", re.I)


def is_secret(name: str) -> bool:
    """Whether a param, option or variable of this name holds a secret: password, token, api_key ..."""
    return bool(_secret_name().search(name.strip("-").replace("-", "_")))


def masked_text(text: str) -> str:
    """`text` without what is named a secret, without known token shapes and without credentials in URLs."""
    named = _secret_within().sub(rf"\1{MASK}", text)
    shaped = _secret_shape().sub(MASK, named)
    return _userinfo().sub(rf"\1{MASK}@", shaped) if "@" in shaped else shaped


def without_credentials(url: str) -> str:
    """A remote's URL without user, password and query: https://user:token@host/x?y becomes https://host/x."""
    if re.match(r"(git\+)?ssh://[^/:@\s]+@", url):
        return url.partition("?")[0]  # a login name, without which the URL would not work
    return _userinfo().sub(r"\1", url).partition("?")[0]


def masked_argv(argv: list[str]) -> list[str]:
    """The arguments as they may be kept: `--password x`, `api_key=x`, token shapes and credentials in URLs masked."""
    kept: list[str] = []
    hide_next = False
    for arg in argv:
        name, equals, value = arg.partition("=")
        if hide_next and not (arg.startswith("-") and len(arg) > 1):
            kept.append(MASK)
        elif equals and value and " " not in name and is_secret(name):
            kept.append(f"{name}={MASK}")
        else:
            kept.append(masked_text(arg))
        hide_next = not equals and arg.startswith("-") and is_secret(arg)
    return kept


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
