"""Hold a store, after something went wrong, against the journal of what was done to it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlcli import doctor
from mlcli.errors import MlcliError

from .facts import Facts, difference, observed
from .journal import DONE, FAILED, RAISED, STARTED, Line
from .operations import Operation, Site, World
from .workloads import AFTERWARDS

# What a fault may leave behind, all of it mendable: a temporary file, a run without an end, a torn line, an artifact
# that is reached before its run tells of it, the files of a run that was removed, a stage's file that does not say yet
# what the history says.
LEFT = {
    "leftover", "run-vanished", "metrics-damaged", "metrics-differ", "artifact-altered", "run-missing", "stage-disagrees",
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
        taken_back = line.what == DONE and operation.lazy and since < math.inf
        if in_flight or taken_back or (line.what == FAILED and line.attempt == 0):
            possible = [*possible, *_after(possible, operation, line.attempt, loose=loose, parts=True)]
        elif line.what == DONE:
            possible = _after(possible, operation, line.attempt, loose=loose)
        elif line.what == FAILED:
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
    found = [world.after(operation, effect, attempt, loose=loose) for world in possible for effect in effects]
    return list({world.key: world for world in found}.values())


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
            kept.reverse()
            kept.remove(point)
            kept.reverse()
    return kept


def judged(
    top: Path, before: World, operations: Sequence[Operation], lines: Sequence[Line], since: float = math.inf
) -> str:
    """What is wrong with the store, in a line; '' where nothing is. Points that were logged `since` may be lost."""
    try:
        possible = worlds(before, operations, lines, since)
        # A promotion that was killed is in the history; its stage's file follows when the next one is made, or mended.
        matching(possible, observed(Site(top).workspace, settled=False), but=frozenset({"staging", "production"}))
        mend(top)
        found = observed(Site(top).workspace)
        _goes_on(top, World(found, matching(possible, found).ids))
    except Unexplained as problem:
        return str(problem)
    except (MlcliError, AssertionError) as error:
        return f"unreadable: {type(error).__name__}: {error}"
    return ""


def mend(top: Path, allowed: set[str] = LEFT) -> None:
    """Doctor finds only what a fault may leave, mends it, and then finds nothing."""
    workspace = Site(top).workspace
    found = {problem.code for problem in doctor.examined(workspace).problems}
    if found - allowed:
        raise Unexplained(f"doctor finds {_told(workspace)}")
    doctor.examined(workspace, fix=True)
    if doctor.examined(workspace).problems:
        raise Unexplained(f"doctor cannot mend {_told(workspace)}")


def _told(workspace: object) -> str:
    problems = doctor.examined(workspace).problems  # type: ignore[arg-type]
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
