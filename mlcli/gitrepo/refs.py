"""The refs that keep the commits of runs: below `refs/mlruns/`, where no branch, tag or remote is looked for.

Each store has a directory of its own there, as several may share a repository. What only removed runs came from is
kept below `refs/mlruns-trash/`, which `git push origin 'refs/mlruns/*'` leaves out.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping

from ..errors import GitError
from .command import SECONDS, answer, common_dir_of, find_root, git_dir_of, is_root, ran
from .commits import is_commit_id
from .tree import submodules_of

KEPT = "refs/mlruns"
TRASHED = "refs/mlruns-trash"
_MANY = 500


def place_of(root: str, store: str) -> str:
    """What a store's directory of refs is called: `main` for the store of the repository itself.

    It depends on where the store lies, and not on the working tree that is looked at, which may be a linked one.
    """
    common = os.path.realpath(common_dir_of(git_dir_of(root)))
    top = os.path.dirname(os.path.realpath(store))
    if os.path.basename(store) == ".mlruns" and is_root(top) and os.path.realpath(git_dir_of(top)) == common:
        return "main"
    below = os.path.relpath(os.path.realpath(store), os.path.dirname(common))
    readable = re.sub(r"[^A-Za-z0-9]+", "-", below.removesuffix(".mlruns")).strip("-")[-40:]
    return f"{readable or 'store'}-{zlib.crc32(os.fsencode(below)):08x}"


def keep_commits(root: str, place: str, commits: Mapping[str, str], *, durable: bool = True) -> None:
    """Let a ref lead to each commit. One that is there is left as it is, without asking git."""
    options = ("-c", "core.fsync=reference") if durable else ()
    for path, commit in commits.items():
        inner = os.path.join(root, path) if path else root
        if find_root(inner) != os.path.realpath(inner):
            continue  # the submodule was taken away meanwhile
        common = common_dir_of(git_dir_of(inner))
        name = f"{KEPT}/{place}/{commit}"
        if not os.path.exists(f"{common}/{name}") and not _is_packed(common, name):
            answer(inner, ("update-ref", name, commit), options)
            _pack_if_many(inner, f"{common}/{KEPT}/{place}")


def kept_commits(root: str, place: str, top: str = KEPT) -> set[str]:
    """The commits that a store's refs lead to, in the repository and in its submodules."""
    return set().union(*(_kept_in(inner, place, top) for inner in [root, *submodule_roots(root)]))


def _kept_in(root: str, place: str, top: str) -> set[str]:
    asked = ("for-each-ref", "--format=%(refname:lstrip=3)", f"{top}/{place}/")
    return {name for name in answer(root, asked).decode("ascii", "replace").split() if is_commit_id(name)}


def move_commits(root: str, place: str, commits: Iterable[str], *, from_: str, to: str | None) -> int:
    """Keep those of `commits` that are kept below `from_` below `to` from now on, or no longer; how many they were.

    In the repository and in those of its submodules; in each all of them or none.
    """
    wanted, moved = set(commits), 0
    for inner in [root, *submodule_roots(root)]:
        there = sorted(_kept_in(inner, place, from_) & wanted)
        steps = [f"delete {from_}/{place}/{commit} {commit}\n" for commit in there]
        if to is not None:
            steps += [f"update {to}/{place}/{commit} {commit}\n" for commit in there]
        if steps:
            answer(inner, ("update-ref", "--stdin"), stdin="".join(steps).encode())
        moved += len(there)
    return moved


def submodule_roots(root: str) -> Iterator[str]:
    """The working trees of the submodules that are checked out, and of theirs."""
    for path in submodules_of(root, SECONDS):
        place = os.path.join(root, os.fsdecode(path))
        yield place
        yield from submodule_roots(place)


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
        done = ran(root, ("pack-refs", "--prune", "--include", f"{KEPT}/*"))
        if done.returncode:
            answer(root, ("pack-refs", "--all", "--prune"))
    except (OSError, GitError):
        return  # another run packs them
