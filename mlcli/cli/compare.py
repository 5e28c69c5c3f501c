"""mlcli compare: runs side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, tables, words
from .options import AsFormat, Json, RunRefs
from .tables import Cell, Format

FEW = 6  # packages that differ: a run of another kind has hundreds


def command(
    refs: RunRefs,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also what is the same in all.")] = False,
    format_: AsFormat = Format.auto,
    as_json: Json = False,
) -> None:
    """Set two runs or more side by side: what differs in params, metrics, code and environment."""
    from ..comparison import compare
    from ..workspace import Workspace

    found = compare(Workspace.find(), refs)
    format_ = tables.chosen(format_, as_json=as_json)
    if format_ is Format.json:
        output.emit_json("mlcli.comparison/1", runs=[run.id for run in found.runs], rows=found.rows)
        return
    names = [run.name if len({r.name for r in found.runs}) == len(found.runs) else run.id[:8] for run in found.runs]
    rows, packages = [], 0
    for row in found.rows:
        if row.same and not everything and row.group != "metrics":
            continue
        packages += row.group == "environment" and format_ is Format.table and not everything
        if row.group == "environment" and packages > FEW:
            continue
        key = row.key if row.group in {"params", "metrics"} else f"{row.group}.{row.key}"
        cells = [Cell(key)]
        for at, value in enumerate(row.values):
            shown = _shown(row.key, value, exact=format_ is not Format.table)
            delta = (
                "" if format_ is not Format.table else _delta(row.values[0], value, at, metric=row.group == "metrics")
            )
            cells.append(Cell(f"{shown}{delta}", "green" if at in row.best else ""))
        rows.append(cells)
    tables.table(format_, ["", *names], rows, header=True)
    left_out = sum(1 for row in found.rows if row.same and row.group != "metrics")
    if packages > FEW:
        output.out(output.paint(f"({packages - FEW} more packages differ: --all)", "dim"))
    if format_ is Format.table and left_out and not everything:
        output.out(output.paint(f"({left_out} more are the same in all: --all)", "dim"))


def _shown(key: str, value: object, *, exact: bool) -> str:
    if value is None:
        return "-"
    if key == "commit" and isinstance(value, str) and not exact:
        return value[:7]
    return value if isinstance(value, str) else output.json_line(value).strip('"') if exact else words.number(value)


def _delta(first: object, value: object, at: int, *, metric: bool) -> str:
    if at == 0 or not metric or not isinstance(first, float) or not isinstance(value, float) or first == value:
        return ""
    return f" {words.signed(value - first)}"
