"""Gates on the code that a version was made from."""

from __future__ import annotations

from ..domain.gate import Reachable
from ..domain.source import GitState
from . import Case, Found


def clean(case: Case, _gate: object) -> Found:
    """Whether it was made from a commit, and from nothing else."""
    git = case.version.run.git
    if git.commit is None:
        return False, f"it was made where there was no commit: {git.reason or 'no repository'}"
    if git.dirty:
        files = [*git.changed, *git.untracked]
        more = len(files) + git.left_out - 1
        return False, f"uncommitted: {files[0] if files else 'changes'}{f' and {more} more' if more > 0 else ''}"
    return True, f"committed as {git.commit[:7]}"


def reachable(case: Case, gate: Reachable) -> Found:
    """Whether a branch or tag, or that branch, leads to the commit."""
    commit = case.version.run.git.commit
    if commit is None:
        return False, "it was made where there was no commit"
    from ..gitrepo.changes import require_commits

    repository = case.workspace.repository
    require_commits(repository.root, [commit])
    if gate.branch is not None:
        return _on_branch(repository.root, commit, gate.branch, case.version.run.git)
    if commit in repository.unreachable_commits([commit]):
        again = case.workspace.rewritten(case.version.run.git)
        there = f"; the same {again.what} is {again.commit[:7]} on {again.on}" if again else ""
        return False, f"no branch or tag leads to {commit[:7]}{there}{_cut(repository.root)}"
    return True, f"a branch or tag leads to {commit[:7]}"


def _on_branch(root: str, commit: str, branch: str, git: GitState) -> Found:
    from ..gitrepo import refs_of_branch

    refs = refs_of_branch(root, branch)
    if not refs:
        return False, f"there is no branch {branch}, here or on a remote: git fetch"
    leading = refs_of_branch(root, branch, leading_to=commit)
    if leading:
        return True, f"{_short(leading[0])} leads to {commit[:7]}"
    made = f", it was made on {git.branch}" if git.branch and git.branch != branch else ""
    lead = "does not lead" if len(refs) == 1 else "do not lead"
    return False, f"{' and '.join(map(_short, refs))} {lead} to {commit[:7]}{made}{_cut(root)}"


def _cut(root: str) -> str:
    """What to say where the way to a commit may lie beyond what was cloned."""
    from ..gitrepo.command import git_dir_of
    from ..gitrepo.commits import is_shallow

    return "; this clone is shallow: git fetch --unshallow" if is_shallow(git_dir_of(root)) else ""


def _short(ref: str) -> str:
    return ref.partition("/")[2].partition("/")[2]
