"""Whether a model's history is whole, and every name that it has says what the history says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial

from ..domain.checked import Recorded
from ..domain.history import Action, Event, Holder
from ..domain.names import quoted, sounding
from ..domain.stage import Stage
from ..errors import MlcliError
from ..workspace import Workspace
from .finding import Finding, damage, doubt, fault

AHEAD = timedelta(minutes=5)
_FIX = "mlcli doctor --fix"


def check_names(workspace: Workspace, model: str, recorded: Recorded | None = None) -> list[Finding]:
    """Whether a model's history is whole and settled, and its names and numbers say what it says."""
    recorded = recorded or workspace.store.recorded(model)
    return [
        *_unsettled(recorded),
        *_missing_events(workspace, recorded),
        *_missing_versions(recorded),
        *_numbers(recorded),
        *_holders(workspace, recorded),
    ]


def name_twins(workspace: Workspace, models: Sequence[str]) -> list[Finding]:
    """Names of models that are one name on systems that tell neither case nor Unicode's spellings apart."""
    every = sorted({*workspace.store.models(), *workspace.store.histories(), *models})
    alike: dict[str, list[str]] = {}
    for model in every:
        alike.setdefault(sounding(model), []).append(model)
    return [
        fault(
            "name-twins",
            twins[-1],
            f"{', '.join(map(quoted, twins))} are one name on systems that ignore case or Unicode's spelling",
            f"keep one: mlcli register {twins[0]} …; mlcli rm the versions of the other",
        )
        for twins in alike.values()
        if len(twins) > 1 and not set(models).isdisjoint(twins)
    ]


def _ref(recorded: Recorded, version: str) -> str:
    """How a version is typed, also one that is not here."""
    now = recorded.history.now(version)
    if now in recorded.refs:
        return recorded.refs[now]
    number = recorded.history.numbers.get(now)
    return f"{recorded.model}@{number}" if number else f"version {now[7:19]}"


def _unsettled(recorded: Recorded) -> Iterator[Finding]:
    """Names that branches gave apart and that nobody gave since."""
    history, model = recorded.history, recorded.model
    events = {event.digest: event for event in history.events} if history.torn else {}
    for (kind, name), digests in history.torn.items():
        said = list(dict.fromkeys(_said(recorded, kind, name, events[digest]) for digest in digests))
        told = " and ".join(said)
        takers = [each for each in said if each.startswith(f"{model}@")] or [f"{model}@N"]
        if kind == "version":
            ref = _ref(recorded, name)
            message = f"branches moved it to {told}"
            yield fault("unsettled", ref, message, f"mlcli promote {ref} {said[-1].lower()}")
        else:
            verb = "promote" if kind == "stage" else "alias"
            hint = ", or ".join(f"mlcli {verb} {taker} {name}" for taker in takers)
            yield fault("unsettled", f"{model}@{name}", f"branches gave it to {told}", hint)


def _said(recorded: Recorded, kind: str, name: str, event: Event) -> str:
    """What one event says of a name: the version that has it, or the stage that a version went to."""
    is_taker = event.action is Action.ALIASED if kind == "alias" else event.to_stage.value == name
    if kind == "version":
        is_itself = recorded.history.now(event.version) == recorded.history.now(name)
        return str(event.to_stage if is_itself else Stage.ARCHIVED)
    return _ref(recorded, event.version) if is_taker else "nobody"


def _missing_events(workspace: Workspace, recorded: Recorded) -> Iterator[Finding]:
    """Events that others name as what came before them, and that are not here."""
    events, model = recorded.history.events, recorded.model
    known = {event.digest for event in events} | recorded.damaged
    gone = sorted({parent for event in events for parent in event.parents} - known)
    if gone:
        names = "an event that is" if len(gone) == 1 else f"{len(gone)} events that are"
        message = f"its history names {names} missing, as {gone[0][7:19]}"
        yield fault("event-missing", model, message, _where_it_is(workspace, model, gone[0]))


def _where_it_is(workspace: Workspace, model: str, event: str) -> str:
    """How to get an event back: from the branch that has it, as after a cherry-pick of the event after it."""
    events = f".mlruns/models/{model}/events"
    path = f"{events}/{event.removeprefix('sha256:')}.json"
    branch = workspace.branch_with(path)
    return f"git checkout {branch} -- {events}" if branch else f"git log --all -- {path}"


def check_times(workspace: Workspace, recorded: Recorded) -> Iterator[Finding]:
    """Whether anything happened later than now, by more than clocks differ."""
    limit = workspace.now() + AHEAD
    told = "clocks differ, or a date was made up"
    for version in recorded.versions:
        if version.registered_at > limit:
            message = f"it was registered in the future, at {version.registered_at:%Y-%m-%d %H:%M} UTC: {told}"
            yield doubt("event-future", version.ref, message, "date -u; timedatectl")
    for event in recorded.history.events:
        if event.at > limit:
            message = f"it was {event.action} in the future, at {event.at:%Y-%m-%d %H:%M} UTC: {told}"
            yield doubt("event-future", _ref(recorded, event.version), message, "date -u; timedatectl")


def _missing_versions(recorded: Recorded) -> Iterator[Finding]:
    if recorded.lost:  # one that cannot be read is told as that, and may be the one
        return
    history, model = recorded.history, recorded.model
    named = {history.now(event.version) for event in history.events}
    gone = sorted(version for version in named - recorded.refs.keys() if not history.is_removed(version))
    if gone:
        versions = "a version that is" if len(gone) == 1 else f"{len(gone)} versions that are"
        message = f"its history names {versions} missing, as {_ref(recorded, gone[0])}"
        where = f".mlruns/models/{model}"
        hint = f"mlcli doctor --fix; where only a part is staged, git add {where}"
        yield fault("version-missing", model, message, hint)


def _numbers(recorded: Recorded) -> Iterator[Finding]:
    """Versions that lie under another number than they were given, or that no event gave theirs."""
    history = recorded.history
    began = min((event.at for event in history.events if event.action is Action.REGISTERED), default=None)
    for version in recorded.versions:
        number = history.numbers.get(version.digest)
        if number is not None and number != version.number:
            message = f"its history gave it the number {number}"
            yield fault("number-disagrees", version.ref, message, _FIX)
        # One that was registered before numbers were noted has no such event; nor has one whose event is damaged.
        unnoted = began is not None and version.registered_at > began and version.digest not in history.registered
        if unnoted and not recorded.damaged:
            yield fault("unregistered", version.ref, "its history does not tell of its registration", _FIX)


def _holders(workspace: Workspace, recorded: Recorded) -> Iterator[Finding]:
    """Stages and aliases whose files do not say what the history says."""
    store, model, history = workspace.store, recorded.model, recorded.history
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        said = partial(store.holder, model, stage)
        yield from _holder(recorded, "stage", stage.value, said, history.holders.get(stage))
    for alias in sorted({*store.aliases(model), *history.aliases}):
        yield from _holder(recorded, "alias", alias, partial(store.alias, model, alias), history.aliases.get(alias))


def _holder(
    recorded: Recorded, kind: str, name: str, said: partial[Holder | None], held: tuple[str | None, str] | None
) -> Iterable[Finding]:
    subject = f"{recorded.model}@{name}"
    try:
        holder = said()
    except MlcliError as error:
        return [damage(subject, error)]
    if holder is not None and holder.event in recorded.damaged:  # what it follows from is told as that
        return []
    version = held[0] if held else None
    fits = (
        version is None
        or holder is None
        or holder.number in recorded.lost
        or recorded.refs.get(version) == f"{recorded.model}@{holder.number}"
    )
    if (holder.version if holder else None) == version and fits:
        return []
    article = "the stage's" if kind == "stage" else "the alias's"
    return [fault(f"{kind}-disagrees", subject, f"{article} file does not say what the history says", _FIX)]
