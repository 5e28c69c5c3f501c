"""Remove runs and versions, bring them back, and take for good what has been removed for long enough."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from .chronicle import tell
from .domain.history import Action
from .domain.model import ModelVersion
from .domain.names import quoted
from .domain.query import Compare
from .domain.ref import Newest, RunArtifact, VersionRef, Word, parse
from .domain.run import Run, RunStatus
from .domain.trash import Removed, Swept
from .errors import Ambiguous, GitError, InUse, InvalidRef, NotFound
from .lookup import find_any, versions_of
from .workspace import Workspace

DAY = timedelta(days=1)


def remove(workspace: Workspace, refs: Sequence[str], *, why: str = "") -> list[Run | ModelVersion]:
    """Move runs and versions to the trash, all or none.

    InUse where a run still runs or a version stands on it that is not removed with it, or where a version stands in
    Staging or Production.
    """
    named = [_named(workspace, ref) for ref in refs]
    versions = list({each.digest: each for each in named if isinstance(each, ModelVersion)}.values())
    runs = list({each.id: each for each in named if isinstance(each, Run)}.values())
    _refuse_versions(workspace, versions)
    _refuse_runs(workspace, runs, going={version.digest for version in versions})
    for version in versions:
        with workspace.store.changing(version.model):
            _note(workspace, version, Action.REMOVED, why)
            workspace.store.remove_version(version.model, version.number)
    for run in runs:
        workspace.store.remove_run(run.id)
    _discard_code(workspace, [*runs, *(version.run for version in versions)])
    return [*versions, *runs]


def _discard_code(workspace: Workspace, removed: Sequence[Run]) -> None:
    """Take the refs along that kept the code of removed runs, and of no other."""
    loose = {commit for run in removed for commit in run.git.kept.values()}
    if not loose:
        return
    bases = {run.git.commit for run in removed}
    alike = None if None in bases else Compare(("git", "commit"), "in", tuple(bases))
    with workspace.store.settling_content(), suppress(GitError):  # what stays behind now, gc takes along
        left = [*workspace.store.find_runs(alike, whole=False).runs, *(v.run for v in versions_of(workspace, None, []))]
        workspace.discard_code(loose - {commit for run in left for commit in run.git.kept.values()})


def _named(workspace: Workspace, text: str) -> Run | ModelVersion:
    ref = parse(text)
    found = find_any(workspace, text)
    if isinstance(found, ModelVersion) and isinstance(ref, Word):
        raise InvalidRef(f"{quoted(text)} is a model: name the versions to remove", f"mlcli rm {found.ref}")
    if isinstance(ref, RunArtifact):
        raise InvalidRef(f"{quoted(text)} is a part of a run, and runs are removed whole", f"mlcli rm {ref.run}")
    if not isinstance(found, Run | ModelVersion):
        raise NotFound(f"no run matches {quoted(text)}", "mlcli ls")
    return found


def _refuse_versions(workspace: Workspace, versions: Sequence[ModelVersion]) -> None:
    for version in versions:
        history = workspace.store.history(version.model)
        stage = history.stage_of(version.digest)
        if stage.exclusive:
            raise InUse(f"{version.ref} cannot be removed: it is in {stage}", f"mlcli promote {version.ref} archived")
        if aliases := history.aliases_of(version.digest):
            name = f"{version.model}@{aliases[0]}"
            raise InUse(f"{version.ref} cannot be removed: it is {name}", f"mlcli unalias {name}")


def _refuse_runs(workspace: Workspace, runs: Sequence[Run], *, going: set[str]) -> None:
    standing = [version for version in versions_of(workspace) if version.digest not in going] if runs else []
    for run in runs:
        on_it = [version.ref for version in standing if version.run.id == run.id]
        if on_it:
            raise InUse(
                f"run {run.id[:8]} cannot be removed: {', '.join(on_it)} stands on it", f"mlcli lineage {on_it[0]}"
            )
        if run.status is RunStatus.RUNNING:
            raise InUse(f"run {run.id[:8]} cannot be removed: it is running", "end it first")


def removed(workspace: Workspace) -> list[Removed]:
    """What lies in the trash, the last that was removed first."""
    workspace.require_store()
    return workspace.store.removed()


def restore(workspace: Workspace, refs: Sequence[str], *, why: str = "") -> list[Run | ModelVersion]:
    """Bring runs and versions back from the trash. A run is named by id, prefix or name; `@` is what went last."""
    there = removed(workspace)
    chosen = [_chosen(there, text) for text in refs]
    for each in chosen:
        if isinstance(each, Run):
            workspace.store.restore_run(each.id)
            workspace.recall_code(each.git.kept.values())
            continue
        with workspace.store.changing(each.model):
            _note(workspace, each, Action.RESTORED, why)
            workspace.store.restore_version(each.model, each.number)
        workspace.recall_code(each.run.git.kept.values())
    return chosen


def _chosen(there: Sequence[Removed], text: str) -> Run | ModelVersion:
    ref = parse(text)
    if isinstance(ref, Newest):
        found = [each.what for each in there[ref.back : ref.back + 1]]
    elif isinstance(ref, VersionRef):
        wanted = (ref.model, ref.number)
        found = [e.what for e in there if isinstance(e.what, ModelVersion) and (e.what.model, e.what.number) == wanted]
    else:
        runs = [each.what for each in there if isinstance(each.what, Run)]
        found = [run for run in runs if run.id.startswith(text)] or [run for run in runs if run.name == text]
    if not found:
        raise NotFound(f"{quoted(text)} is not in the trash", "mlcli restore")
    if len(found) > 1:
        ids = ", ".join(run.id[:8] for run in found if isinstance(run, Run))
        raise Ambiguous(f"{quoted(text)} names {len(found)} removed runs: {ids}", "name one by its id")
    return found[0]


def _note(workspace: Workspace, version: ModelVersion, action: Action, why: str) -> None:
    """Tell the model's history, once, also where a removal was killed before the version was moved."""
    history = workspace.store.history(version.model)
    if history.is_removed(version.digest) is not (action is Action.REMOVED):
        tell(workspace, version, action, history, why=why, number=version.number)


def collect(workspace: Workspace, *, older_than: timedelta = DAY, dry_run: bool = False) -> Swept:
    """Take for good what was removed longer ago than that, and content that nothing cites any more.

    Content is kept that a run, a version here, in the trash, in git's index or on any branch, tag or stash cites.
    GitError or Corrupt where that cannot be told; then nothing is taken.
    """
    workspace.require_store()
    try:
        elsewhere = workspace.versions_in_git()
        if not dry_run:
            _settle_code(workspace, elsewhere)
        swept = workspace.store.sweep(older_than, elsewhere, dry_run=dry_run)
        return swept if dry_run else replace(swept, commits=_settle_code(workspace, elsewhere))
    except GitError as error:
        raise GitError(
            f"what git still holds cannot be told, and nothing was taken: {error.message}", error.hint
        ) from None


def _settle_code(workspace: Workspace, elsewhere: Sequence[bytes]) -> int:
    """Let each ref be where the documents say that name its commit, and drop those of the trash that none names.

    A ref of a run that is here may be another clone's and stays, whatever is named. How many were dropped.
    """
    with workspace.store.settling_content():
        trashed = workspace.store.discarded_commits()
        discarded = workspace.code_refs(trashed=True)
        stray = trashed & workspace.code_refs()
        if not discarded and not stray:
            return 0  # as mostly: then no document need be read for this
        here = workspace.store.cited_commits(elsewhere)
        workspace.discard_code(stray - here)
        workspace.recall_code(discarded & here)
        return workspace.forget_code(discarded - here - trashed)
