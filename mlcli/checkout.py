"""The exact source of a run, version or commit, in a linked worktree of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from .domain.model import ModelVersion
from .domain.names import quoted
from .domain.run import Run
from .errors import Ambiguous, CannotRepeat, GitError, NoStore, NotFound, Refused, WriteFailed
from .gitrepo import worktrees
from .lookup import Commit, find_any
from .workspace import Workspace


class Source(Struct, frozen=True, kw_only=True):
    """The code that a ref leads to: its commit, the run it is of, and what the worktree is called for short."""

    commit: str
    run: Run | None
    short: str


class CheckedOut(Struct, frozen=True, kw_only=True):
    """Where the source is, and whether it was put there now.

    `changed` are files that differ from it by now; the others are not in it: files that the snapshot left out, nested
    repositories, and submodules whose commits are not here. `unkept` says why uncommitted changes are not, either.
    """

    directory: str
    commit: str
    made: bool
    changed: list[str] = []
    left_out: list[str] = []
    nested: list[str] = []
    missing: list[str] = []
    unkept: str | None = None


def checkout(workspace: Workspace, text: str, directory: str | None = None) -> CheckedOut:
    """Put the source that `text` leads to into a directory: `directory`, or one beside the repository.

    Where it is there already, that is the answer; where something else is, Refused.
    """
    source = source_of(workspace, text)
    root = worktrees.root_of(workspace.root)
    path = _place(root, source, directory)
    if worktrees.is_linked(root, path) and worktrees.head(path) == source.commit:
        return _answer(source, path, made=False, missing=[])
    if os.path.lexists(path) and (not os.path.isdir(path) or os.path.islink(path) or os.listdir(path)):
        raise Refused(f"{quoted(path, 200)} is there already, and is not that source", f"mlcli checkout {text} DIR")
    if f"{path}{os.sep}".startswith(f"{root}{os.sep}"):
        raise Refused(f"{quoted(path, 200)} is in the repository's own tree", f"mlcli checkout {text}   goes beside it")
    with _unmade(root, path):
        missing = worktrees.add(root, path, source.commit, snapshot=_is_snapshot(source))
        worktrees.mark(path, source.commit)
    return _answer(source, path, made=True, missing=missing)


def remove(workspace: Workspace, text: str, directory: str | None = None, *, force: bool = False) -> str:
    """Take a checkout away again, by its directory or by the ref it was made of; the directory.

    Refused where files in it were changed, or commits were made that no branch holds, unless by force.
    """
    root = worktrees.root_of(workspace.root)
    path = os.path.realpath(directory or text)
    if not worktrees.is_linked(root, path):
        if directory is not None or (os.sep in text and os.path.isdir(text)):
            raise NotFound(f"{quoted(path, 200)} is no checkout of this repository", "git worktree list")
        path = _place(root, source_of(workspace, text), None)
    made_of = worktrees.marked(path) if worktrees.is_linked(root, path) else None
    if made_of is None:
        others = worktrees.is_linked(root, path)
        told = "was not made by mlcli checkout" if others else "is not there"
        raise NotFound(f"the checkout {quoted(path, 200)} {told}", "git worktree list")
    if not force:
        _refuse_own_work(path, made_of)
    worktrees.remove(root, path)
    return path


def source_of(workspace: Workspace, text: str) -> Source:
    """The code that `text` leads to: of a run, of the run of a version, or of a commit, branch or tag."""
    try:
        found = find_any(workspace, text)
    except (NotFound, NoStore):
        commit = _commit(workspace, text)  # a branch may be called as a file is, and a commit needs no store
        if commit is None:
            raise
        return Source(commit=commit, run=None, short=commit[:8])
    if isinstance(found, Commit):
        return Source(commit=found.commit, run=None, short=found.commit[:8])
    if isinstance(found, ModelVersion):
        return Source(commit=_code(found.run), run=found.run, short=found.ref.replace("@", "-"))
    if not isinstance(found, Run):
        runs = found.makers
        if len(runs) != 1:
            names = ", ".join(run.id[:8] for run in runs[:8])
            raise Ambiguous(f"{quoted(text)} belongs to {len(runs)} runs: {names}", "name one by its id")
        [found] = runs
    return Source(commit=_code(found), run=found, short=found.id[:8])


def _commit(workspace: Workspace, text: str) -> str | None:
    try:
        return workspace.repository.resolve_commit(text)
    except GitError:
        return None


def _code(run: Run) -> str:
    if run.git.code is None:
        why = run.git.reason or "no commit is recorded"
        raise CannotRepeat(f"the code of run {run.id[:8]} was not kept: {why}", "commit, then run again")
    return run.git.code


def _is_snapshot(source: Source) -> bool:
    return source.run is not None and source.run.git.snapshot is not None


def _place(root: str, source: Source, directory: str | None) -> str:
    """Where the worktree belongs, with links resolved: a directory that was named, or one beside the repository."""
    name = f"{os.path.basename(root) or 'repository'}-{source.short}"
    return os.path.realpath(directory if directory is not None else os.path.join(os.path.dirname(root), name))


@contextmanager
def _unmade(root: str, path: str) -> Iterator[None]:
    """Leave nothing behind of a worktree that could not be made in full."""
    empty = os.path.lexists(path)
    try:
        yield
    except BaseException as error:  # a Ctrl-C, too
        with suppress(GitError):
            worktrees.remove(root, path)
        if empty:
            with suppress(OSError):
                os.mkdir(path)
        if isinstance(error, OSError):
            raise WriteFailed(f"cannot write below {quoted(path, 200)}: {error.strerror}") from None
        raise


def _answer(source: Source, path: str, *, made: bool, missing: list[str]) -> CheckedOut:
    snapshot = source.run.git.snapshot if source.run else None
    return CheckedOut(
        directory=path,
        commit=source.commit,
        made=made,
        changed=[] if made else worktrees.changes(path),
        left_out=[file.path for file in snapshot.left_out] if snapshot else [],
        nested=sorted(snapshot.nested) if snapshot else [],
        missing=missing,
        unkept=source.run.git.lost if source.run else None,
    )


def _refuse_own_work(path: str, made_of: str) -> None:
    head = worktrees.head(path)
    if head != made_of and worktrees.is_detached(path):
        raise Refused(
            f"{quoted(path, 200)} has commits of its own, which no branch may hold",
            f"git -C {path} branch NAME, or --force",
        )
    if changed := worktrees.changes(path):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise Refused(f"in {quoted(path, 200)} {changed[0]}{more} changed", "--force takes it away all the same")
