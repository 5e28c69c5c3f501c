"""The order of runs: newest first, or by a metric, param, tag or attribute; what has no value comes last."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from ..errors import UsageError
from .names import quoted
from .query import ATTRIBUTES, GROUPS
from .run import Run

_VALUES: dict[str, Callable[[Run], Any]] = {
    "started": lambda run: run.started_at,
    "ended": lambda run: run.ended_at,
    "seconds": lambda run: run.seconds,
    "name": lambda run: run.name,
    "status": lambda run: run.status.value,
    "experiment": lambda run: run.experiment,
    "id": lambda run: run.id,
}


class Sort(Struct, frozen=True):
    """What to sort by: `field` as ('metrics', 'accuracy') or ('started',)."""

    field: tuple[str, ...]
    descending: bool = False


NEWEST_FIRST = Sort(("started",), descending=True)


def parse_sort(text: str) -> Sort:
    """The order that 'metrics.accuracy:desc' or 'name' says; UsageError where there is no such field."""
    field, _, direction = text.rpartition(":") if text.endswith((":asc", ":desc")) else (text, "", "asc")
    group, _, key = field.partition(".")
    group = GROUPS.get(group.lower(), group)
    if key and group in {"metrics", "params", "tags"}:
        return Sort((group, key), direction == "desc")
    attribute = ATTRIBUTES.get(field.lower(), field)
    if attribute not in _VALUES:
        raise UsageError(
            f"cannot sort by {quoted(field)}",
            f"use metrics.…, params.…, tags.… or one of {', '.join(_VALUES)}, with :desc",
        )
    return Sort((attribute,), direction == "desc")


def value_of(run: Run, field: tuple[str, ...]) -> Any:
    """What a run is sorted by; None where it has no value."""
    if field[0] == "metrics":
        metric = run.metrics.get(field[1])
        return None if metric is None or math.isnan(metric.last) else metric.last
    if field[0] == "params":
        param = run.params.get(field[1])
        return None if param is None else param.value
    if field[0] == "tags":
        return run.tags.get(field[1])
    return _VALUES[field[0]](run)


def ordered(runs: Iterable[Run], sort: Sort) -> list[Run]:
    """The runs in that order; equals newest first, those without a value last."""
    newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    if sort == NEWEST_FIRST:
        return newest
    values = {run.id: value_of(run, sort.field) for run in newest}
    have = [run for run in newest if values[run.id] is not None]
    have.sort(key=lambda run: _comparable(values[run.id]), reverse=sort.descending)
    return have + [run for run in newest if values[run.id] is None]


def _comparable(value: Any) -> tuple[int, Any]:
    if isinstance(value, float) and math.isnan(value):
        return (3, 0)
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, value) if isinstance(value, datetime) else (2, str(value))
