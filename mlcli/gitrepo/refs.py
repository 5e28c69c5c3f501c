"""The refs that keep the commits of runs: below `refs/mlruns/`, where no branch, tag or remote is looked for.

Each store has a directory of its own there, as several may share a repository. What only removed runs came from is
kept below `refs/mlruns-trash/`, which `git push origin 'refs/mlruns/*'` leaves out.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Mapping

from ..domain.source import GitState
from ..errors import GitError
from .command import answer, common_dir_of, find_root, git_dir_of, ran

KEPT = "refs/mlruns"
TRASHED = "refs/mlruns-trash"
_MANY = 500
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def place_of(root: str, store: str) -> str:
    """What a store's directory of refs is called: `main` for the store of the repository itself."""
    git_dir = git_dir_of(root)
    common = common_dir_of(git_dir)
    if os.path.realpath(store) == os.path.realpath(f"{root}/.mlruns") and os.path.samefile(common, git_dir):
        return "main"
    below = os.path.relpath(os.path.realpath(store), os.path.dirname(os.path.realpath(common)))
    readable = re.sub(r"[^A-Za-z0-9]+", "-", below.removesuffix(".mlruns")).strip("-")[-40:]
    return f"{readable or 'store'}-{zlib.crc32(os.fsencode(below)):08x}"


def commits_to_keep(state: GitState) -> dict[str, str]:
    """What must not be lost of a run's code, as {path of the repository from the root: commit}; '' is the root.

    The snapshot of a dirty tree, which leads to the commit below it; else a commit that no remote has.
    """
    if state.snapshot is not None:
        return {"": state.snapshot.commit, **state.snapshot.submodules}
    return {"": state.commit} if state.commit and state.pushed is False else {}


def keep_commits(root: str, place: str, commits: Mapping[str, str]) -> None:
    """Let a ref lead to each commit. One that is there is left as it is, without asking git."""
    for path, commit in commits.items():
        inner = os.path.join(root, path) if path else root
        if find_root(inner) != os.path.realpath(inner):
            continue  # the submodule was taken away meanwhile
        common = common_dir_of(git_dir_of(inner))
        name = f"{KEPT}/{place}/{commit}"
        if not os.path.exists(f"{common}/{name}") and not _is_packed(common, name):
            answer(inner, ("-c", "core.fsync=reference", "update-ref", name, commit))
            _pack_if_many(inner, f"{common}/{KEPT}/{place}")


def kept_commits(root: str, place: str, top: str = KEPT) -> set[str]:
    """The commits that a store's refs lead to."""
    asked = ("for-each-ref", "--format=%(refname:lstrip=3)", f"{top}/{place}/")
    return {name for name in answer(root, asked).decode("ascii", "replace").split() if _ID.fullmatch(name)}


def move_commits(root: str, place: str, commits: Iterable[str], *, from_: str, to: str | None) -> None:
    """Keep those of `commits` that are kept below `from_` below `to` from now on, or no longer; all of them or none."""
    there = sorted(kept_commits(root, place, from_) & set(commits))
    steps = [f"delete {from_}/{place}/{commit} {commit}\n" for commit in there]
    if to is not None:
        steps += [f"update {to}/{place}/{commit} {commit}\n" for commit in there]
    if steps:
        answer(root, ("update-ref", "--stdin"), stdin="".join(steps).encode())


def _is_packed(common: str, name: str) -> bool:
    try:
        with open(f"{common}/packed-refs", "rb") as file:
            return f" {name}\n".encode() in file.read()
    except OSError:
        return False


def _pack_if_many(root: str, directory: str) -> None:
    """Put the refs into one file where they are many: five thousand single ones are 20 MB and slow to list."""
    try:
        if len(os.listdir(directory)) < _MANY:
            return
        # Only ours, where git is new enough to be told so (2.45); else all, as git gc does.
        done = ran(root, ("pack-refs", "--all", "--prune", "--exclude", "*", "--include", f"{KEPT}/*"))
        if done.returncode:
            answer(root, ("pack-refs", "--all", "--prune"))
    except (OSError, GitError):
        return  # another run packs them
