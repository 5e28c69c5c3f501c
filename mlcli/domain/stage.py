"""Stages and the history of a registered model: immutable events, folded to what stands where now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct

from ..errors import UnknownStage
from .names import quoted
from .source import Person


class Stage(str, Enum):
    """Where a version stands. Staging and Production are held by one version at a time."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"

    def __str__(self) -> str:
        return self.value.capitalize()

    @property
    def exclusive(self) -> bool:
        """Whether one version at a time holds it, so that it can be asked for: iris@production."""
        return self in {Stage.STAGING, Stage.PRODUCTION}

    @classmethod
    def parse(cls, text: str) -> Stage:
        """The stage of that name in any case; UnknownStage lists the valid ones."""
        try:
            return cls(text.lower())
        except ValueError:
            raise UnknownStage(
                f"{quoted(text)} is no stage", f"stages are {', '.join(str(stage) for stage in cls)}"
            ) from None


class Action(str, Enum):
    """What an event did to its version: moved it to a stage, removed or restored it, or took a value out of it."""

    MOVED = "moved"
    REMOVED = "removed"
    RESTORED = "restored"
    SCRUBBED = "scrubbed"

    def __str__(self) -> str:
        return self.value


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened to one version, named by the digest of its content.

    `version` is the version document's digest, `archived` the digests of the versions it replaced, `parents` the
    heads of the model's history that its writer saw. Whoever removes a version notes its `number`, so that no other
    is ever given it. Where a value was taken out of a version, `replaces` is the digest that its document had before.
    """

    model: str
    version: str
    from_stage: Stage
    to_stage: Stage
    archived: list[str] = []
    parents: list[str] = []
    at: datetime
    by: Person
    commit: str | None = None
    why: str = ""
    action: Action = Action.MOVED
    number: int | None = None
    replaces: str = ""
    digest: str = ""


class Holder(Struct, frozen=True, kw_only=True):
    """What a stage's name says: the version that holds it (None: nobody any more) and the event that put it there."""

    number: int | None
    version: str | None
    event: str


class History(Struct, frozen=True, kw_only=True):
    """The state that a model's events add up to, in the order they happened.

    `renamed` leads from the digest of a document out of which a value was taken to the one it has since.
    """

    events: list[Event]
    stages: dict[str, Stage]
    holders: dict[Stage, tuple[str | None, str]]
    heads: list[str]
    renamed: dict[str, str] = {}

    def now(self, version: str) -> str:
        """The digest that the version of that digest has by now."""
        return _latest(self.renamed, version)

    def stage_of(self, version: str) -> Stage:
        """Where the version of that digest stands."""
        return self.stages.get(version, Stage.NONE)

    def is_removed(self, version: str) -> bool:
        """Whether the last that happened to the version of that digest is that it was removed."""
        told = [
            event.action
            for event in self.events
            if self.now(event.version) == version and event.action is not Action.SCRUBBED
        ]
        return bool(told) and told[-1] is Action.REMOVED


def fold(events: Iterable[Event]) -> History:
    """Order events so that each comes after its parents, and add them up. The same set gives the same answer."""
    ordered = _ordered({event.digest: event for event in events})
    stages: dict[str, Stage] = {}
    holders: dict[Stage, tuple[str | None, str]] = {}
    renamed: dict[str, str] = {}
    for event in ordered:
        if event.action is Action.SCRUBBED:
            _rename(event, stages, holders, renamed)
        if event.action is not Action.MOVED:
            continue
        moved, archived = _latest(renamed, event.version), [_latest(renamed, each) for each in event.archived]
        for version in archived:
            stages[version] = Stage.ARCHIVED
        stages[moved] = event.to_stage
        for stage, (version_held, _) in list(holders.items()):
            if version_held == moved or version_held in archived:
                holders[stage] = (None, event.digest)
        if event.to_stage.exclusive:
            holders[event.to_stage] = (moved, event.digest)
    seen = {parent for event in ordered for parent in event.parents}
    heads = [event.digest for event in ordered if event.digest not in seen]
    return History(events=ordered, stages=stages, holders=holders, heads=heads, renamed=renamed)


def _rename(
    event: Event,
    stages: dict[str, Stage],
    holders: dict[Stage, tuple[str | None, str]],
    renamed: dict[str, str],
) -> None:
    """Let the version stand under its new digest where it stood under the one before."""
    before = _latest(renamed, event.replaces)
    if before == event.version:
        return
    renamed[before] = event.version
    if before in stages:
        stages[event.version] = stages.pop(before)
    for stage, (held, _) in list(holders.items()):
        if held == before:
            holders[stage] = (event.version, event.digest)


def _latest(renamed: Mapping[str, str], version: str) -> str:
    seen = {version}
    while (after := renamed.get(version)) is not None and after not in seen:
        version = after
        seen.add(version)
    return version


def _ordered(events: dict[str, Event]) -> list[Event]:
    waiting = {digest: {p for p in event.parents if p in events and p != digest} for digest, event in events.items()}
    children: dict[str, list[str]] = {digest: [] for digest in events}
    for digest, parents in waiting.items():
        for parent in parents:
            children[parent].append(digest)
    depth = {digest: 1 for digest, parents in waiting.items() if not parents}
    ready = list(depth)
    while ready:
        digest = ready.pop()
        for child in children[digest]:
            depth[child] = max(depth.get(child, 0), depth[digest] + 1)
            waiting[child].discard(digest)
            if not waiting[child]:
                ready.append(child)
    # Events that name each other as parents, which no digest allows, would come last.
    last = len(events) + 1
    at = {digest: last if waiting[digest] else depth[digest] for digest in events}
    return sorted(events.values(), key=lambda event: (at[event.digest], event.at, event.digest))
