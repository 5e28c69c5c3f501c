"""From a ref to the run or model version that it names."""

from __future__ import annotations

import os

from msgspec.structs import replace

from ..domain.model import ModelVersion
from ..domain.names import quoted
from ..domain.order import Sort
from ..domain.query import Both, Compare
from ..domain.ref import (
    AliasRef,
    Best,
    DigestRef,
    Newest,
    NewestVersion,
    Ref,
    RunArtifact,
    StageRef,
    VersionRef,
    Word,
    parse,
)
from ..domain.reproduction import Reproduction
from ..domain.run import Run, RunStatus, lower_is_better
from ..errors import Ambiguous, MlcliError, NotFound
from ..workspace import Workspace
from .content import Commit as Commit
from .content import Content as Content
from .content import by_digest, by_path, commit_of
from .versions import close_names
from .versions import history_of as history_of
from .versions import require_model as require_model
from .versions import version_of as version_of
from .versions import versions_of as versions_of

_HEX = set("0123456789abcdef")


def find_run(workspace: Workspace, text: str) -> Run:
    """The run that `text` names; a version's ref names the run it came from. NotFound or Ambiguous otherwise."""
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, VersionRef | StageRef | AliasRef | NewestVersion):
        return version_of(workspace, ref).run
    if isinstance(ref, RunArtifact):
        return find_run(workspace, ref.run)
    found = _run(workspace, ref)
    if found is None and isinstance(ref, Word) and workspace.store.version_numbers(ref.text):
        return version_of(workspace, ref).run
    if found is None:
        raise _no_run(workspace, text)
    return found


def find_run_or_version(workspace: Workspace, text: str) -> Run | ModelVersion:
    """What `text` names: a version where a model, or one of its versions, is named so, else a run."""
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, VersionRef | StageRef | AliasRef | NewestVersion):
        return version_of(workspace, ref)
    found = _run(workspace, ref)
    if found is None and isinstance(ref, Word) and workspace.store.version_numbers(ref.text):
        return version_of(workspace, ref)
    return found or find_run(workspace, text)


def find_version(workspace: Workspace, text: str) -> ModelVersion:
    """The model version that `text` names; a model's name alone names its newest. NotFound otherwise."""
    workspace.require_store()
    return version_of(workspace, parse(text))


def find_any(workspace: Workspace, text: str) -> Run | ModelVersion | Content | Commit:
    """Whatever `text` names: a version, a run, a file or directory by its content, a digest, a commit or branch."""
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, VersionRef | StageRef | AliasRef | NewestVersion):
        return version_of(workspace, ref)
    if isinstance(ref, RunArtifact):
        return find_run(workspace, ref.run)
    if isinstance(ref, DigestRef):
        return by_digest(workspace, f"sha256:{ref.hex}")
    found = _run(workspace, ref)
    if isinstance(ref, Word):
        named = ref.text in workspace.store.models()
        if named and found is not None:
            raise Ambiguous(
                f"{quoted(text)} is a model and the run {found.id[:8]}", f"mlcli show {text}@latest, or {found.id[:8]}"
            )
        if named:
            return version_of(workspace, ref)
        if found is None and os.path.lexists(text):
            return by_path(workspace, text)
        if found is None and (commit := commit_of(workspace, ref.text)):
            return commit
    if found is None:
        raise _no_run(workspace, text)
    return found


def _run(workspace: Workspace, ref: Ref) -> Run | None:
    store = workspace.store
    if isinstance(ref, Newest):
        runs = store.find_runs(limit=ref.back + 1).runs
        if ref.back >= len(runs):
            raise NotFound(f"there are {len(runs)} runs: none lies {ref.back} before the newest", "mlcli ls")
        return runs[ref.back]
    if isinstance(ref, Best):
        return _best(workspace, ref)
    if not isinstance(ref, Word):
        return None
    text = ref.text
    if set(text) <= _HEX and len(text) <= 32:
        ids = store.run_ids(text)
        if len(ids) > 1:
            raise Ambiguous(
                f"{quoted(text)} begins {len(ids)} run ids: {', '.join(i[: len(text) + 4] for i in ids[:8])}",
                "type more of the id",
            )
        if ids:
            return store.run(ids[0])
    named = store.find_runs(Compare(("name",), "=", text)).runs
    if len(named) > 1:
        raise Ambiguous(
            f"{quoted(text)} is the name of {len(named)} runs: {', '.join(run.id[:8] for run in named[:8])}",
            "name one by its id",
        )
    return named[0] if named else None


def _best(workspace: Workspace, ref: Best) -> Run:
    lowest = lower_is_better(ref.metric) if ref.lowest is None else ref.lowest
    field = ("metrics", ref.metric)
    finished = Compare(("status",), "=", RunStatus.FINISHED.value)
    number = Compare(field, "<=", float("inf"))  # true of every number, and of no NaN
    first = Compare(("reproduces",), "isnull", None)  # a run that was made again is as good, and not the one
    found = workspace.store.find_runs(Both(Both(finished, number), first), sort=Sort(field, not lowest), limit=1).runs
    if not found:
        raise NotFound(f"no finished run has a metric {quoted(ref.metric)}", "mlcli ls --columns id,metrics")
    return found[0]


def reproductions_of(workspace: Workspace, run: Run) -> list[Reproduction]:
    """How a run came out each time it was made again, the first time first; also where only a version of it is here."""
    try:
        told = workspace.store.run(run.id).reproductions
    except MlcliError:
        twins = workspace.store.find_runs(Compare(("reproduces",), "=", run.id)).runs
        told = [replace(twin.reproduces, run_id=twin.id) for twin in twins if twin.reproduces]
    return sorted((each for each in told if each.verdict), key=lambda each: (each.at, each.run_id))


def _no_run(workspace: Workspace, text: str) -> NotFound:
    names = {run.name for run in workspace.store.find_runs(limit=1000, whole=False).runs} | set(
        workspace.store.models()
    )
    close = close_names(text, names)
    return NotFound(f"no run matches {quoted(text)}", f"did you mean {close}?" if close else "mlcli ls")
