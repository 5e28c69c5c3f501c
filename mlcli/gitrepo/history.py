"""What lies between two commits, and which of it to look at next."""

from __future__ import annotations

from collections.abc import Iterable

from .command import answer
from .worktrees import require


def common_ancestor(root: str, one: str, other: str) -> str | None:
    """The best commit that both lead back to; one of the two where that is an ancestor of the other."""
    for commit in (one, other):
        require(root, commit)
    return answer(root, ("merge-base", one, other), ok=(0, 1)).decode("ascii").split("\n")[0] or None


def halving(root: str, bad: str, good: Iterable[str]) -> list[str]:
    """The commits that lead to `bad` and to none of `good`, those first that part the others most evenly; `bad` last.

    Merges are counted as `git bisect` counts them.
    """
    asked = ("rev-list", "--bisect-all", bad, *(f"^{commit}" for commit in good), "--")
    listed = [line.split()[0] for line in answer(root, asked).decode("ascii").splitlines() if line]
    return [*(commit for commit in listed if commit != bad), bad]


def parents(root: str, commit: str) -> list[str]:
    """The commits that one was made on top of, the first of them first."""
    return answer(root, ("rev-list", "--parents", "--max-count=1", commit, "--")).decode("ascii").split()[1:]
