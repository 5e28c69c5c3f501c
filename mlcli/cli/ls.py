"""mlcli ls: list runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import output, tables, words
from .options import AsFormat, Header, Json, Quiet
from .tables import Cell, Format

if TYPE_CHECKING:
    from datetime import datetime

    from ..domain.run import Run

_STATUS_STYLE = {"finished": "green", "failed": "red", "killed": "red", "running": "yellow"}
_SCREENFUL = 100
_STATUS_WORD = {"finished": "ok"}


def command(
    filter_: Annotated[
        str | None,
        typer.Argument(metavar="[FILTER]", help="metrics.accuracy > 0.9 and params.depth = 10 and status = 'finished'"),
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="KEY[:desc]", help="metrics.accuracy:desc, started, name ...")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=0, help="At most so many.")] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="id,name,metrics.accuracy,params ...")
    ] = None,
    format_: AsFormat = Format.auto,
    header: Header = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """List runs, newest first: on a terminal as a table of what differs, on a pipe one tab-separated line a run."""
    from ..tracking import find_runs
    from ..workspace import Workspace

    workspace = Workspace.find()
    format_ = tables.chosen(format_, as_json=as_json)
    whole = format_ in {Format.json, Format.jsonl}
    most = _SCREENFUL if limit is None and format_ is Format.table else limit
    found = find_runs(workspace, filter_, sort=sort, limit=most, whole=whole)
    output.warn_of(found.problems)
    if quiet:
        if found.runs:
            output.out("\n".join(run.id for run in found.runs))
    elif format_ is Format.json:
        output.emit_json("mlcli.runs/1", runs=found.runs, problems=found.problems)
    elif format_ is Format.jsonl:
        for run in found.runs:
            output.out(output.json_line(run))
    elif not found.runs and format_ is Format.table:
        output.err("no run matches" if filter_ else "no runs yet")
        output.next_step("mlcli run -- python train.py")
    else:
        _show(found.runs, format_, columns, header=header, now=workspace.now(), numbered=not (filter_ or sort))
        if limit is None and most == len(found.runs):
            output.err(output.paint(f"the first {most}; --limit N shows more", "dim", sys.stderr))


def _show(
    runs: Sequence[Run], format_: Format, columns: str | None, *, header: bool, now: datetime, numbered: bool
) -> None:
    if columns:
        names = _expanded(columns, runs)
        rows = [[_cell(name, run, now) for name in names] for run in runs]
        tables.table(format_, names, rows, header=header)
    elif format_ is Format.table:
        _table_of_differences(runs, now, numbered=numbered)
    else:
        names = ["id", "started", "status", "name", "experiment", "commit", "params", "metrics"]
        rows = [[_cell(name, run, None) for name in names] for run in runs]
        tables.table(format_, names, rows, header=header)


def _table_of_differences(runs: Sequence[Run], now: datetime, *, numbered: bool) -> None:
    params = list(dict.fromkeys(key for run in runs for key in run.params))
    metrics = list(dict.fromkeys(key for run in runs for key in run.metrics))
    same = {key for key in params if len(runs) > 1 and len({repr(_param(run, key)) for run in runs}) == 1}
    shown = [key for key in params if key not in same][:6]
    marks = _ids(runs)
    best = {key: _best(runs, key) for key in metrics[:6]}
    names = ["", "run", "name", "when", "status", *shown, *metrics[:6], "model"]
    rows = []
    for at, run in enumerate(runs):
        mark = ("@" if at == 0 else str(at)) if numbered else ""
        cells = [
            Cell(mark, "dim"),
            Cell(marks[run.id], "accent"),
            Cell(run.name),
            Cell(words.ago(run.started_at, now)),
        ]
        cells.append(Cell(_STATUS_WORD.get(run.status.value, run.status.value), _STATUS_STYLE[run.status.value]))
        cells += [Cell(_param(run, key)) for key in shown]
        cells += [Cell(_metric(run, key), "green" if run.id in best[key] else "") for key in metrics[:6]]
        cells.append(Cell(", ".join(model.path for model in run.models)))
        rows.append(cells)
    keep = [at for at in range(len(names)) if at in {1, 2, 3, 4} or any(row[at].text for row in rows)]
    last, first_metric = len(names) - 1, 5 + len(shown)
    spare = [last, *reversed(range(5, first_metric)), *reversed(range(first_metric, last))]
    tables.table(
        Format.table,
        [names[at] for at in keep],
        [[row[at] for at in keep] for row in rows],
        spare=[keep.index(at) for at in spare if at in keep],
    )
    told = [f"{key}={_param(runs[0], key)}" for key in sorted(same)]
    commits = {run.git.commit for run in runs}
    if len(runs) > 1 and len(commits) == 1 and runs[0].git.commit:
        told.append(f"commit={runs[0].git.commit[:7]}")
    footer = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    if told:
        footer += " · same in all: " + " ".join(told)
    output.out(output.paint(footer, "dim"))


def _ids(runs: Sequence[Run]) -> dict[str, str]:
    """Eight digits of each id, or as many as tell them apart."""
    length = 8
    while len({run.id[:length] for run in runs}) < len(runs):
        length += 1
    return {run.id: run.id[:length] for run in runs}


def _best(runs: Sequence[Run], key: str) -> set[str]:
    from ..domain.run import lower_is_better

    values = {run.id: run.metrics[key].last for run in runs if key in run.metrics}
    numbers = [value for value in values.values() if value == value]
    if len(numbers) < 2 or min(numbers) == max(numbers):
        return set()
    best = min(numbers) if lower_is_better(key) else max(numbers)
    return {run_id for run_id, value in values.items() if value == best}


def _param(run: Run, key: str) -> str:
    return words.told_value(run.params[key].value) if key in run.params else ""


def _metric(run: Run, key: str) -> str:
    return words.number(run.metrics[key].last) if key in run.metrics else ""


_COLUMNS: dict[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "run": lambda run: run.id[:8],
    "name": lambda run: run.name,
    "status": lambda run: run.status.value,
    "experiment": lambda run: run.experiment,
    "started": lambda run: run.started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    "ended": lambda run: run.ended_at and run.ended_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    "seconds": lambda run: run.seconds,
    "exit_code": lambda run: run.exit_code,
    "commit": lambda run: f"{run.git.commit}{'+' if run.git.dirty else ''}" if run.git.commit else "-",
    "branch": lambda run: run.git.branch,
    "dirty": lambda run: run.git.dirty,
    "user": lambda run: str(run.user),
    "note": lambda run: run.note,
    "command": lambda run: " ".join(run.command.argv),
    "model": lambda run: ",".join(model.path for model in run.models),
    "parent": lambda run: run.parent_id,
    "params": lambda run: " ".join(f"{key}={words.told_value(param.value)}" for key, param in run.params.items()),
    "metrics": lambda run: " ".join(f"{key}={_exact(metric.last)}" for key, metric in run.metrics.items()),
    "tags": lambda run: " ".join(f"{key}={value}" for key, value in run.tags.items()),
}


def _exact(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else output.json_line(value).strip('"')


def _expanded(columns: str, runs: Sequence[Run]) -> list[str]:
    names: list[str] = []
    for name in (name.strip() for name in columns.split(",")):
        if name in {"params.*", "metrics.*", "tags.*"}:
            group = name[:-2]
            names += [f"{group}.{key}" for key in dict.fromkeys(key for run in runs for key in getattr(run, group))]
        elif name == "when" or name in _COLUMNS or name.partition(".")[0] in {"params", "metrics", "tags"}:
            names.append(name)
        else:
            known = ", ".join(["when", *_COLUMNS])
            raise UsageError(
                f"no column is called '{output.escaped(name)}'", f"use {known}, params.…, metrics.…, tags.…"
            )
    return names


def _cell(name: str, run: Run, now: datetime | None) -> Cell:
    group, dot, key = name.partition(".")
    if dot and group == "params":
        return Cell(_exact(run.params[key].value) if key in run.params else "")
    if dot and group == "metrics":
        return Cell(_exact(run.metrics[key].last) if key in run.metrics else "")
    if dot:
        return Cell(run.tags.get(key, ""))
    if name == "when" and now is not None:
        return Cell(words.ago(run.started_at, now))
    return Cell(_exact(_COLUMNS[name](run)), _STATUS_STYLE.get(run.status.value, "") if name == "status" else "")
