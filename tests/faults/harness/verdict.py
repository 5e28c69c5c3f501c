"""Hold a store, after something went wrong, against the journal of what was done to it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlcli import doctor, tracking
from mlcli.errors import MlcliError
from mlcli.store.examine import Problem

from .facts import Facts, difference, observed
from .journal import DONE, FAILED, RAISED, STARTED, Line
from .operations import Operation, Site, World
from .workloads import AFTERWARDS

# What a fault may leave behind, all of it mendable: a temporary file, a run without an end, a torn line, an artifact
# that is reached before its run tells of it or, where the power went, not any more, the files of a run that was removed,
# a stage's file or a version that is not yet as the history says, a version whose registration is not yet told.
LEFT = {
    "leftover", "run-vanished", "metrics-damaged", "metrics-differ", "artifact-unlinked", "artifact-altered",
    "run-missing", "stage-disagrees", "half-removed", "half-restored", "version-missing",
    "unregistered",
}  # fmt: skip

Point = tuple[int, float]


class Unexplained(Exception):
    """Something that no legal outcome explains."""


def worlds(
    before: World, operations: Sequence[Operation], lines: Sequence[Line], since: float = math.inf
) -> list[World]:
    """Every world that the journal allows: each operation that failed or was in flight was done, in part or not.

    Where the power went, points that were logged `since` may be there or not, and what is lazy may not be done.
    """
    possible = [before]
    for position, line in enumerate(lines, 1):
        operation, loose = operations[line.number], line.at >= since
        in_flight = line.what == STARTED and position == len(lines)
        failed = line.what == FAILED and line.attempt == 0 and not operation.resumed
        taken_back = line.what == DONE and operation.lazy and since < math.inf
        if in_flight or taken_back or failed:
            possible = [*possible, *_after(possible, operation, line.attempt, loose=loose, parts=True)]
        elif line.what == DONE:
            possible = _after(possible, operation, line.attempt, loose=loose)
        elif line.what == FAILED and line.attempt:
            # Nothing is wrong any more: only what was done the first time may be refused now.
            if not operation.once:
                raise Unexplained(f"{operation.name} fails once more, when the cause is gone: {line.message}")
            possible = [world for world in possible if operation.name in world.did]
            if not possible:
                raise Unexplained(f"{operation.name} is refused, and was never done: {line.message}")
        elif line.what == RAISED:
            raise Unexplained(f"{operation.name} raised {line.message}")
    return possible


def _after(
    possible: Sequence[World], operation: Operation, attempt: int, *, loose: bool, parts: bool = False
) -> list[World]:
    effects = [*(operation.parts if parts else ()), operation.effect]
    loose = loose or (parts and operation.separate)
    found = [world.after(operation, effect, attempt, loose=loose) for world in possible for effect in effects]
    return list({world.key: world for world in found}.values()) if len(found) > 1 else found


def matching(possible: Sequence[World], found: Facts, *, but: frozenset[str] = frozenset()) -> World:
    """The world that is found; Unexplained, with the nearest, where none is. Facts that end in `but` are passed over."""

    def kept(facts: Facts) -> Facts:
        return {key: value for key, value in facts.items() if key.rpartition(" ")[2] not in but}

    seen = kept(found)
    told = []
    for world in possible:
        expected = kept(world.told())
        for key, points in world.loose.items():
            expected[key] = _with_loose(expected.get(key, []), points, seen.get(key, []))
        expected = {key: value for key, value in expected.items() if value != []}
        if expected == seen:
            return world
        told.append(difference(expected, seen))
    raise Unexplained(min(told, key=len))


def _with_loose(expected: list[Point], loose: Sequence[Point], found: Sequence[Point]) -> list[Point]:
    """The points that are expected without those that may be lost and are not found."""
    missing = Counter(expected)
    missing.subtract(found)
    kept = list(expected)
    for point in loose:
        if missing[point] > 0:
            missing[point] -= 1
            kept.remove(point)
    return kept


def judged(
    top: Path, before: World, operations: Sequence[Operation], lines: Sequence[Line], since: float = math.inf
) -> str:
    """What is wrong with the store, in a line; '' where nothing is. Points that were logged `since` may be lost."""
    try:
        possible = worlds(before, operations, lines, since)
        # What was killed half-way is in the history of the model first; the rest follows when the next is done, or it
        # is mended.
        history = frozenset({"moves", "staging", "production"})
        world = matching(possible, observed(Site(top).workspace, settled=False), but=history)
        possible = _logged_on(top, world, possible)
        matching(possible, observed(Site(top).workspace, settled=False), but=history)
        mend(top)
        found = observed(Site(top).workspace)
        _goes_on(top, World(found, matching(possible, found).ids))
    except Unexplained as problem:
        return str(problem)
    except (MlcliError, AssertionError) as error:
        return f"unreadable: {type(error).__name__}: {error}"
    return ""


def _logged_on(top: Path, found: World, possible: Sequence[World]) -> list[World]:
    """A process that outlived the fault logs another point to each run that was not ended; what then must be there."""
    runs = [key for key, value in found.facts.items() if value == "running" and " " not in key]
    for run in runs:
        tracking.log_metrics(Site(top).workspace, run, {"afterwards": 0.5})
    added = {f"{run} metric afterwards": [(0, 0.5)] for run in runs}
    return [world.with_facts(added) for world in possible if world.facts.keys() >= set(runs)]


def mend(top: Path, allowed: set[str] = LEFT) -> None:
    """Doctor finds only what a fault may leave, mends it, and then finds nothing."""
    found = doctor.examined(Site(top).workspace).problems
    if {problem.code for problem in found} - allowed:
        raise Unexplained(f"doctor finds {_told(found)}")
    left = doctor.examined(Site(top).workspace, fix=True).problems if found else []
    if left:
        raise Unexplained(f"doctor cannot mend {_told(left)}")


def _told(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.code} {problem.where}: {problem.message}" for problem in problems[:3])


def _goes_on(top: Path, world: World) -> None:
    """One more write of each kind sticks."""
    after, site = world, Site(top, world.ids)
    for operation in AFTERWARDS:
        try:
            operation.do(site)
        except MlcliError as error:
            raise Unexplained(f"afterwards, {operation.name} fails: {error.message}") from None
        after = after.after(operation, operation.effect)
    matching([after], observed(Site(top, world.ids).workspace))
