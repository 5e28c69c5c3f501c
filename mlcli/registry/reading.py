"""What the registry says: models, where their versions stand, and who did what when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from msgspec import Struct

from ..chronicle import number_of, version_of_digest
from ..domain.history import Action, Event, Held, History, fold
from ..domain.model import ModelVersion, VersionState
from ..domain.names import check_name, quoted
from ..domain.ref import AliasRef, NewestVersion, Ref, StageRef, VersionRef, Word, parse
from ..domain.run import Run
from ..domain.source import Person
from ..domain.stage import Stage
from ..errors import InvalidRef, MlcliError, NotFound
from ..lookup import history_of, require_model, version_of, versions_of
from ..workspace import Workspace
from .saying import Said, said_of


class RegisteredModel(Struct, frozen=True, kw_only=True):
    """A registered name with its versions, oldest first, and its aliases: {alias: number}."""

    name: str
    versions: list[VersionState]
    aliases: dict[str, int] = {}

    def in_stage(self, stage: Stage) -> list[VersionState]:
        """The versions that stand in `stage`."""
        return [state for state in self.versions if state.stage is stage]


class State(Struct, frozen=True, kw_only=True):
    """Where a version stands, its aliases, and what was said of it."""

    stage: Stage
    aliases: list[str]
    said: Said


class Standing(Struct, frozen=True, kw_only=True):
    """What a name stood for at a time, and who put it there, when and why.

    `name` is a stage or an alias, `kind` says which; `number` is None where the version's is not known any more.
    """

    kind: str
    name: str
    number: int | None
    version: str
    since: datetime
    by: Person
    why: str = ""
    commit: str | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One line of a model's history: a registration, a transition, or what was said."""

    at: datetime
    by: Person
    version: int | None
    action: str
    from_stage: Stage | None = None
    to_stage: Stage | None = None
    archived: list[int] = []
    commit: str | None = None
    why: str = ""
    alias: str = ""
    tags: dict[str, str | None] = {}
    gates: dict[str, str] = {}
    forced: dict[str, str] = {}
    rollback: bool = False
    signed: bool = False
    digest: str = ""


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
    numbers = {version.digest: version.number for version in versions}
    return RegisteredModel(
        name=name,
        versions=[VersionState(version=v, stage=history.stage_of(v.digest)) for v in versions],
        aliases={alias: numbers[held] for alias, (held, _) in sorted(history.aliases.items()) if held in numbers},
    )


def stage_of(workspace: Workspace, version: ModelVersion, problems: list[MlcliError] | None = None) -> Stage:
    """Where a version stands now."""
    return history_of(workspace, version.model, problems).stage_of(version.digest)


def state_of(
    workspace: Workspace,
    version: ModelVersion,
    problems: list[MlcliError] | None = None,
    *,
    at: datetime | None = None,
) -> State:
    """Where a version stands now, or stood `at` a time, its aliases, and what was said of it."""
    if at is not None:
        history = fold(workspace.store.history(version.model).events, until=at)
    else:
        history = history_of(workspace, version.model, problems)
    return State(
        stage=history.stage_of(version.digest),
        aliases=history.aliases_of(version.digest),
        said=said_of(version, history),
    )


def versions_from(workspace: Workspace, run: Run, problems: list[MlcliError] | None = None) -> list[VersionState]:
    """The versions that were registered from a run."""
    found = workspace.store.marked_versions("run", [run.id])
    return [VersionState(version=version, stage=stage_of(workspace, version, problems)) for version in found]


def version_at(workspace: Workspace, text: str, at: datetime) -> ModelVersion:
    """The version that a ref named at that time; NotFound where it named none."""
    workspace.require_store()
    ref = parse(text)
    if isinstance(ref, Word):
        ref = NewestVersion(ref.text)
    if not isinstance(ref, VersionRef | StageRef | AliasRef | NewestVersion):
        raise InvalidRef("only a model's versions, stages and aliases are told of another time", "as iris@production")
    require_model(workspace, ref.model)
    whole = workspace.store.history(ref.model)
    version = _named_then(workspace, ref, whole, fold(whole.events, until=at), at)
    if version is None or version.registered_at > at:
        raise NotFound(f"{quoted(text)} named no version at {at:%Y-%m-%d %H:%M} UTC", f"mlcli history {ref.model}")
    return version


def _named_then(workspace: Workspace, ref: Ref, whole: History, then: History, at: datetime) -> ModelVersion | None:
    if isinstance(ref, VersionRef):
        return version_of(workspace, ref)
    if isinstance(ref, NewestVersion):
        there = [v for v in versions_of(workspace, [ref.model]) if v.registered_at <= at]
        return there[-1] if there else None
    if isinstance(ref, AliasRef):
        held = then.aliases.get(ref.alias, (None, ""))[0]
    elif isinstance(ref, StageRef) and ref.stage.exclusive:
        held = then.holders.get(ref.stage, (None, ""))[0]
    else:
        raise InvalidRef("a time is asked for what one version holds: Staging, Production or an alias", "mlcli history")
    if held is None:
        return None
    found = version_of_digest(workspace, ref.model, whole, whole.now(held))
    if found is None:
        raise NotFound(f"the version that it named then is not here any more ({held[7:19]})", "mlcli restore")
    return found


def standing_at(workspace: Workspace, name: str, at: datetime) -> list[Standing]:
    """What each stage and alias of a model stood for at that time, and who put it there."""
    workspace.require_store()
    require_model(workspace, check_name(name, "model"))
    whole = workspace.store.history(name)
    then = fold(whole.events, until=at)
    events = {event.digest: event for event in then.events}
    names: list[tuple[str, str, Held]] = [("stage", stage.value, held) for stage, held in then.holders.items()]
    names += [("alias", alias, held) for alias, held in sorted(then.aliases.items())]
    told = []
    for kind, stood, (version, event) in names:
        if version is None:
            continue
        put = events[event]
        number = number_of(workspace, name, whole, whole.now(version)) or put.number
        told.append(
            Standing(
                kind=kind,
                name=stood,
                number=number,
                version=version,
                since=put.at,
                by=put.by,
                why=put.why,
                commit=put.commit,
            )
        )
    return sorted(told, key=lambda each: (each.kind != "stage", each.name != "production", each.name))


def history(workspace: Workspace, name: str, problems: list[MlcliError] | None = None) -> list[Entry]:
    """A model's history, newest first: who registered and moved what, when, why, at which commit, and what was said."""
    workspace.require_store()
    require_model(workspace, check_name(name, "model"))
    told = _whole(workspace, name, problems)
    versions = {version.digest: version for version in versions_of(workspace, [name], problems)}
    numbers = told.numbers | {digest: version.number for digest, version in versions.items()}
    numbers |= {old: numbers[told.now(old)] for old in told.renamed if told.now(old) in numbers}
    # The registration of versions of before is no event; of the others, why is in the version alone.
    before = [_registration(each) for digest, each in versions.items() if digest not in told.registered]
    entries = []
    for event in told.events:
        version = versions.get(told.now(event.version)) if event.action is Action.REGISTERED else None
        entries.append(_registration(version) if version else _entry(event, numbers))
    return _newest_first(before, entries)


def _whole(workspace: Workspace, name: str, problems: list[MlcliError] | None) -> History:
    """A model's history with its events; where one cannot be read and `problems` takes that, what its names say."""
    try:
        return workspace.store.history(name)
    except MlcliError:
        return history_of(workspace, name, problems)


def _newest_first(registrations: Sequence[Entry], events: Sequence[Entry]) -> list[Entry]:
    """Newest first by the clock, but nothing before what came before it: clocks are set back."""
    registered: dict[int | None, datetime] = {}
    placed: list[tuple[datetime, int, Entry]] = []
    for row in (registrations, events):
        latest = datetime.min.replace(tzinfo=timezone.utc)
        for entry in row:
            latest = max(latest, entry.at, registered.get(entry.version, entry.at))
            placed.append((latest, len(placed), entry))
            if row is registrations:
                registered[entry.version] = latest
    return [entry for _, _, entry in sorted(placed, key=lambda each: each[:2], reverse=True)]


def _registration(version: ModelVersion) -> Entry:
    return Entry(
        at=version.registered_at,
        by=version.registered_by,
        version=version.number,
        action=Action.REGISTERED.value,
        commit=version.commit,
        why=version.why,
        digest=version.digest,
    )


def _entry(event: Event, numbers: dict[str, int]) -> Entry:
    registered = event.action is Action.REGISTERED
    return Entry(
        at=event.at,
        by=event.by,
        version=event.number or numbers.get(event.version),
        action=event.action.value,
        from_stage=None if registered else event.from_stage,
        to_stage=None if registered else event.to_stage,
        archived=[numbers[digest] for digest in event.archived if digest in numbers],
        commit=event.commit,
        why=event.why,
        alias=event.alias,
        tags=event.tags,
        gates=event.gates,
        forced=event.forced,
        rollback=event.rollback,
        signed=bool(event.signature),
        digest=event.version if registered else event.digest,
    )
