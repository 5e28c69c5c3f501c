"""Linked worktrees: the files of a commit in a directory of their own; the user's tree is not touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ..domain.names import quoted
from ..domain.source import FETCH_CODE
from ..errors import GitError
from .command import answer, common_dir_of, find_root, git_dir_of, is_root, no_repository
from .commits import is_commit_id, is_here, is_shallow
from .config import read_config, without_filters

SECONDS = 3600.0

# What the user chose to see of a tree, or to do along with a checkout, says nothing of what the commit holds.
_WHOLE = ("-c", "core.sparseCheckout=false", "-c", "submodule.recurse=false")
_MARK = "mlcli"


def root_of(directory: str) -> str:
    """The top of the working tree around a directory; GitError where there is none."""
    root = find_root(directory)
    if root is None:
        raise no_repository(directory)
    return root


def require(root: str, commit: str, *, snapshot: bool = False) -> None:
    """GitError, with what would fetch it, where a commit is not here."""
    if not is_commit_id(commit):
        raise GitError(f"{quoted(commit)} is no id of a commit", "mlcli show the run")
    if is_here(root, commit):
        return
    shallow = is_shallow(git_dir_of(root))
    hint = FETCH_CODE if snapshot else "git fetch --unshallow" if shallow else "git fetch --all"
    what = "snapshot" if snapshot else "commit"
    raise GitError(f"{what} {commit[:12]} is not in this {'shallow clone' if shallow else 'repository'}", hint)


def add(root: str, path: str, commit: str, *, snapshot: bool = False) -> list[str]:
    """Check a commit out at `path`, where nothing or an empty directory is, and its submodules in it.

    A submodule comes from where it is checked out below `root`; those that do not are answered, by their paths. No
    hook runs, nor a filter that the repository brings; the user's own filters do. A `snapshot` is fetched otherwise.
    """
    require(root, commit, snapshot=snapshot)
    overrides = (*_WHOLE, *without_filters(read_config(root, SECONDS)))
    # --force: the path may have been a worktree that was removed by hand.
    answer(root, ("worktree", "add", "--force", "--detach", path, commit), overrides, seconds=SECONDS)
    missing = []
    for below, wanted in _gitlinks(root, commit):
        source = _submodule(root, below)
        try:
            missing += [below] if source is None else [f"{below}/{m}" for m in add(source, f"{path}/{below}", wanted)]
        except GitError:
            missing.append(below)
    return missing


def remove(root: str, path: str) -> None:
    """Take a linked worktree away with those of its submodules, changed or not; GitError where it is none of `root`."""
    if not is_linked(root, path):
        raise GitError(f"{quoted(path, 200)} is no linked worktree of this repository", "git worktree list")
    with suppress(GitError):
        for below, _ in _gitlinks(path, "HEAD"):
            source = _submodule(root, below)
            if source is not None and is_linked(source, f"{path}/{below}"):
                remove(source, f"{path}/{below}")
    answer(root, ("worktree", "remove", "--force", "--force", path), seconds=SECONDS)


def forget(root: str, path: str) -> None:
    """Let git forget a linked worktree whose directory is gone, and those of submodules that were in it."""
    with suppress(GitError):
        for below, _ in _gitlinks(root, "HEAD"):
            if (source := _submodule(root, below)) is not None:
                forget(source, f"{path}/{below}")
    with suppress(GitError):  # it knows of none there
        answer(root, ("worktree", "remove", "--force", "--force", path), seconds=SECONDS)


def tidy(root: str) -> None:
    """Let git clear away what a killed git half made or half removed; what is only out of reach now stays known."""
    with suppress(GitError):
        answer(root, ("worktree", "prune", "--expire=3.months.ago"), seconds=SECONDS)


def is_linked(root: str, path: str) -> bool:
    """Whether a linked worktree of this repository begins at `path`."""
    shared = shared_by(path)
    return shared is not None and shared == os.path.realpath(common_dir_of(git_dir_of(root)))


def shared_by(path: str) -> str | None:
    """The git directory that a linked worktree at `path` shares with others; None where there is none, or no longer."""
    try:
        own = git_dir_of(path) if os.path.isfile(os.path.join(path, ".git")) else ""
    except (GitError, OSError):
        return None
    if not own or not os.path.isfile(os.path.join(own, "commondir")):
        return None
    return os.path.realpath(common_dir_of(own))


def head(path: str) -> str | None:
    """The commit that is checked out in a worktree."""
    return _resolved(path, "HEAD")


def is_detached(path: str) -> bool:
    """Whether no branch is checked out in a worktree."""
    return not answer(path, ("symbolic-ref", "--quiet", "HEAD"), ok=(0, 1))


def changes(path: str) -> list[str]:
    """What differs from the commit in a worktree, its submodules included: changed and untracked files."""
    from .tree import WorkTree

    tree = WorkTree.at(path, SECONDS)
    try:
        status = tree.status()
    finally:
        tree.close()
    return [os.fsdecode(name) for name in (*status.changed, *status.untracked, *status.nested)]


def mark(path: str, commit: str) -> None:
    """Note in a worktree's git directory that it is ours, and what it was made of."""
    with open(os.path.join(git_dir_of(path), _MARK), "w", encoding="ascii") as file:
        file.write(f"{commit}\n")


def marked(path: str) -> str | None:
    """The commit that a worktree of ours was made of; None where it is none of ours."""
    try:
        with open(os.path.join(git_dir_of(path), _MARK), encoding="ascii") as file:
            return file.read().strip()
    except (GitError, OSError, UnicodeDecodeError):
        return None


def _resolved(root: str, name: str) -> str | None:
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    found = answer(root, asked, ok=(0, 1, 128)).decode("ascii", "replace").strip()
    return found or None


def _gitlinks(root: str, commit: str) -> Iterator[tuple[str, str]]:
    """Where a commit has submodules, and the commit it names for each."""
    for entry in answer(root, ("ls-tree", "-r", "-z", "--full-tree", commit), seconds=SECONDS).split(b"\0"):
        about, _, path = entry.partition(b"\t")
        if about.startswith(b"160000 "):
            yield os.fsdecode(path), about.split()[2].decode("ascii")


def _submodule(root: str, below: str) -> str | None:
    """Where a submodule is checked out; None where it is not, or a link leads out of the tree."""
    place = os.path.join(root, below)
    inside = os.path.realpath(place) == os.path.join(os.path.realpath(root), below)
    return place if inside and is_root(place) else None
