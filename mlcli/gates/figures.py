"""Gates on metrics: against a number, and against the version in place."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal

from ..domain.gate import Bound, Compared
from ..domain.history import Action
from ..domain.model import ModelVersion
from ..domain.names import escaped, quoted
from ..domain.run import MetricSource, Run
from . import Case, Found

_OPS: dict[str, tuple[Callable[[Decimal, Decimal], bool], str]] = {
    ">": (operator.gt, "above"),
    ">=": (operator.ge, "at least"),
    "<": (operator.lt, "below"),
    "<=": (operator.le, "at most"),
    "=": (operator.eq, "exactly"),
}


def bound(case: Case, gate: Bound) -> Found:
    """Whether a metric's last value keeps to a number."""
    value = _value(case.version.run, gate.metric)
    holds, words = _OPS[gate.op]
    asked = f"{words} {_shown(gate.value)} is asked"
    if isinstance(value, str):
        return False, f"{value}; {asked}"
    return holds(_exact(value), _exact(gate.value)), f"{_shown(value)}, and {asked}"


def compared(case: Case, gate: Compared) -> Found:
    """Whether a metric's last value is as good as that of the version in place; not asked of what is judged again."""
    if case.event:
        return None
    value = _value(case.version.run, gate.metric)
    if isinstance(value, str):
        return False, value
    holders = _holders(case)
    if not holders:
        return True, f"{_shown(value)}, and nothing else is in {case.stage} yet"
    founds = [_against(gate, value, holder, case) for holder in holders]
    return all(passed for passed, _ in founds), "; ".join(told for _, told in founds)


def _against(gate: Compared, value: float, holder: ModelVersion | str, case: Case) -> tuple[bool, str]:
    if isinstance(holder, str):
        return False, f"the version in {case.stage} is not here, to be compared with: mlcli check {case.version.model}"
    there = _value(holder.run, gate.metric)
    if isinstance(there, str):
        return False, f"{_shown(value)}, and of {holder.ref} in {case.stage}: {there}"
    # As people reckon: 0.93 + 0.01 is 0.94, which it is not in binary.
    limit = _exact(there) * _exact(gate.factor) + _exact(gate.offset)
    holds, words = _OPS[gate.op]
    told = f"{_shown(value)}, and {holder.ref} in {case.stage} has {_shown(there)}"
    if (gate.factor, gate.offset) != (1.0, 0.0):
        told += f": {words} {_shown(float(limit))} is asked"
    elif gate.op not in {">=", "<="}:
        told += f": {words} that is asked"
    return holds(_exact(value), limit), told


def _holders(case: Case) -> list[ModelVersion | str]:
    """What stands in the stage; where branches disagree, all that they say. A digest where that version is not here."""
    history = case.history
    held, _ = history.holders.get(case.stage, (None, ""))
    torn = set(history.torn.get(("stage", case.stage.value), ()))
    claims = [
        history.now(event.version)
        for event in history.events
        if event.digest in torn and event.action is Action.MOVED and event.to_stage is case.stage
    ]
    wanted = {digest for digest in (held, *claims) if digest} - {case.digest}
    if not wanted:
        return []
    found = case.workspace.store.marked_versions("version", wanted, models=[case.version.model])
    here = {version.digest: version for version in found}
    return [here.get(digest, digest) for digest in sorted(wanted)]


def _value(run: Run, key: str) -> float | str:
    """A metric's last value; a text that says why it is none to go by."""
    metric = run.metrics.get(key)
    if metric is None:
        there = ", ".join(map(escaped, sorted(run.metrics)[:5])) or "none"
        return f"its run has no metric {quoted(key)}, it has {there}{' …' if len(run.metrics) > 5 else ''}"
    if metric.source is MetricSource.PRINTED:
        return f"{_shown(metric.last)} was only printed, which is not trusted: log it with mlcli log metric, or the API"
    if math.isnan(metric.last):
        return f"{quoted(key)} is NaN"
    return metric.last


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _shown(number: float) -> str:
    return repr(number).removesuffix(".0")
