"""The way up: the runs that made what a run read, and what those read, as far back as it is known."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..domain.run import Run
from .known import Known, by_id, made_for


class Origin(Struct, frozen=True, kw_only=True):
    """A run that made some of the `paths` that another read, and what made its inputs in turn.

    `again` says that it was named before: what lies above it is told there.
    """

    run: Run
    paths: list[str]
    upstream: list[Origin] = []
    again: bool = False


class Ancestry(Struct, frozen=True):
    """Runs by id, and for each {id of a run that made what it read: the paths of that}."""

    runs: dict[str, Run]
    made: dict[str, dict[str, list[str]]]

    def origins(self, run: Run) -> list[Origin]:
        """The way up from a run as a tree, each run told in full once."""
        seen = {run.id}
        entries: list[tuple[int, str, list[str], bool]] = []
        waiting = [(-1, *each) for each in reversed(self.made[run.id].items())]
        while waiting:
            below, maker, paths = waiting.pop()
            again = maker in seen
            seen.add(maker)
            entries.append((below, maker, paths, again))
            if not again:
                waiting += [(len(entries) - 1, *each) for each in reversed(self.made[maker].items())]
        above: list[list[Origin]] = [[] for _ in range(len(entries) + 1)]
        for at in reversed(range(len(entries))):  # from the far end: no depth is too much
            below, maker, paths, again = entries[at]
            origin = Origin(run=self.runs[maker], paths=paths, upstream=above[at][::-1], again=again)
            above[below].append(origin)
        return above[-1][::-1]


def ancestry(known: Known, runs: Sequence[Run]) -> Ancestry:
    """Who made what these runs read, and what those read in turn; one look for each step back."""
    found = by_id(runs)
    made: dict[str, dict[str, list[str]]] = {}
    frontier = list(found.values())
    while frontier:
        makers = known.makers(frontier)
        every = by_id(maker for held in makers.values() for maker in held)
        for run in frontier:
            made[run.id] = made_for(run, makers)
        above = {maker: every[maker] for run in frontier for maker in made[run.id] if maker not in found}
        found.update(above)
        frontier = list(above.values())
    return Ancestry(found, made)


def makers_of(origins: Sequence[Origin]) -> list[Run]:
    """All runs of a way up, each once; whoever made something comes before who read it."""
    found: dict[str, Run] = {}
    waiting = [(origin, False) for origin in reversed(origins)]
    while waiting:
        origin, told = waiting.pop()
        if told:
            found.setdefault(origin.run.id, origin.run)
        elif not origin.again:
            waiting.append((origin, True))
            waiting += [(above, False) for above in reversed(origin.upstream)]
    return list(found.values())
