"""The registry: register a run's model under a name, move its versions between stages, tell their history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from msgspec import Struct
from msgspec.structs import replace

from .domain.history import Event, History, Holder, fold
from .domain.model import ModelVersion
from .domain.names import check_name, quoted
from .domain.query import Both, Compare, Negated
from .domain.ref import RunArtifact, parse_artifact
from .domain.run import Run, RunStatus
from .domain.source import Person
from .domain.stage import Stage
from .domain.values import kept_reason
from .errors import Corrupt, InvalidName, MlcliError, NotFound, Refused
from .lookup import find_run, find_version, history_of, require_model, versions_of
from .workspace import Workspace


class Registered(Struct, frozen=True, kw_only=True):
    """A registration: the version, and whether it was made now or was there before (`--once`)."""

    version: ModelVersion
    made: bool


class Promoted(Struct, frozen=True, kw_only=True):
    """A transition: what moved from where to where, what it replaced, and whether it was made now."""

    version: ModelVersion
    from_stage: Stage
    to_stage: Stage
    archived: list[ModelVersion]
    replaced: ModelVersion | None = None
    made: bool


class VersionState(Struct, frozen=True, kw_only=True):
    """A version and where it stands."""

    version: ModelVersion
    stage: Stage


class RegisteredModel(Struct, frozen=True, kw_only=True):
    """A registered name with its versions, oldest first."""

    name: str
    versions: list[VersionState]

    def in_stage(self, stage: Stage) -> list[VersionState]:
        """The versions that stand in `stage`."""
        return [state for state in self.versions if state.stage is stage]


class Entry(Struct, frozen=True, kw_only=True):
    """One line of a model's history: a registration or a transition."""

    at: datetime
    by: Person
    version: int | None
    action: str
    from_stage: Stage | None = None
    to_stage: Stage | None = None
    archived: list[int] = []
    commit: str | None = None
    why: str = ""
    digest: str = ""


def register(
    workspace: Workspace,
    model: str,
    run_text: str | None = None,
    *,
    artifact: str | None = None,
    why: str = "",
    once: bool = False,
    pushed: bool = False,
) -> Registered:
    """Register an artifact of a run as the next version of `model`.

    With no run the newest that has a model is taken; with one model in the run no artifact need be named. What is
    registered already is not registered again: Refused, or with `once` that version. With `pushed`, or where the
    settings require it, a run whose commit no remote has is Refused.
    """
    check_name(model, "model")
    workspace.require_store()
    run, path = _run_and_path(workspace, run_text, artifact)
    if run.status in {RunStatus.FAILED, RunStatus.KILLED}:
        raise Refused(
            f"run {run.id[:8]} {_ended(run)}: its model is not registered", "mlcli ls \"status = 'finished'\""
        )
    if pushed or workspace.settings.require_pushed == "yes":
        _refuse_unpushed(workspace, run)
    for file in run.files_of(path):
        workspace.store.content_path(file)
    version = ModelVersion(
        model=model,
        number=0,
        path=path,
        run=replace(run, process=None),
        registered_at=workspace.now(),
        registered_by=workspace.person(),
        commit=workspace.head(),
        why=kept_reason(why),
    )
    with workspace.store.changing(model):
        twin = _twin(workspace, version)
        if twin is not None and not once:
            raise Refused(
                f"{twin.ref} is {quoted(path)} of run {run.id[:8]} already", "mlcli register --once … accepts that"
            )
        if twin is not None:
            return Registered(version=twin, made=False)
        _refuse_case_twin(workspace, model)
        git = replace(run.git, patch_id=workspace.patch_id(run.git.commit))
        version = replace(version, run=replace(version.run, git=git))
        return Registered(version=workspace.store.add_version(version, above=_last_number(workspace, model)), made=True)


def _refuse_unpushed(workspace: Workspace, run: Run) -> None:
    """Refused where nobody else could get the code that a run came from."""
    short = (run.git.commit or "")[:7]
    if run.git.dirty or run.git.commit is None:
        told = run.git.reason if run.git.commit is None else "it was not committed"
        raise Refused(f"the code of run {run.id[:8]} is not pushed: {told}", "commit, push, then run again")
    if not workspace.is_pushed(run.git.commit):
        raise Refused(f"the code of run {run.id[:8]} is not pushed: no remote has commit {short}", "git push")


def _last_number(workspace: Workspace, model: str) -> int:
    """The greatest number that a version of the model ever had, so that none is used again."""
    try:
        noted = [event.number or 0 for event in workspace.store.history(model).events]
    except MlcliError:
        noted = []  # a damaged history is told by check and doctor
    return max([0, *noted, *workspace.numbers_in_git(model)])


def _ended(run: Run) -> str:
    return "failed" if run.status is RunStatus.FAILED else "was killed"


def _run_and_path(workspace: Workspace, run_text: str | None, artifact: str | None) -> tuple[Run, str]:
    if run_text is None:
        run = _newest_with_model(workspace)
    else:
        ref = parse_artifact(run_text)
        if isinstance(ref, RunArtifact):
            run_text, artifact = ref.run, artifact or ref.path
        run = find_run(workspace, run_text)
    return run, _artifact_path(run, artifact)


def _newest_with_model(workspace: Workspace) -> Run:
    with_model = Both(Negated(Compare(("model",), "isnull", None)), Compare(("status",), "in", ("finished", "running")))
    with_model = Both(with_model, Compare(("reproduces",), "isnull", None))
    for run in workspace.store.find_runs(with_model, limit=1).runs:
        return run
    raise NotFound(
        "no finished run has a model",
        "log one: mlcli.sklearn.log_model(model, 'model'); or register a file: RUN:FILE, as @:model.bin",
    )


def _artifact_path(run: Run, artifact: str | None) -> str:
    if artifact is not None:
        path = artifact.strip("/")
        if not run.files_of(path):
            there = ", ".join(quoted(file.path) for file in run.artifacts[:5]) or "none"
            raise NotFound(
                f"run {run.id[:8]} has no artifact {quoted(artifact)}; it has {there}", f"mlcli show {run.id[:8]}"
            )
        return path
    if len(run.models) == 1:
        return run.models[0].path
    if run.models:
        paths = ", ".join(model.path for model in run.models)
        raise NotFound(
            f"run {run.id[:8]} has {len(run.models)} models: {paths}", f"name one, as {run.id[:8]}:{run.models[0].path}"
        )
    if len(run.artifacts) == 1:
        return run.artifacts[0].path
    raise NotFound(
        f"run {run.id[:8]} has no model", "log one with mlcli.sklearn.log_model, or name one of its files: RUN:FILE"
    )


def _twin(workspace: Workspace, version: ModelVersion) -> ModelVersion | None:
    for number in workspace.store.version_numbers(version.model):
        other = workspace.store.version(version.model, number)
        same_files = {f.digest for f in other.files} == {f.digest for f in version.files}
        if other.run.id == version.run.id and other.path == version.path and same_files:
            return other
    return None


def _refuse_case_twin(workspace: Workspace, model: str) -> None:
    for other in workspace.store.models():
        if other != model and other.lower() == model.lower():
            raise InvalidName(
                f"{quoted(model)} and the model {quoted(other)} differ in case only, which not every system can keep",
                f"mlcli register {other} …",
            )


def promote(
    workspace: Workspace, version_text: str, stage_text: str, *, why: str = "", keep: bool = False, once: bool = False
) -> Promoted:
    """Move a version to a stage: one event is appended, and the version it replaces there is archived unless `keep`.

    `None` and `Archived` take a version out of service. A version that stands there already is Refused, or accepted
    with `once`, as is one in Production that was to be in Staging; where branches moved the model apart, it is said
    again, which settles them.
    """
    stage = Stage.parse(stage_text)
    store = workspace.store
    version = find_version(workspace, version_text)
    with store.changing(version.model):
        history = store.history(version.model)
        before = history.stage_of(version.digest)
        further = once and (before, stage) == (Stage.PRODUCTION, Stage.STAGING)  # a Makefile's line, run again
        if (before is stage or further) and len(history.heads) < 2:
            if not once:
                raise Refused(f"{version.ref} is in {stage} already", "mlcli promote --once … accepts that")
            _name_holders(workspace, version, history)
            return Promoted(version=version, from_stage=before, to_stage=before, archived=[], made=False)
        standing = _standing(workspace, version, history, stage)
        event = store.add_event(
            Event(
                model=version.model,
                version=version.digest,
                from_stage=before,
                to_stage=stage,
                archived=[] if keep else [other.digest for other in standing],
                parents=history.heads,
                at=workspace.now(),
                by=workspace.person(),
                commit=workspace.head(),
                why=kept_reason(why),
            )
        )
        _name_holders(workspace, version, fold([*history.events, event]))
    return Promoted(
        version=version,
        from_stage=before,
        to_stage=stage,
        archived=[] if keep else standing,
        replaced=standing[-1] if standing else None,
        made=True,
    )


def _standing(workspace: Workspace, version: ModelVersion, history: History, stage: Stage) -> list[ModelVersion]:
    """The versions that stand in an exclusive stage now; the one that holds its name comes last."""
    if not stage.exclusive:
        return []
    store = workspace.store
    versions = [store.version(version.model, number) for number in store.version_numbers(version.model)]
    held = history.holders.get(stage, (None, ""))[0]
    standing = [
        other for other in versions if history.stage_of(other.digest) is stage and other.digest != version.digest
    ]
    return sorted(standing, key=lambda other: other.digest == held)


def _name_holders(workspace: Workspace, version: ModelVersion, history: History) -> None:
    """Let each stage's file say what the history says, also where a promotion was killed before it could."""
    store = workspace.store
    for stage, (held, event) in history.holders.items():
        try:
            said = store.holder(version.model, stage)
        except Corrupt:
            said = None
        if said is not None and said.version == held:
            continue
        number = version.number if held == version.digest else _number_of(workspace, version.model, held)
        if held is None or number is not None:
            store.set_holder(version.model, stage, Holder(number=number, version=held, event=event))


def _number_of(workspace: Workspace, model: str, digest: str | None) -> int | None:
    numbers = reversed(workspace.store.version_numbers(model)) if digest else ()
    return next((number for number in numbers if workspace.store.version(model, number).digest == digest), None)


def models(workspace: Workspace, problems: list[MlcliError] | None = None) -> list[RegisteredModel]:
    """Every registered model with its versions and where they stand.

    Here and below `problems` takes what cannot be read, which is raised otherwise.
    """
    workspace.require_store()
    found = [_model(workspace, name, problems) for name in workspace.store.models()]
    return [model for model in found if model.versions]


def registered_model(workspace: Workspace, name: str, problems: list[MlcliError] | None = None) -> RegisteredModel:
    """One registered model; NotFound where there is none of that name."""
    workspace.require_store()
    require_model(workspace, check_name(name, "model"))
    return _model(workspace, name, problems)


def _model(workspace: Workspace, name: str, problems: list[MlcliError] | None) -> RegisteredModel:
    history = history_of(workspace, name, problems)
    versions = versions_of(workspace, [name], problems)
    return RegisteredModel(
        name=name, versions=[VersionState(version=v, stage=history.stage_of(v.digest)) for v in versions]
    )


def stage_of(workspace: Workspace, version: ModelVersion, problems: list[MlcliError] | None = None) -> Stage:
    """Where a version stands now."""
    return history_of(workspace, version.model, problems).stage_of(version.digest)


def versions_from(workspace: Workspace, run: Run, problems: list[MlcliError] | None = None) -> list[VersionState]:
    """The versions that were registered from a run."""
    found = [version for version in versions_of(workspace, problems=problems) if version.run.id == run.id]
    return [VersionState(version=version, stage=stage_of(workspace, version, problems)) for version in found]


def history(workspace: Workspace, name: str, problems: list[MlcliError] | None = None) -> list[Entry]:
    """A model's history, newest first: who registered and moved what, when, why, at which commit."""
    model = registered_model(workspace, name, problems)
    numbers = {state.version.digest: state.version.number for state in model.versions}
    entries = [_registration(state.version) for state in model.versions]
    # What is wrong with it was told when the model was read.
    told = history_of(workspace, name, None if problems is None else [])
    numbers |= {old: numbers[told.now(old)] for old in told.renamed if told.now(old) in numbers}
    entries += [_transition(event, numbers) for event in told.events]
    return _newest_first(entries)


def _newest_first(entries: Sequence[Entry]) -> list[Entry]:
    """Newest first by the clock, but nothing before what came before it: clocks are set back."""
    registered: dict[int | None, datetime] = {}
    row = dict.fromkeys(("registered", ""), datetime.min.replace(tzinfo=timezone.utc))
    placed = []
    for order, entry in enumerate(entries):
        kind = entry.action if entry.action == "registered" else ""
        row[kind] = max(row[kind], entry.at, registered.get(entry.version, entry.at))
        if kind:
            registered[entry.version] = row[kind]
        placed.append((row[kind], order, entry))
    return [entry for _, _, entry in sorted(placed, key=lambda each: each[:2], reverse=True)]


def _registration(version: ModelVersion) -> Entry:
    return Entry(
        at=version.registered_at,
        by=version.registered_by,
        version=version.number,
        action="registered",
        commit=version.commit,
        why=version.why,
        digest=version.digest,
    )


def _transition(event: Event, numbers: dict[str, int]) -> Entry:
    archived: Sequence[int] = [numbers[digest] for digest in event.archived if digest in numbers]
    return Entry(
        at=event.at,
        by=event.by,
        version=numbers.get(event.version, event.number),
        action=event.action.value,
        from_stage=event.from_stage,
        to_stage=event.to_stage,
        archived=list(archived),
        commit=event.commit,
        why=event.why,
        digest=event.digest,
    )
