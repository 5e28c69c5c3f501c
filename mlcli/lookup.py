"""From a ref to the run or model version that it names."""

from __future__ import annotations

import os
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from .domain.history import History
from .domain.model import ModelVersion
from .domain.names import escaped, quoted
from .domain.order import Sort
from .domain.query import Both, Compare
from .domain.ref import (
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
from .domain.reproduction import Reproduction
from .domain.run import Artifact, Run, RunStatus, lower_is_better
from .domain.stage import Stage
from .errors import Ambiguous, GitError, InvalidRef, MlcliError, NotFound
from .workspace import Workspace

_HEX = set("0123456789abcdef")
_WHOLE = len("sha256:") + 64


class Content(Struct, frozen=True):
    """A digest that was asked for, and the runs and versions that hold content of it or were made from it.

    `digests` are those by which it was looked for: of a directory also those of the files in it.
    """

    digest: str
    runs: list[Run]
    versions: list[ModelVersion]
    digests: list[str] = []

    @property
    def makers(self) -> list[Run]:
        """The runs that hold it, each once, and those that only their versions tell of."""
        return list({run.id: run for run in [*self.runs, *(version.run for version in self.versions)]}.values())


class Commit(Struct, frozen=True):
    """A commit that was asked for, with the runs and versions made from it."""

    commit: str
    runs: list[Run]
    versions: list[ModelVersion]


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


def version_of(workspace: Workspace, ref: Ref) -> ModelVersion:
    """The model version of a parsed ref."""
    store = workspace.store
    if isinstance(ref, Word):
        ref = NewestVersion(ref.text)
    if isinstance(ref, VersionRef):
        require_model(workspace, ref.model)
        return store.version(ref.model, ref.number)
    if isinstance(ref, NewestVersion):
        return store.version(ref.model, require_model(workspace, ref.model)[-1])
    if isinstance(ref, StageRef):
        return _in_stage(workspace, ref)
    if isinstance(ref, AliasRef):
        return _with_alias(workspace, ref)
    raise InvalidRef("this ref names no model version", "as iris@3, iris@production or models:/iris/3")


def find_any(workspace: Workspace, text: str) -> Run | ModelVersion | Content | Commit:
    """Whatever `text` names: a version, a run, a file or directory by its content, a digest, a commit or branch."""
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, VersionRef | StageRef | AliasRef | NewestVersion):
        return version_of(workspace, ref)
    if isinstance(ref, RunArtifact):
        return find_run(workspace, ref.run)
    if isinstance(ref, DigestRef):
        return _by_digest(workspace, f"sha256:{ref.hex}")
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
            return _by_path(workspace, text)
        if found is None and (commit := _commit(workspace, ref.text)):
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


def require_model(workspace: Workspace, model: str) -> list[int]:
    """The numbers of a model's versions; NotFound where there is no such model."""
    numbers = workspace.store.version_numbers(model)
    if not numbers:
        close = _close(model, workspace.store.models())
        hint = f"did you mean {close}?" if close else f"mlcli register {escaped(model)}"
        raise NotFound(f"no model is called {quoted(model)}", hint)
    return numbers


def _in_stage(workspace: Workspace, ref: StageRef) -> ModelVersion:
    holder = workspace.store.holder(ref.model, ref.stage) if ref.stage.exclusive else None
    if holder is not None and holder.number is not None:  # two small files, however long the history
        return workspace.store.version(ref.model, holder.number)
    numbers = require_model(workspace, ref.model)
    if not ref.stage.exclusive:
        history = workspace.store.standing(ref.model)
        for number in reversed(numbers):
            version = workspace.store.version(ref.model, number)
            if history.stage_of(version.digest) is ref.stage:
                return version
    raise NotFound(
        f"no version of {ref.model} is in {ref.stage}", f"mlcli promote {ref.model}@{numbers[-1]} {ref.stage.value}"
    )


def _with_alias(workspace: Workspace, ref: AliasRef) -> ModelVersion:
    holder = workspace.store.alias(ref.model, ref.alias)
    if holder is not None and holder.number is not None:
        return workspace.store.version(ref.model, holder.number)
    require_model(workspace, ref.model)
    there = [alias for alias in workspace.store.aliases(ref.model) if alias != ref.alias]
    close = _close(ref.alias, [*there, *(stage.value for stage in Stage)])
    hint = f"did you mean {ref.model}@{close}?" if close else f"mlcli alias {ref.model}@N {escaped(ref.alias)}"
    raise NotFound(f"{ref.model} has no alias {quoted(ref.alias)}", hint)


def versions_of(
    workspace: Workspace, models: Iterable[str] | None = None, problems: list[MlcliError] | None = None
) -> list[ModelVersion]:
    """Every version of these models (none: of all); `problems` takes what cannot be read, which is raised otherwise."""
    store = workspace.store
    found = []
    for model in store.models() if models is None else models:
        for number in store.version_numbers(model):
            try:
                found.append(store.version(model, number))
            except MlcliError as problem:
                if problems is None:
                    raise
                problems.append(problem)
    return found


def history_of(workspace: Workspace, model: str, problems: list[MlcliError] | None = None) -> History:
    """What a model's history adds up to, without its events where they are many.

    Where it cannot be read and `problems` takes that, what the stages' own files say.
    """
    store = workspace.store
    stages = {}
    try:
        return store.standing(model)
    except MlcliError as problem:
        if problems is None:
            raise
        problems.append(problem)
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        try:
            holder = store.holder(model, stage)
        except MlcliError as problem:
            problems.append(problem)
            continue
        if holder is not None and holder.version is not None:
            stages[holder.version] = stage
    return History(events=[], stages=stages, holders={}, heads=[])


def reproductions_of(workspace: Workspace, run: Run) -> list[Reproduction]:
    """How a run came out each time it was made again, the first time first; also where only a version of it is here."""
    try:
        told = workspace.store.run(run.id).reproductions
    except MlcliError:
        twins = workspace.store.find_runs(Compare(("reproduces",), "=", run.id)).runs
        told = [replace(twin.reproduces, run_id=twin.id) for twin in twins if twin.reproduces]
    return sorted((each for each in told if each.verdict), key=lambda each: (each.at, each.run_id))


def _by_digest(workspace: Workspace, prefix: str) -> Content | ModelVersion:
    store = workspace.store
    digests = [prefix] if len(prefix) == _WHOLE else store.digests_from(prefix)
    if len(digests) > 1:
        shown = ", ".join(digest[: len(prefix) + 4] for digest in digests[:8])
        raise Ambiguous(f"{prefix} begins {len(digests)} digests: {shown}", "type more of the digest")
    if named := store.marked_versions("version", digests):
        return named[0]
    found = _holding(workspace, digests[0], digests, digests) if digests else None
    if found is None or not found.makers:
        raise NotFound(f"no run or version holds content with the digest {prefix}", "mlcli ls")
    return found


def _by_path(workspace: Workspace, path: str) -> Content:
    """What is told of a file or directory by its content, wherever it lies and whatever it is called."""
    if os.path.isdir(path):
        whole, files, below = _digests_below(workspace, path)
        made = [whole] if workspace.store.marked_runs("output", [whole], limit=1) else [whole, *files]
        found = _holding(workspace, whole, made, [whole, *files, *below])
    else:
        with workspace.store.digesting() as digests:
            whole = digests.of(path) or workspace.store.digest_of(path)
        found = _holding(workspace, whole, [whole], [whole])
    if not found.makers:
        raise NotFound(f"no run or version made or read {quoted(path)}", "mlcli run -- COMMAND notes what it makes")
    return found


def _digests_below(workspace: Workspace, path: str) -> tuple[str, list[str], list[str]]:
    """The digest of a directory, those of its files, and those of the files of each directory in it alone."""
    listed: list[Artifact] = []
    below: list[str] = []
    with workspace.store.digesting() as digests:
        for directory, inner, names in os.walk(path):
            inner[:] = [name for name in inner if name not in {".git", os.path.basename(workspace.store.root)}]
            within = os.path.relpath(directory, path)
            files = [
                Artifact(path=os.path.normpath(os.path.join(within, name)), size=0, digest=digest)
                for name in names
                if (digest := digests.of(os.path.join(directory, name)))
            ]
            listed += files
            own = [replace(file, path=os.path.basename(file.path)) for file in files]
            below += [workspace.store.manifest(own, "")] if own else []
    if not listed:
        raise NotFound(f"{quoted(path)} holds no file that can be read", "name a file, or a directory with files in it")
    return workspace.store.manifest(listed, ""), sorted({file.digest for file in listed}), below


def _holding(workspace: Workspace, digest: str, made: list[str], read: list[str]) -> Content:
    """The runs and versions that made or read content of these digests, the newest run first."""
    store = workspace.store
    runs = {run.id: run for run in [*store.marked_runs("output", made), *store.marked_runs("input", read)]}
    registered = {v.ref: v for v in [*store.marked_versions("output", made), *store.marked_versions("input", read)]}
    makes, reads = set(made), set(read)
    versions = []
    for version in registered.values():
        held = {file.digest for file in version.files} | {version.artifact.digest if version.artifact else ""}
        if held & makes or {each.digest for each in version.run.inputs} & reads:
            versions.append(version)
        else:  # another file of its run
            runs.setdefault(version.run.id, version.run)
    newest = sorted(runs.values(), key=lambda run: (run.started_at, run.id), reverse=True)
    by_name = sorted(versions, key=lambda version: (version.model, version.number))
    return Content(digest, newest, by_name, sorted(makes | reads))


def _commit(workspace: Workspace, text: str) -> Commit | None:
    try:
        commit = workspace.repository.resolve_commit(text)
    except GitError:
        return None
    if commit is None:
        return None
    store = workspace.store
    return Commit(commit, store.marked_runs("commit", [commit]), store.marked_versions("commit", [commit]))


def _no_run(workspace: Workspace, text: str) -> NotFound:
    names = {run.name for run in workspace.store.find_runs(limit=1000, whole=False).runs} | set(
        workspace.store.models()
    )
    close = _close(text, names)
    return NotFound(f"no run matches {quoted(text)}", f"did you mean {close}?" if close else "mlcli ls")


def _close(text: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    return ", ".join(escaped(name) for name in get_close_matches(text, list(names), n=3, cutoff=0.6))
