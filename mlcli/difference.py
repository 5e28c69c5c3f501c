"""What differs between two runs, versions or commits: code, params, metrics, inputs, environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from .domain.model import ModelVersion
from .domain.names import quoted
from .domain.run import Run
from .domain.values import same_value
from .errors import Ambiguous, Missing, MlcliError, NotFound
from .gitrepo.changes import ChangedFile, changed_files, patch, require_commits
from .gitrepo.commits import is_commit_id
from .gitrepo.rewritten import found_again
from .lookup import Commit, Content, find_any
from .workspace import Workspace


class Side(Struct, frozen=True, kw_only=True):
    """One of the two: what it is called, its run, and the commit that holds its code.

    `base` is the commit that was checked out, where `commit` is a snapshot of what was not committed; `unkept` says why
    `commit` lacks what was not committed, None where it lacks nothing.
    """

    name: str
    kind: Literal["run", "version", "commit"]
    run_id: str | None = None
    commit: str | None = None
    base: str | None = None
    unkept: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    """One thing that differs, with its value on each side; None where that side has none."""

    key: str
    how: Literal["added", "removed", "changed"]
    a: Any = None
    b: Any = None


class Executed(Struct, frozen=True, kw_only=True):
    """The code that two runs executed: whether it is the same, and the files of it that differ, by git's ids.

    Files of the project are named from the workspace, repositories outside it by their whole path.
    """

    same: bool
    files: list[Change] = []


class CodeChange(Struct, frozen=True, kw_only=True):
    """The files that differ between two commits; `beside` is what lay in a tree and its snapshot does not hold.

    The commits are those of the two sides; of one that is not here, another with the same tree.
    """

    from_commit: str
    to_commit: str
    files: list[ChangedFile] = []
    beside: list[Change] = []


class Difference(Struct, frozen=True, kw_only=True):
    """All that differs; `code` is None where it cannot be compared, and `reason` says why.

    `executed` is None where it is not known of both. The files of it come first in `code`.
    """

    a: Side
    b: Side
    code: CodeChange | None = None
    reason: str | None = None
    hint: str | None = None
    executed: Executed | None = None
    params: list[Change] = []
    metrics: list[Change] = []
    inputs: list[Change] = []
    environment: list[Change] = []

    @property
    def same(self) -> bool:
        """Whether nothing is known to differ."""
        code = self.code is not None and not self.code.files and not self.code.beside
        return code and not (self.params or self.metrics or self.inputs or self.environment)


def difference(workspace: Workspace, a: str, b: str) -> Difference:
    """What differs between what two refs name; of a bare commit only its code is known."""
    (first, one), (second, other) = found(workspace, a), found(workspace, b)
    return between(workspace, first, one, second, other)


def between(workspace: Workspace, a: Side, one: Run | None, b: Side, other: Run | None) -> Difference:
    """What differs between two sides that were found."""
    code, reason, hint = None, None, None
    try:
        code = _code(workspace, a, one, b, other)
    except MlcliError as error:
        reason, hint = error.message, error.hint
    if one is None or other is None:
        return Difference(a=a, b=b, code=code, reason=reason, hint=hint)
    return Difference(
        a=a,
        b=b,
        code=code,
        reason=reason,
        hint=hint,
        executed=executed(one, other),
        params=_changes(one, other, lambda run: {key: param.value for key, param in run.params.items()}),
        metrics=_changes(one, other, lambda run: {key: metric.last for key, metric in run.metrics.items()}),
        inputs=_changes(one, other, lambda run: {input_.path: input_.digest for input_ in run.inputs}),
        environment=_changes(one, other, _environment),
    )


def found(workspace: Workspace, text: str) -> tuple[Side, Run | None]:
    """The side that a ref names, and its run."""
    thing = find_any(workspace, text)
    if isinstance(thing, Content):
        thing = _one_of(thing, text)
    if isinstance(thing, Commit):
        return Side(name=f"{text} {thing.commit[:7]}", kind="commit", commit=thing.commit), None
    run = thing.run if isinstance(thing, ModelVersion) else thing
    named = thing.ref if isinstance(thing, ModelVersion) else f"{run.id[:8]} {run.name}"
    return Side(
        name=named,
        kind="version" if isinstance(thing, ModelVersion) else "run",
        run_id=run.id,
        commit=run.git.code,
        base=run.git.commit if run.git.snapshot else None,
        unkept=run.git.lost,
    ), run


def patch_of(workspace: Workspace, found: Difference, *, binary: bool = False) -> bytes:
    """The patch of the code that differs; with `binary` git can apply it, whatever the files hold."""
    if found.code is None or not found.code.files:
        return b""
    return patch(workspace.repository.root, found.code.from_commit, found.code.to_commit, binary=binary)


def _one_of(content: Content, text: str) -> Run:
    runs = content.makers
    if len(runs) > 1:
        names = ", ".join(run.id[:8] for run in runs[:8])
        raise Ambiguous(f"{quoted(text)} is content of {len(runs)} runs: {names}", "name one by its id")
    if not runs:
        raise NotFound(f"no run holds {quoted(text)}", "mlcli ls")
    return runs[0]


def _code(workspace: Workspace, a: Side, one: Run | None, b: Side, other: Run | None) -> CodeChange:
    if one is not None and other is not None and one.id == other.id:
        return CodeChange(from_commit=a.commit or "", to_commit=b.commit or "")
    for side, run in ((a, one), (b, other)):
        if side.commit is None:
            why = (run.git.reason if run else None) or "there was no commit"
            raise NotFound(f"{side.name} has no code to compare: {why}")
        if not is_commit_id(side.commit):
            raise NotFound(f"{side.name} names no commit but {quoted(side.commit)}", "mlcli doctor")
    before, after = a.commit or "", b.commit or ""
    files: list[ChangedFile] = []
    if before != after and not (one and other and have_same_tree(one, other)):
        root = workspace.repository.root
        try:
            files = changed_files(root, before, after)
        except Missing:
            before, after = _here(root, before, one), _here(root, after, other)
            files = changed_files(root, before, after)
    beside = _changes(one, other, _beside) if one is not None and other is not None else []
    files = _executed_first(workspace, files, (one, other)) if files else []
    return CodeChange(from_commit=before, to_commit=after, files=files, beside=beside)


def have_same_tree(one: Run, other: Run) -> bool:
    """Whether two runs are known to have had all the same files, without asking git."""
    first, second = _tree(one), _tree(other)
    return first is not None and first == second


def _tree(run: Run) -> str | None:
    return run.git.snapshot.tree if run.git.snapshot else run.git.tree


def _here(root: str, commit: str, run: Run | None) -> str:
    """The commit if it is here, else one of the same tree that a branch leads to; Missing where neither is."""
    try:
        require_commits(root, [commit], snapshots=bool(run and run.git.snapshot))
    except Missing:
        again = found_again(root, commit, _tree(run), None) if run else None
        if again is None or again.what != "tree":
            raise
        return again.commit
    return commit


def executed(one: Run, other: Run) -> Executed | None:
    """How the code that two runs executed differs; None where it is not known of both what that was."""
    if not (is_seen(one) and is_seen(other)):
        return None
    same = one.code is not None and other.code is not None and one.code.digest == other.code.digest
    return Executed(same=same, files=[] if same else _changes(one, other, _blobs))


def is_seen(run: Run) -> bool:
    """Whether all the code that a run executed was seen, and was not written to meanwhile."""
    if run.code is None or run.capture is None or not run.capture.complete:
        return False
    return all(module.state != "changed" for module in run.code.modules)


def _blobs(run: Run) -> dict[str, Any]:
    code = run.code
    blobs = {module.path: module.blob for module in code.modules} if code else {}
    return blobs | {each.path: each.digest for each in (code.elsewhere if code else ())}


def _executed_first(workspace: Workspace, files: list[ChangedFile], runs: Sequence[Run | None]) -> list[ChangedFile]:
    """The files that one of the runs executed before the others, otherwise in their order."""
    ran = {module.path for run in runs if run and run.code for module in run.code.modules}
    if not ran:
        return files
    below = os.path.relpath(workspace.root, workspace.repository.root)
    named = {os.path.normpath(os.path.join(below, path)).replace(os.sep, "/") for path in ran}
    return sorted(files, key=lambda file: file.path not in named)


def _beside(run: Run) -> dict[str, Any]:
    """What lay in a dirty tree and is not in its snapshot: large files by digest, nested repositories by commit."""
    kept = run.git.snapshot
    return {**{file.path: file.digest or f"{file.size} bytes" for file in kept.left_out}, **kept.nested} if kept else {}


def _environment(run: Run) -> dict[str, Any]:
    noted = run.environment
    own = {
        "python": noted.python,
        "implementation": noted.implementation,
        "platform": noted.platform,
        "machine": noted.machine,
        "cpus": noted.cpus,
    }
    return {
        **{key: value for key, value in own.items() if value},
        **{f"packages.{name}": version for name, version in noted.packages.items()},
        **{f"variables.{name}": value for name, value in noted.variables.items()},
    }


def _changes(one: Run, other: Run, values: Callable[[Run], Mapping[str, Any]]) -> list[Change]:
    return changes(values(one), values(other))


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """What differs between two maps: in the order of the first, then what only the second has."""
    made = []
    for key in dict.fromkeys((*a, *b)):
        if key not in b:
            made.append(Change(key=key, how="removed", a=a[key]))
        elif key not in a:
            made.append(Change(key=key, how="added", b=b[key]))
        elif not same_value(a[key], b[key]):
            made.append(Change(key=key, how="changed", a=a[key], b=b[key]))
    return made
