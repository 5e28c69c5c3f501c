"""Runs found by MLflow's filter strings, as a DataFrame or a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import tracking
from ..domain.names import quoted
from ..domain.run import Run
from ..errors import InvalidValue, MissingPackage
from ..workspace import Workspace


def search_runs(
    experiment_names: Sequence[str] | None = None,
    filter_string: str = "",
    *,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    experiment_ids: Sequence[str] | None = None,
) -> Any:
    """The runs that match an MLflow filter string, newest first: a pandas DataFrame, or with 'list' a list of runs.

    `order_by` is as ['metrics.accuracy DESC']. Columns are run_id, run_name, status, params.…, metrics.…, tags.… as
    MLflow names them. MissingPackage where pandas is not installed and 'pandas' is asked for.
    """
    sort = None
    if order_by:
        field, _, direction = order_by[0].strip().partition(" ")
        field = {"start_time": "started", "end_time": "ended", "run_id": "id"}.get(
            field.rpartition("attributes.")[2], field
        )
        sort = f"{field.replace('`', '')}:{direction.strip().lower() or 'asc'}"
    found = tracking.find_runs(Workspace.find(), filter_string or None, sort=sort)
    wanted = {*(experiment_names or ()), *(experiment_ids or ())}
    runs = [run for run in found.runs if not wanted or run.experiment in wanted][:max_results]
    if output_format == "list":
        return runs
    if output_format != "pandas":
        raise InvalidValue(f"{quoted(output_format)} is no output format", "use 'pandas' or 'list'")
    return _frame(runs)


def _frame(runs: Sequence[Run]) -> Any:
    try:
        import pandas
    except ImportError:
        raise MissingPackage(
            "search_runs gives a DataFrame, and pandas is not installed",
            'pip install "mlcli[pandas]", or search_runs(output_format="list")',
        ) from None
    rows = []
    for run in runs:
        row: dict[str, Any] = {
            "run_id": run.id,
            "experiment_id": run.experiment,
            "status": run.status.value.upper(),
            "start_time": run.started_at,
            "end_time": run.ended_at,
            "run_name": run.name,
        }
        row.update({f"metrics.{key}": metric.last for key, metric in run.metrics.items()})
        row.update({f"params.{key}": param.value for key, param in run.params.items()})
        row.update({f"tags.{key}": value for key, value in run.tags.items()})
        rows.append(row)
    first = ["run_id", "experiment_id", "status", "start_time", "end_time", "run_name"]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=first)
