"""Why a metric changed from one run to another: what differs, ranked by what recorded runs tell of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from ..difference import Difference, Side, between, changes
from ..difference import found as side_of
from ..domain.names import escaped, quoted
from ..domain.run import Run
from ..domain.values import same_value
from ..errors import NotFound, UsageError
from ..workspace import Workspace
from .code import Codes, Touched
from .experiments import Evidence, experiments
from .factors import CODE, COMMAND, FILES, KINDS, PACKAGES, REST, Key, differing, factors

Verdict = Literal["unmeasured", "equal", "unexplained", "only", "ranked"]

_FEW = 8
_TIMES = {"time", "seconds", "latency", "duration", "ms", "secs"}


class Moved(Struct, frozen=True, kw_only=True):
    """A metric on both sides and its change; None where a side has none, or one that is not finite."""

    metric: str
    a: float | None
    b: float | None
    change: float | None


class Cause(Struct, frozen=True, kw_only=True):
    """One thing that differs; of code `files`, and in `reason` why it is not known what differs in it."""

    kind: str
    key: str
    a: Any = None
    b: Any = None
    files: list[Touched] = []
    reason: str | None = None
    evidence: list[Evidence] = []


class Explanation(Struct, frozen=True, kw_only=True):
    """What differs between two runs, the likeliest cause first.

    `metric` is the one that evidence is of. `verdict`: unmeasured (neither has metrics), equal (the metrics are),
    unexplained (they differ and nothing else is known to), only (one cause differs), ranked. `inert` are files that
    differ while all programs do the same, `repeats` runs in which nothing differed from A or B.
    """

    a: Side
    b: Side
    metric: str | None
    metrics: list[Moved]
    verdict: Verdict
    causes: list[Cause]
    inert: list[Touched] = []
    repeats: list[Evidence] = []
    hint: str | None = None


Made = tuple[Cause, list[Key]]


def explanation(workspace: Workspace, a: str, b: str, metric: str | None = None) -> Explanation:
    """What explains the change of a metric, or of all that changed, from A to B.

    Causes with evidence come first, the greatest effect first: a recorded run that differed from A or B in this cause
    only shows what it does. The others follow by kind: code, params, inputs, packages (those that compute before the
    rest), seed, hardware. Evidence is of `metric`, else of what changed most in relation to itself, times last.
    """
    (side_a, one), (side_b, other) = _run_of(workspace, a), _run_of(workspace, b)
    found = between(workspace, side_a, one, side_b, other)
    metrics = _moved(one, other, metric)
    codes = Codes(workspace)
    made, inert = _code(found, one, other, codes)
    made += _others(one, other)
    causes = sorted((cause for cause, _ in made), key=lambda cause: KINDS.index(cause.kind))
    first = next((each.metric for each in metrics if each.change is not None), None)
    repeats: list[Evidence] = []
    if first is not None:
        groups = {(cause.kind, cause.key): frozenset(keys) for cause, keys in made}
        known = experiments(workspace, one, other, first, groups, codes)
        repeats = known.repeats
        if len(causes) > 1:  # what is alone needs no run to tell it from others
            causes = _ranked(causes, known.evidence)
    changed = None
    if one.metrics or other.metrics:
        changed = any(not same_value(each.a, each.b) for each in metrics)
    return Explanation(
        a=side_a, b=side_b, metric=first, metrics=metrics, causes=causes, inert=inert, repeats=repeats,
        verdict=_verdict(causes, changed=changed), hint=found.hint,
    )  # fmt: skip


def _verdict(causes: list[Cause], *, changed: bool | None) -> Verdict:
    if not changed:
        return "unmeasured" if changed is None else "equal"
    known = [cause for cause in causes if cause.reason is None]
    return "ranked" if len(causes) > 1 else "only" if known else "unexplained"


def _run_of(workspace: Workspace, text: str) -> tuple[Side, Run]:
    side, run = side_of(workspace, text)
    if run is None:
        raise UsageError(f"{quoted(text)} names a commit, and only runs have metrics", "mlcli diff compares commits")
    return side, run


def _moved(one: Run, other: Run, metric: str | None) -> list[Moved]:
    """The metric that was asked for, else all that changed: most in relation to themselves first, times last."""
    keys = list(dict.fromkeys((*one.metrics, *other.metrics)))
    if metric is not None and metric not in keys:
        from difflib import get_close_matches

        close = ", ".join(map(escaped, get_close_matches(metric, keys, n=3)))
        has = ", ".join(map(escaped, keys[:8]))
        hint = f"did you mean {close}?" if close else f"they have {has}" if has else "mlcli log metric accuracy=0.9"
        raise NotFound(f"neither run has a metric {quoted(metric)}", hint)
    made = [_one_moved(key, one, other) for key in (keys if metric is None else [metric])]
    if metric is not None:
        return made
    return sorted((each for each in made if not same_value(each.a, each.b)), key=_least_moved)


def _one_moved(key: str, one: Run, other: Run) -> Moved:
    a, b = (run.metrics[key].last if key in run.metrics else None for run in (one, other))
    finite = a is not None and b is not None and math.isfinite(a) and math.isfinite(b)
    return Moved(metric=key, a=a, b=b, change=b - a if finite and a is not None and b is not None else None)


def _least_moved(moved: Moved) -> tuple[bool, bool, float]:
    largest = max(abs(moved.a or 0.0), abs(moved.b or 0.0)) or 1.0
    is_time = bool(_TIMES & set(re.split(r"[^a-z]+", moved.metric.lower())))
    return moved.change is None, is_time, -abs((moved.change or 0.0) / largest)


def _code(found: Difference, one: Run, other: Run, codes: Codes) -> tuple[list[Made], list[Touched]]:
    """The code as a cause where it differs or may, and the files that differ and do nothing.

    Where it is known of both what they executed, only that is a cause.
    """
    before, after, ran = found.a.commit, found.b.commit, found.executed
    if ran is not None and ran.same:
        return [], []
    torn = next((side for side in (found.a, found.b) if side.unkept), None)
    is_known = not torn and found.code is not None and before is not None and after is not None
    if not is_known and ran is None:
        reason = f"what was not committed for {torn.name} is gone: {torn.unkept}" if torn else found.reason
        return [(Cause(kind=CODE[0], key=CODE[1], a=before, b=after, reason=reason), [CODE])], []
    files = codes.touched(found.code, one, other) if is_known and found.code and found.code.files else []
    if ran is not None:
        files = codes.executed(ran, files)
    active = [file for file in files if not file.inert]
    made = [(Cause(kind=CODE[0], key=CODE[1], a=before, b=after, files=active), [CODE])] if active else []
    return made, [file for file in files if file.inert]


def _others(one: Run, other: Run) -> list[Made]:
    """What else differs, by kind: one cause each, but one for many files, and for packages that one side lacks."""
    a, b = factors(one), factors(other)
    keys = differing(a, b)
    made: list[Made] = []
    recorded = [len(run.environment.packages) for run in (one, other)]
    if 0 in recorded and any(recorded):  # of a program that is not Python no packages are known
        told = [f"{count or 'none'} recorded" for count in recorded]
        packages = [key for key in keys if key[0] == PACKAGES[0]]
        made.append((Cause(kind=PACKAGES[0], key=PACKAGES[1], a=told[0], b=told[1]), packages))
    files = [key for key in keys if key[0] == FILES[0]]
    if len(files) > _FEW:
        sides = [{key[1]: side[key] for key in files if key in side} for side in (a, b)]
        made.append((Cause(kind=FILES[0], key=FILES[1], a=sides[0], b=sides[1]), files))
    together = {key for _, group in made for key in group}
    return made + [(_cause(key, a.get(key), b.get(key)), [key]) for key in keys if key not in together]


def _cause(key: Key, a: Any, b: Any) -> Cause:
    if key == REST:
        names = [change.key for change in changes(a, b)]
        a, b = ({name: side[name] for name in names if name in side} for side in (a, b))
    if key == COMMAND:
        a, b = " ".join(a), " ".join(b)
    return Cause(kind=key[0], key=key[1], a=a, b=b)


def _ranked(causes: list[Cause], evidence: Mapping[Key, list[Evidence]]) -> list[Cause]:
    proven = [replace(cause, evidence=evidence.get((cause.kind, cause.key), [])) for cause in causes]
    return sorted(
        proven, key=lambda cause: (not cause.evidence, -abs(cause.evidence[0].effect) if cause.evidence else 0)
    )
