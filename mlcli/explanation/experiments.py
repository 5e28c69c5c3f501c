"""Natural experiments: recorded runs that differ from one of two in a single cause, and there are as the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct

from ..domain.query import Compare
from ..domain.run import Run, RunStatus
from ..errors import MlcliError
from ..workspace import Workspace
from .code import Codes
from .factors import CODE, Key, alike, differing, factors, quick

Keys = frozenset[Key]

_LOOKED_BACK = 2000
_READ = 500


class Evidence(Struct, frozen=True, kw_only=True):
    """A run that was as A (`beside` a) or as B but for one cause, its metric, and the effect of that cause from A to B.

    Of a run that was the same in all, the effect is how far its metric lies from that of A or B.
    """

    run_id: str
    name: str
    beside: Literal["a", "b"]
    value: float
    effect: float


class Found(Struct, frozen=True):
    """The newest experiments of each cause, at most one beside A and one beside B; and runs that were the same."""

    evidence: dict[Key, list[Evidence]]
    repeats: list[Evidence]


def experiments(workspace: Workspace, a: Run, b: Run, metric: str, causes: Mapping[Key, Keys], codes: Codes) -> Found:
    """What recorded runs tell of each cause, which is one thing or several that differ together.

    Of the newest 2000 that finished the first 500 with like params are read.
    """
    sides: tuple[tuple[Literal["a", "b"], Run, dict[Key, Any]], ...] = (("a", a, factors(a)), ("b", b, factors(b)))
    wanted: dict[Keys, Key | None] = {frozenset(): None, **{keys: cause for cause, keys in causes.items()}}
    found = Found({}, [])
    for run in _candidates(workspace, a, b, metric):
        own = factors(run)
        for at, (beside, near, there) in enumerate(sides):
            _, far, elsewhere = sides[1 - at]
            off = frozenset(differing(there, own))
            if off not in wanted or not all(alike(own, elsewhere, key) for key in off):
                continue
            if not codes.same(near, run):
                off |= {CODE}
            if off not in wanted or (CODE in off and not codes.same(far, run)):
                continue
            _note(found, wanted[off], _evidence(run, metric, beside, near))
            if not off:
                break
    return found


def _note(found: Found, cause: Key | None, evidence: Evidence) -> None:
    if cause is None:
        found.repeats.append(evidence)
        return
    known = found.evidence.setdefault(cause, [])
    if evidence.beside not in {each.beside for each in known}:
        known.append(evidence)
        known.sort(key=lambda each: each.beside)


def _evidence(run: Run, metric: str, beside: Literal["a", "b"], near: Run) -> Evidence:
    value, other = run.metrics[metric].last, near.metrics[metric].last
    effect = value - other if beside == "a" else other - value
    return Evidence(run_id=run.id, name=run.name, beside=beside, value=value, effect=effect)


def _candidates(workspace: Workspace, a: Run, b: Run, metric: str) -> Iterator[Run]:
    """Other finished runs with that metric, newest first, whose command and params differ in one thing at most."""
    finished = Compare(("status",), "=", RunStatus.FINISHED.value)
    near = [quick(factors(run)) for run in (a, b)]
    read = 0
    for run in workspace.store.find_runs(finished, limit=_LOOKED_BACK, whole=False).runs:
        measured = run.metrics.get(metric)
        if run.id in {a.id, b.id} or measured is None or not math.isfinite(measured.last):
            continue
        own = quick(factors(run))
        if min(len(differing(each, own)) for each in near) > 1:
            continue
        with suppress(MlcliError):  # what is damaged or went meanwhile is no evidence
            yield workspace.store.run(run.id)
            read += 1
        if read == _READ:
            return
