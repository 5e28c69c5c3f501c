"""The files that a run was made from, put into a worktree: from git, from the store, or from where they were."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum

from msgspec import Struct

from ..domain.names import quoted
from ..domain.run import Artifact, Input, Run
from ..errors import Missing, MlcliError, WriteFailed
from ..inputs import files_digest
from ..workspace import Workspace
from .paths import inside
from .places import Place


class Origin(str, Enum):
    """Where the content of an input was found."""

    GIT = "git"
    STORE = "store"
    WORKSPACE = "workspace"

    def __str__(self) -> str:
        return self.value


class RestoredInput(Struct, frozen=True, kw_only=True):
    """An input that is as it was, and where it came from."""

    path: str
    size: int
    digest: str
    origin: Origin


def restore(
    workspace: Workspace, place: Place, inputs: Sequence[Input], *, of_commit: bool = False
) -> list[RestoredInput]:
    """Put each input where the command will look for it; Missing where one is nowhere to be had as it was.

    Where the code is that of another commit (`of_commit`), a file that git holds there stands as it is. What was seen
    to be read while it changed is not known, and left to the command; what came with a package is the environment's.
    """
    known = [each for each in inputs if not each.seen or (each.digest and not each.packaged)]
    return [(of_commit and _of_commit(workspace, place, each)) or _restored(workspace, place, each) for each in known]


def _of_commit(workspace: Workspace, place: Place, wanted: Input) -> RestoredInput | None:
    there = inside(place, os.path.join(place.user_workspace, wanted.path))
    if there is None or not os.path.isfile(there):
        return None
    size, digest = os.stat(there).st_size, workspace.store.digest_of(there)
    return RestoredInput(path=wanted.path, size=size, digest=digest, origin=Origin.GIT)


def bring_left_out(workspace: Workspace, place: Place, run: Run) -> list[str]:
    """Copy what the snapshot left out from the user's tree, where it is as it was; the paths of what is not."""
    snapshot = run.git.snapshot
    absent = []
    for file in snapshot.left_out if snapshot else ():
        there = os.path.normpath(os.path.join(place.root, file.path))
        users = os.path.join(place.user_root, file.path)
        if os.path.lexists(there):  # it is an input
            continue
        may = bool(file.digest) and _is_within(place, there)
        if not may or not _copied(workspace, users, there, file.digest):
            absent.append(file.path)
    return absent


def _restored(workspace: Workspace, place: Place, wanted: Input) -> RestoredInput:
    users = os.path.normpath(os.path.join(place.user_workspace, wanted.path))
    there = inside(place, users)
    origin: Origin | None = None
    if wanted.files:
        origin = _directory(workspace, place, wanted, users, there)
    elif there is None:
        origin = Origin.WORKSPACE if _is(workspace, users, wanted.digest) else None
    elif _is(workspace, there, wanted.digest):
        origin = Origin.GIT
    elif _is_within(place, there):
        kept = _kept(workspace, wanted)
        if kept is not None and _copied(workspace, kept, there, wanted.digest):
            origin = Origin.STORE
        elif _copied(workspace, users, there, wanted.digest):
            origin = Origin.WORKSPACE
    if origin is None:
        told = "is not as it was" if os.path.lexists(users) else "is gone"
        hint = f"bring it back with the digest {wanted.digest[:19]}…; mlcli run --keep-inputs would have kept a copy"
        raise Missing(f"input {quoted(wanted.path)} {told}, and no copy of it was kept", hint)
    return RestoredInput(path=wanted.path, size=wanted.size, digest=wanted.digest, origin=origin)


def _directory(workspace: Workspace, place: Place, wanted: Input, users: str, there: str | None) -> Origin | None:
    """Where a directory of many files is as it was: it is copied from the user's tree where git has not all of it."""
    if there is not None and files_digest(there, workspace.store.digest_of) == wanted.digest:
        return Origin.GIT
    if files_digest(users, workspace.store.digest_of) != wanted.digest:
        return None
    if there is not None and _is_within(place, os.path.join(there, "file")):
        try:
            shutil.copytree(users, there, dirs_exist_ok=True)
        except (OSError, shutil.Error) as error:
            raise WriteFailed(f"cannot copy {quoted(wanted.path)}: {error}") from None
    return Origin.WORKSPACE


def _kept(workspace: Workspace, wanted: Input) -> str | None:
    artifact = Artifact(path=wanted.path, size=wanted.size, digest=wanted.digest)
    try:
        return workspace.store.content_path(artifact) if workspace.store.has_content(artifact) else None
    except MlcliError:
        return None


def _is(workspace: Workspace, path: str, digest: str) -> bool:
    try:
        return os.path.isfile(path) and workspace.store.digest_of(path) == digest
    except MlcliError:
        return False


def _is_within(place: Place, path: str) -> bool:
    """Whether a file may be written here: no link of the repository leads out of the worktree on the way."""
    directory = os.path.dirname(path)
    return os.path.realpath(directory) == os.path.join(
        os.path.realpath(place.root), os.path.relpath(directory, place.root)
    ).removesuffix(f"{os.sep}.")


def _copied(workspace: Workspace, source: str, target: str, digest: str) -> bool:
    """Put a copy of a file in its place if it has that digest; a file or link that is there gives way."""
    if not os.path.isfile(source):
        return False
    beside = f"{target}.mlcli-{os.urandom(4).hex()}"
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, beside)
        shutil.copymode(source, beside)
        os.chmod(beside, os.stat(beside).st_mode | stat.S_IWUSR)
        if _is(workspace, beside, digest):
            os.replace(beside, target)
            return True
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise WriteFailed(f"cannot copy {quoted(source)}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            os.unlink(beside)
    return False
