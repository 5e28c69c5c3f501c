"""What a run needs to know of git at its start, on the way of every run."""

from __future__ import annotations

import os

from msgspec.structs import replace

from ..domain.source import GitState, Person, SnapshotLimits
from ..errors import GitError
from .command import (
    NO_COMMIT,
    SECONDS,
    UNREADABLE,
    answer,
    common_dir_of,
    failure,
    find_root,
    git_dir_of,
    no_repository,
    readable,
)
from .commits import describe_commit, is_shallow
from .config import Config, known_config, person_of, read_config, remote_of
from .tree import Status, WorkTree

SHOWN = 100

_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


def read_state(
    directory: str, *, limits: SnapshotLimits | None = None, seconds: float = SECONDS
) -> tuple[GitState, Person]:
    """The state of the repository around `directory`, and git's user; trouble is told in `reason`, never raised.

    With `limits` a dirty tree is also written as a commit, which no ref leads to yet. Paths are relative to the
    repository's root. Three git processes answer: configuration (once, as long as it stays as it is), which files are
    hidden, and status; one more where the commit is packed, and one that asks whether a remote has it. A snapshot
    takes three, and as many for each submodule that is checked out. Each may take `seconds`.
    """
    person = person_of({})
    try:
        root = find_root(directory)
        git_dir = git_dir_of(root) if root else ""
        config = known_config(root, git_dir, seconds) if root else read_config(os.path.realpath(directory), seconds)
        person = person_of(config.own)
        if root is None:
            raise no_repository(directory)
        tree = WorkTree(root, config, seconds)
        try:
            return _read(tree, config, limits), person
        finally:
            tree.close()
    except GitError as error:
        return GitState(reason=error.message), person
    except OSError as error:
        return GitState(reason=f"the repository cannot be read: {error.strerror}"), person


def read_person(directory: str) -> Person:
    """Git's user: GIT_AUTHOR_*, else author.*, else user.*; empty where nothing is set. Neither guesses nor raises."""
    try:
        return person_of(read_config(find_root(directory) or os.path.realpath(directory), SECONDS).own)
    except GitError:
        return person_of({})


def _read(tree: WorkTree, config: Config, limits: SnapshotLimits | None) -> GitState:
    status = tree.status()
    commit, head = (readable(status.headers.get(name, b"")) or None for name in (b"branch.oid", b"branch.head"))
    if head == "(unknown)":
        raise failure(f"{UNREADABLE}HEAD names a damaged branch")
    if commit == "(initial)":
        commit = None
    whole, subject, date = (
        describe_commit(tree.root, tree.git_dir, commit, tree.seconds) if commit else (None, None, "0 +0000")
    )
    state = _described(tree, config, status, commit, None if head == "(detached)" else head)
    state = replace(state, tree=whole, subject=subject)
    if state.dirty and limits is not None:
        state = _kept(state, tree, status, date, limits)
    return state


def _described(tree: WorkTree, config: Config, status: Status, commit: str | None, branch: str | None) -> GitState:
    upstream, counts = (readable(status.headers.get(name, b"")) or None for name in (b"branch.upstream", b"branch.ab"))
    ahead, behind = (abs(int(count)) for count in counts.split()) if counts else (None, None)
    common = common_dir_of(tree.git_dir)
    untracked = sorted([*status.untracked, *status.nested])
    return GitState(
        commit=commit,
        branch=branch,
        upstream=upstream,
        ahead=ahead,
        behind=behind,
        remote=remote_of(config, branch),
        dirty=bool(status.changed or untracked),
        changed=[readable(path) for path in status.changed[:SHOWN]],
        untracked=[readable(path) for path in untracked[:SHOWN]],
        left_out=sum(max(0, len(paths) - SHOWN) for paths in (status.changed, untracked)),
        operation=next((word for name, word in _OPERATIONS.items() if os.path.exists(f"{tree.git_dir}/{name}")), None),
        shallow=is_shallow(tree.git_dir),
        reason=None if commit else NO_COMMIT,
        pushed=_is_pushed(tree, config, common, commit, branch, ahead) if commit else None,
        hidden=[readable(path) for path in status.hidden[:SHOWN]],
    )


def _kept(state: GitState, tree: WorkTree, status: Status, date: str, limits: SnapshotLimits) -> GitState:
    from .snapshot import make_snapshot

    try:
        return replace(state, snapshot=make_snapshot(tree, status, state.commit, date, limits))
    except GitError as error:
        return replace(state, unkept=error.message)
    except OSError as error:
        return replace(state, unkept=f"it cannot be read: {error.strerror}")


def _is_pushed(tree: WorkTree, config: Config, common: str, commit: str, branch: str | None, ahead: int | None) -> bool:
    """Whether a remote-tracking branch holds a commit; asked of git only where that is not plain."""
    if ahead == 0 and config.branches.get(branch or "", ".") != ".":
        return True
    if not config.remotes and not os.path.isdir(f"{common}/refs/remotes"):
        return False
    return not answer(tree.root, ("rev-list", "-1", commit, "--not", "--remotes"), seconds=tree.seconds).strip()
