"""The history of a registered model: immutable events, folded to what stands where now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct

from .descent import Descent, chain, ordered
from .source import Person
from .stage import Stage


class Action(str, Enum):
    """What an event did to its version, or said of it."""

    MOVED = "moved"
    REMOVED = "removed"
    RESTORED = "restored"
    SCRUBBED = "scrubbed"
    REGISTERED = "registered"
    RENUMBERED = "renumbered"
    ALIASED = "aliased"
    UNALIASED = "unaliased"
    APPROVED = "approved"
    UNAPPROVED = "unapproved"
    NOTED = "noted"
    TAGGED = "tagged"

    def __str__(self) -> str:
        return self.value


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened to one version, named by the digest of its content.

    `version` is the version document's digest, `archived` the digests of the versions it replaced, `parents` the
    heads of the model's history that its writer saw. Whoever registers, renumbers or removes a version notes its
    `number`, so that no other is ever given it. Where a value was taken out of a version, `replaces` is the digest
    that its document had before. `gates` are the rules that a promotion passed, `forced` those that it did not and
    that were overridden, each with what was found. `rollback` is set where a version came back. `signature` is over
    the digest of the event without it. Of a note the text is `why`; a tag that is None was removed.
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
    alias: str = ""
    tags: dict[str, str | None] = {}
    gates: dict[str, str] = {}
    forced: dict[str, str] = {}
    rollback: bool = False
    signature: str = ""
    digest: str = ""


class Holder(Struct, frozen=True, kw_only=True):
    """What the name of a stage or an alias says: the version that has it (None: nobody) and the event that gave it."""

    number: int | None
    version: str | None
    event: str


Held = tuple[str | None, str]


class History(Struct, frozen=True, kw_only=True):
    """The state that a model's events add up to, in the order they happened.

    `holders` and `aliases` give for each name the digest of the version that has it (None: nobody) and the event that
    said so; `terms` all that held a stage, the last one now, without those that a rollback undid. `renamed` leads from
    the digest of a document out of which a value was taken to the one it has since. `numbers` are those that versions
    have, `last_number` the greatest that events gave. `torn` are names that branches gave apart, and the events that
    did: ("stage", production), ("alias", name) or ("version", digest) where branches moved it to different stages.
    `events` is empty where only their sum was asked for.
    """

    events: list[Event]
    stages: dict[str, Stage]
    holders: dict[Stage, Held]
    heads: list[str]
    renamed: dict[str, str] = {}
    aliases: dict[str, Held] = {}
    terms: dict[Stage, list[str]] = {}
    approvals: dict[str, dict[str, Event]] = {}
    notes: dict[str, str] = {}
    tags: dict[str, dict[str, str]] = {}
    numbers: dict[str, int] = {}
    registered: set[str] = set()
    last_number: int = 0
    torn: dict[tuple[str, str], list[str]] = {}

    def followed(self, event: Event) -> History:
        """What this adds up to with one event more, whose parents are all heads."""
        sum_ = _Sum(self)
        sum_.add(event)
        said = {name for name, _ in sum_.claims(event)}
        torn = {name: digests for name, digests in self.torn.items() if name not in said}
        return sum_.history([*self.events, event] if self.events else [], [event.digest], torn)

    def now(self, version: str) -> str:
        """The digest that the version of that digest has by now."""
        return _latest(self.renamed, version)

    def stage_of(self, version: str) -> Stage:
        """Where the version of that digest stands."""
        return self.stages.get(version, Stage.NONE)

    def is_removed(self, version: str) -> bool:
        """Whether the version of that digest was removed, and not brought back since."""
        told = [
            event.action
            for event in self.events
            if event.action in {Action.REMOVED, Action.RESTORED} and self.now(event.version) == version
        ]
        return bool(told) and told[-1] is Action.REMOVED

    def put_there(self, version: str) -> Event | None:
        """The event that put the version of that digest where it stands."""
        stage = self.stage_of(version)
        moves = (e for e in reversed(self.events) if e.action is Action.MOVED and e.to_stage is stage)
        return next((event for event in moves if self.now(event.version) == version), None)

    def aliases_of(self, version: str) -> list[str]:
        """The aliases that the version of that digest has, sorted."""
        return sorted(alias for alias, (held, _) in self.aliases.items() if held == version)

    def events_of(self, version: str) -> list[Event]:
        """What happened to the version of that digest, in order; also as one that was archived."""
        return [e for e in self.events if version in {self.now(e.version), *map(self.now, e.archived)}]


def fold(events: Iterable[Event], *, until: datetime | None = None) -> History:
    """Order events so that each comes after its parents, and add them up. The same set gives the same answer.

    With `until`, as if nothing had happened after that time.
    """
    told = {event.digest: event for event in events if until is None or event.at <= until}
    sum_ = _Sum()
    if (in_a_row := chain(told)) is not None:  # as most are
        for event in in_a_row:
            sum_.add(event)
        return sum_.history(in_a_row, [event.digest for event in in_a_row[-1:]], {})
    in_order, descent = ordered(told), Descent()
    for event in in_order:
        descent.add(event)
        sum_.add(event)
        for name, value in sum_.claims(event):
            descent.claim(event, name, value)
    heads = [event.digest for event in in_order if event.digest in descent.heads]
    return sum_.history(in_order, heads, descent.torn(lambda value: _latest(sum_.renamed, value)))


class _Sum:
    """What events add up to, one after the other."""

    def __init__(self, before: History | None = None) -> None:
        past = before or History(events=[], stages={}, holders={}, heads=[])
        self.stages = dict(past.stages)
        self.holders = dict(past.holders)
        self.renamed = dict(past.renamed)
        self.aliases = dict(past.aliases)
        self.terms = {stage: list(each) for stage, each in past.terms.items()}
        self.approvals = {version: dict(each) for version, each in past.approvals.items()}
        self.notes = dict(past.notes)
        self.tags = dict(past.tags)
        self.numbers = dict(past.numbers)
        self.registered = set(past.registered)
        self.last_number = past.last_number

    def history(self, events: list[Event], heads: list[str], torn: dict[tuple[str, str], list[str]]) -> History:
        """What was added up."""
        return History(
            events=events,
            stages=self.stages,
            holders=self.holders,
            heads=heads,
            renamed=self.renamed,
            aliases=self.aliases,
            terms=self.terms,
            approvals=self.approvals,
            notes=self.notes,
            tags=self.tags,
            numbers=self.numbers,
            registered=self.registered,
            last_number=self.last_number,
            torn=torn,
        )

    def add(self, event: Event) -> None:
        """Take up one event; its parents were."""
        version, action = _latest(self.renamed, event.version), event.action
        self.last_number = max(self.last_number, event.number or 0)
        if action is Action.SCRUBBED:
            self._rename(event)
        elif action is Action.MOVED:
            self._move(event, version)
        elif action is Action.ALIASED:
            self.aliases[event.alias] = (version, event.digest)
        elif action is Action.UNALIASED:
            self.aliases[event.alias] = (None, event.digest)
        elif action is Action.APPROVED:
            self.approvals.setdefault(version, {})[event.by.identity] = event
        elif action is Action.UNAPPROVED:
            self.approvals.get(version, {}).pop(event.by.identity, None)
        elif action is Action.NOTED:
            self.notes[version] = event.why
        elif action is Action.TAGGED:
            merged = {**self.tags.get(version, {}), **event.tags}
            self.tags[version] = {key: value for key, value in merged.items() if value is not None}
        elif event.number is not None and action in {Action.REGISTERED, Action.RENUMBERED}:
            self.numbers[version] = event.number
            if action is Action.REGISTERED:
                self.registered.add(version)

    def claims(self, event: Event) -> list[tuple[tuple[str, str], str]]:
        """The names that an event gave, and what each says since: a name that two branches gave apart is torn."""
        version = _latest(self.renamed, event.version)
        if event.action in {Action.ALIASED, Action.UNALIASED}:
            return [(("alias", event.alias), version if event.action is Action.ALIASED else "")]
        if event.action is not Action.MOVED:
            return []
        moved = {("version", _latest(self.renamed, each)): Stage.ARCHIVED.value for each in event.archived}
        moved["version", version] = event.to_stage.value
        if event.from_stage.exclusive:
            moved["stage", event.from_stage.value] = ""
        if event.to_stage.exclusive:
            moved["stage", event.to_stage.value] = version
        return list(moved.items())

    def _move(self, event: Event, version: str) -> None:
        archived = [_latest(self.renamed, each) for each in event.archived]
        for other in archived:
            self.stages[other] = Stage.ARCHIVED
        self.stages[version] = event.to_stage
        for stage, (held, _) in list(self.holders.items()):
            if held == version or held in archived:
                self.holders[stage] = (None, event.digest)
        if not event.to_stage.exclusive:
            return
        self.holders[event.to_stage] = (version, event.digest)
        terms = self.terms.setdefault(event.to_stage, [])
        if event.rollback and version in terms:
            del terms[len(terms) - terms[::-1].index(version) :]
        elif terms[-1:] != [version]:
            terms.append(version)

    def _rename(self, event: Event) -> None:
        """Let the version stand under its new digest where it stood under the one before."""
        before, now = _latest(self.renamed, event.replaces), event.version
        if before == now:
            return
        self.renamed[before] = now
        tables: tuple[dict[str, object], ...] = (self.stages, self.approvals, self.notes, self.tags, self.numbers)  # type: ignore[assignment]
        for table in tables:
            if before in table:
                table[now] = table.pop(before)
        if before in self.registered:
            self.registered.add(now)
        for names in (self.holders, self.aliases):
            for name, (held, _) in list(names.items()):
                if held == before:
                    names[name] = (now, event.digest)  # type: ignore[index]
        for terms in self.terms.values():
            terms[:] = [now if each == before else each for each in terms]


def _latest(renamed: Mapping[str, str], version: str) -> str:
    if version not in renamed:
        return version
    seen = {version}
    while (after := renamed.get(version)) is not None and after not in seen:
        version = after
        seen.add(version)
    return version
