"""The next event of a model's history, and the small files that say by name what the events add up to.

Whoever calls holds `store.changing(model)`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from .domain.history import Action, Event, Held, History, Holder
from .domain.model import ModelVersion
from .domain.stage import Stage
from .domain.values import kept_reason
from .errors import Corrupt, MlcliError
from .workspace import Workspace


def tell(
    workspace: Workspace,
    version: ModelVersion,
    action: Action,
    history: History,
    *,
    why: str = "",
    to_stage: Stage | None = None,
    sign: bool = False,
    **said: Any,
) -> Event:
    """Append what happened to a version, by the git user, now, at HEAD; its parents are all heads of `history`.

    It is signed where `sign` or the settings ask. `said` are further fields of the event.
    """
    event = drafted(workspace, version, action, history, why=why, to_stage=to_stage, **said)
    if sign or workspace.settings.sign == "yes":
        event = replace(event, signature=workspace.sign(workspace.store.body_digest(event)))
    return workspace.store.add_event(event)


def announced(workspace: Workspace, version: ModelVersion, history: History) -> ModelVersion:
    """The version, with the event that tells of its registration, also where a command was killed before it could."""
    if version.digest not in history.registered:
        tell(workspace, version, Action.REGISTERED, history, number=version.number)  # why is in the version alone
    return version


def drafted(
    workspace: Workspace,
    version: ModelVersion,
    action: Action,
    history: History,
    *,
    why: str = "",
    to_stage: Stage | None = None,
    **said: Any,
) -> Event:
    """The event that `tell` would append, unsigned."""
    stage = history.stage_of(version.digest)
    said.setdefault("commit", workspace.head())
    return Event(
        model=version.model,
        version=version.digest,
        from_stage=stage,
        to_stage=stage if to_stage is None else to_stage,
        parents=history.heads,
        at=workspace.now(),
        by=workspace.person(),
        why=kept_reason(why),
        action=action,
        **said,
    )


def restate(workspace: Workspace, model: str, history: History) -> list[str]:
    """Let each name's file say what the history says, also where a command was killed before it could; which changed.

    A name whose version is not here stays as it is.
    """
    store, changed = workspace.store, []
    for stage, held in history.holders.items():
        holder = _to_say(workspace, model, history, held, partial(store.holder, model, stage))
        if holder is not None:
            store.set_holder(model, stage, holder)
            changed.append(stage.value)
    for alias, held in history.aliases.items():
        holder = _to_say(workspace, model, history, held, partial(store.alias, model, alias))
        if holder is not None:
            store.set_alias(model, alias, holder)
            changed.append(alias)
    return changed


def _to_say(
    workspace: Workspace, model: str, history: History, held: Held, said: Callable[[], Holder | None]
) -> Holder | None:
    """What a name's file has to say; None where it says so already, or cannot."""
    version, event = held
    try:
        there = said()
    except Corrupt:
        there = None
    agrees = there is not None and there.version == version
    if there is not None and agrees and (version is None or _is(workspace, model, there.number, version)):
        return None
    number = number_of(workspace, model, history, version) if version else None
    return None if version and number is None else Holder(number=number, version=version, event=event)


def number_of(workspace: Workspace, model: str, history: History, digest: str) -> int | None:
    """The number that the version of that digest has here; None where it is not here."""
    found = version_of_digest(workspace, model, history, digest)
    return found.number if found else None


def version_of_digest(workspace: Workspace, model: str, history: History, digest: str) -> ModelVersion | None:
    """The version of that digest, read by the number that the history gave it; None where it is not here."""
    store = workspace.store
    if (told := history.numbers.get(digest)) is not None:
        with suppress(MlcliError):
            version = store.version(model, told)
            if version.digest == digest:
                return version
    return next(iter(store.marked_versions("version", [digest], models=[model])), None)


def _is(workspace: Workspace, model: str, number: int | None, digest: str) -> bool:
    try:
        return number is not None and workspace.store.version(model, number).digest == digest
    except MlcliError:
        return False
