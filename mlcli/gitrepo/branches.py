"""Which branches lead to a commit."""

from __future__ import annotations

from .command import answer, readable


def refs_of_branch(root: str, branch: str, *, leading_to: str | None = None) -> list[str]:
    """The refs that a branch's name means: the local one and origin's, else those of other remotes.

    With `leading_to` only those that lead to this commit, which must be here.
    """
    own = [f"refs/heads/{branch}", f"refs/remotes/{branch}", f"refs/remotes/origin/{branch}"]
    found = _refs(root, own, None)
    if not found:
        own = found = _refs(root, [f"refs/remotes/*/{branch}"], None)
    return _refs(root, own, leading_to) if leading_to and found else found


def _refs(root: str, patterns: list[str], leading_to: str | None) -> list[str]:
    contains = (f"--contains={leading_to}",) if leading_to else ()
    listed = answer(root, ("for-each-ref", "--format=%(refname)", *contains, *patterns))
    names = [readable(name) for name in listed.splitlines()]
    # A pattern that is no ref's name stands for all refs below it.
    return [name for name in names if name in patterns or "*" in patterns[0]]
