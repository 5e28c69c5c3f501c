"""Worktrees that commands are run in: made, and removed whatever happens; those of a process that was killed, swept."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from msgspec import Struct

from .. import machine
from ..domain.source import Process
from ..errors import GitError, WriteFailed
from ..execution import undisturbed
from ..gitrepo import worktrees
from ..workspace import Workspace

_NAME = re.compile(r"(\d+)-(\d+)-([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{8}")


class Place(Struct, frozen=True, kw_only=True):
    """A worktree: its top and its directory that stands for the workspace, and the same two of the user's.

    `store` is where the user's runs are, and no part of it; `missing` are the submodules that are not in it.
    """

    root: str
    workspace: str
    user_root: str
    user_workspace: str
    store: str
    missing: list[str] = []


@contextmanager
def worktree(workspace: Workspace, commit: str, *, snapshot: bool = False, keep: bool = False) -> Iterator[Place]:
    """A worktree of a commit below the user's cache directory, gone at the end unless it is to be kept.

    It is also where an error, a Ctrl-C or a SIGTERM is the end; what a killed process left behind goes now.
    """
    user_root = worktrees.root_of(workspace.root)
    below = os.path.relpath(os.path.realpath(workspace.root), user_root)
    parent = os.path.realpath(os.path.join(workspace.cache_directory, "worktrees"))
    _sweep(parent, user_root)
    top = os.path.join(parent, f"kept-{os.urandom(4).hex()}" if keep else _name())
    root = _root_in(top, user_root)
    with _signals_raise():
        try:
            _make(parent, top)
            missing = worktrees.add(user_root, root, commit, snapshot=snapshot)
            worktrees.mark(root, commit)
            yield Place(
                root=root,
                workspace=os.path.normpath(os.path.join(root, below)),
                user_root=user_root,
                user_workspace=workspace.root,
                store=os.path.abspath(workspace.store.root),
                missing=missing,
            )
        finally:
            if not (keep and worktrees.marked(root)):
                with undisturbed():
                    _remove(top, root, user_root)


def _root_in(top: str, user_root: str) -> str:
    return os.path.join(top, os.path.basename(user_root) or "repository")


def _make(parent: str, top: str) -> None:
    try:
        os.makedirs(parent, 0o700, exist_ok=True)
        os.mkdir(top, 0o700)
    except OSError as error:
        raise WriteFailed(f"cannot make {top}: {error.strerror}", "XDG_CACHE_HOME names another place") from None


def _remove(top: str, root: str, user_root: str) -> None:
    """Remove a worktree and all around it; the directory that tells of it goes last, should we be killed meanwhile."""
    try:
        worktrees.remove(user_root, root)
    except GitError:
        _clear(root)
        worktrees.forget(user_root, root)
    _clear(top)


def _clear(top: str) -> None:
    shutil.rmtree(top, ignore_errors=True)
    if not os.path.lexists(top):
        return
    os.chmod(top, stat.S_IRWXU)  # the command may have left a directory that cannot be written to
    for directory, names, _ in os.walk(top):
        for name in names:
            if not os.path.islink(place := os.path.join(directory, name)):
                os.chmod(place, stat.S_IRWXU)
    shutil.rmtree(top, ignore_errors=True)


# What was left behind


def _name() -> str:
    """A directory's name that tells whose it is: process, its start, host and the machine's start."""
    own = machine.this_process()
    return f"{own.pid}-{own.start_ticks}-{_short(own.host)}-{_short(own.boot_id)}-{os.urandom(4).hex()}"


def _short(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _is_left(name: str) -> bool:
    """Whether the process that made a directory of this name is gone; on another host nobody here can say."""
    found = _NAME.fullmatch(name)
    own = machine.this_process()
    if not found or found[3] != _short(own.host):
        return False
    if found[4] != _short(own.boot_id):
        return True
    maker = Process(pid=int(found[1]), host=own.host, boot_id=own.boot_id, start_ticks=int(found[2]))
    return not machine.is_alive(maker)


def _sweep(parent: str, user_root: str) -> None:
    """Remove what killed processes left of this repository, and what no longer belongs to any."""
    for name in os.listdir(parent) if os.path.isdir(parent) else ():
        top = os.path.join(parent, name)
        if not _is_left(name) or os.path.islink(top):
            continue
        with suppress(OSError, GitError):  # another sweeps it, too
            roots = [os.path.join(top, inner) for inner in os.listdir(top)]
            shared = {worktrees.shared_by(root) for root in roots} - {None}
            if not shared or any(worktrees.is_linked(user_root, root) for root in roots):
                worktrees.tidy(user_root)
                _remove(top, roots[0] if roots else _root_in(top, user_root), user_root)


# Signals


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us as Ctrl-C does, so that what we made is cleared away."""
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _raised)
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _raised(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
