"""In which order events happened, and which descend from which: as commits do, they name their parents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .history import Event


def chain(events: dict[str, Event]) -> list[Event] | None:
    """Events that follow one after the other, in order; None where they part anywhere, or name what is not here."""
    after: dict[str, Event] = {}
    for event in events.values():
        parents = event.parents or [""]
        if len(parents) > 1 or parents[0] in after:
            return None
        after[parents[0]] = event
    found: list[Event] = []
    last = ""
    while (event_after := after.get(last)) is not None and len(found) < len(events):
        found.append(event_after)
        last = event_after.digest
    return found if len(found) == len(events) else None


def ordered(events: dict[str, Event]) -> list[Event]:
    """Events so that each comes after its parents; the same set gives the same order."""
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


class Descent:
    """Which events descend from which, so that names are found that were given apart and never settled.

    Of each event the descent is kept as a place before which all are its ancestors, and a bit for each of those after
    it: a history that never parted costs nothing, however long.
    """

    def __init__(self) -> None:
        self.heads: set[str] = set()
        self.place: dict[str, int] = {}
        self.reach: list[tuple[int, int]] = []
        self.last: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def add(self, event: Event) -> None:
        """Take up an event, after its parents."""
        at, known = len(self.reach), [parent for parent in event.parents if parent in self.place]
        if self.heads <= set(known):
            base, bits = at, 0
        else:
            base = max((self.reach[self.place[parent]][0] for parent in known), default=0)
            bits = 0
            for parent in known:
                its_base, its_bits = self.reach[self.place[parent]]
                bits |= its_bits >> (base - its_base)
                if self.place[parent] >= base:
                    bits |= 1 << (self.place[parent] - base)
        self.reach.append((base, bits))
        self.place[event.digest] = at
        self.heads -= set(known)
        self.heads.add(event.digest)

    def claim(self, event: Event, name: tuple[str, str], value: str) -> None:
        """Note what a name says since an event, in place of what the event descends from."""
        base, bits = self.reach[self.place[event.digest]]
        left = [
            (digest, said)
            for digest, said in self.last.get(name, [])
            if not (self.place[digest] < base or bits >> (self.place[digest] - base) & 1)
        ]
        self.last[name] = [*left, (event.digest, value)]

    def torn(self, now: Callable[[str], str]) -> dict[tuple[str, str], list[str]]:
        """The names of which branches say different things; `now` gives what a value has become since."""
        return {
            name: [digest for digest, _ in said]
            for name, said in self.last.items()
            if len(said) > 1 and len({now(value) for _, value in said}) > 1
        }
