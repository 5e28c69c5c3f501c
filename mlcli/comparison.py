"""Runs side by side, and beside the run before."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from .domain import query
from .domain.run import Metric, Run, RunStatus, is_number, lower_is_better
from .errors import UsageError
from .lookup import find_run
from .workspace import Workspace

_LOOKED_BACK = 100


class Row(Struct, frozen=True, kw_only=True):
    """One thing compared: its values, one a run (None where the run has none); `best` names the best columns."""

    group: str
    key: str
    values: list[Any]
    same: bool
    best: list[int] = []


class Comparison(Struct, frozen=True, kw_only=True):
    """Runs side by side."""

    runs: list[Run]
    rows: list[Row]


def compare(workspace: Workspace, refs: Sequence[str]) -> Comparison:
    """Two or more runs side by side: params, metrics, commit, and what else differs."""
    if len(refs) < 2:
        raise UsageError("compare needs two runs or more", "mlcli compare @ @1")
    runs = [find_run(workspace, ref) for ref in refs]
    rows = [
        *_rows("params", runs, lambda run: {key: param.value for key, param in run.params.items()}),
        *_rows("metrics", runs, lambda run: {key: metric.last for key, metric in run.metrics.items()}),
        *_rows("git", runs, lambda run: {"commit": run.git.commit, "dirty": run.git.dirty, "branch": run.git.branch}),
        *_rows("environment", runs, lambda run: {"python": run.environment.python, **run.environment.packages}),
        *_rows("tags", runs, lambda run: run.tags),
    ]
    return Comparison(runs=runs, rows=rows)


def _rows(group: str, runs: Sequence[Run], values: Callable[[Run], Mapping[str, Any]]) -> list[Row]:
    each = [values(run) for run in runs]
    keys = list(dict.fromkeys(key for found in each for key in found))
    rows = []
    for key in keys:
        column = [found.get(key) for found in each]
        same = all(value == column[0] for value in column)
        best = _best_columns(key, column) if group == "metrics" and not same else []
        rows.append(Row(group=group, key=key, values=column, same=same, best=best))
    return rows


def _best_columns(metric: str, column: Sequence[Any]) -> list[int]:
    numbers = [value for value in column if is_number(value)]
    if not numbers:
        return []
    best = min(numbers) if lower_is_better(metric) else max(numbers)
    return [at for at, value in enumerate(column) if value == best]


class Difference(Struct, frozen=True, kw_only=True):
    """A metric beside the same metric of the run before."""

    metric: str
    value: float
    change: float | None


def against_previous(workspace: Workspace, run: Run) -> tuple[Run | None, list[Difference]]:
    """The run before this one of the same program in the same experiment, and the change of each metric since."""
    alike = query.Both(
        query.Compare(("status",), "=", RunStatus.FINISHED.value), query.Compare(("experiment",), "=", run.experiment)
    )
    earlier = [
        other
        for other in workspace.store.find_runs(alike, limit=_LOOKED_BACK, whole=False).runs
        if other.id != run.id and other.started_at <= run.started_at and program(other) == program(run)
    ]
    before = earlier[0] if earlier else None
    changes = [
        Difference(metric=key, value=metric.last, change=_change(metric, before.metrics.get(key) if before else None))
        for key, metric in run.metrics.items()
    ]
    return before, changes


def _change(metric: Metric, before: Metric | None) -> float | None:
    if before is None or not (math.isfinite(metric.last) and math.isfinite(before.last)):
        return None
    return metric.last - before.last


def program(run: Run) -> tuple[str, ...]:
    """What a run ran, without its options: ('python', 'train.py'), ('python', '-m', 'churn.train')."""
    argv = run.command.argv
    first = os.path.basename(argv[0]) if argv else ""
    if argv[1:2] == ["-m"]:
        return (first, *argv[1:3])
    return (first, *[arg for arg in argv[1:] if not arg.startswith("-") and "=" not in arg][:1])
