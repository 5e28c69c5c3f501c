"""Where the code of a commit went when it was amended, rebased or picked: the same tree, or the same patch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ..domain.source import Rewritten
from .command import answer, readable
from .commits import is_commit_id, is_here

_EVERYWHERE = ("--branches", "--remotes", "--tags")
_TREES = 50_000
_PATCHES = 1_000
_AT_ONCE = 50
_PATCH = ("-p", "--root", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "-r")


def patch_id(root: str, commit: str) -> str | None:
    """Git's stable id of what a commit changed; None where it changed nothing, or is a merge."""
    if not is_commit_id(commit):
        return None
    return next((patch for patch, _ in _patch_ids(root, [commit])), None)


def found_again(root: str, commit: str, tree: str | None, patch: str | None) -> Rewritten | None:
    """The newest commit on a branch or tag that has the tree of `commit`, else one of the newest with its patch.

    None where a branch or tag leads to `commit` itself, which need not be here where `patch` is given.
    """
    if not is_commit_id(commit):
        return None
    here = is_here(root, commit)
    if here and not answer(root, ("rev-list", "-1", commit, "--not", *_EVERYWHERE, "HEAD")).strip():
        return None
    listed = answer(root, ("log", f"--max-count={_TREES}", "--format=%H %T", *_EVERYWHERE)).decode("ascii")
    for line in listed.splitlines():
        other, _, its = line.partition(" ")
        if its == tree and other != commit:
            return Rewritten(commit=other, what="tree", on=_holder(root, other))
    patch = patch or (patch_id(root, commit) if here else None)
    if patch is None:
        return None
    asked = ("rev-list", f"--max-count={_PATCHES}", "--no-merges", *_EVERYWHERE)
    others = iter(answer(root, asked).decode("ascii").split())
    while part := list(islice(others, _AT_ONCE)):
        for its, other in _patch_ids(root, part):
            if its == patch and other != commit:
                return Rewritten(commit=other, what="patch", on=_holder(root, other))
    return None


def _patch_ids(root: str, commits: Iterable[str]) -> Iterator[tuple[str, str]]:
    patches = answer(root, ("diff-tree", "--stdin", *_PATCH), stdin="".join(f"{c}\n" for c in commits).encode())
    if patches:
        for line in answer(root, ("patch-id", "--stable"), stdin=patches).decode("ascii").splitlines():
            patch, _, commit = line.partition(" ")
            yield patch, commit


def _holder(root: str, commit: str) -> str:
    shown = ("--format=%(refname:lstrip=2)", "--count=1", "refs/heads", "refs/remotes", "refs/tags")
    return readable(answer(root, ("for-each-ref", f"--contains={commit}", *shown))).strip()
