"""mlcli restore: bring runs and versions back from the trash."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, tables, words
from .options import AsFormat, Header, Json, Why
from .tables import Cell, Format


def command(
    refs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF...]", help="Ids or prefixes, names, iris@3, or @, what was removed last."),
    ] = None,
    why: Why = "",
    format_: AsFormat = Format.auto,
    header: Header = False,
    as_json: Json = False,
) -> None:
    """Bring runs and versions back from the trash; with no REF, list what lies there, the last removed first."""
    from .. import trash
    from ..workspace import Workspace

    workspace = Workspace.find()
    format_ = tables.chosen(format_, as_json=as_json)
    if refs:
        back = trash.restore(workspace, refs, why=why)
        if as_json:
            output.emit_json("mlcli.restored/1", restored=[words.reference(each) for each in back])
            return
        for each in back:
            output.out(f"{output.paint(words.called(each), 'accent')} restored")
        return
    there = trash.removed(workspace)
    if format_ in {Format.json, Format.jsonl}:
        entries = [{"ref": words.reference(each.what), "name": each.what.name, "removed_at": each.at} for each in there]
        if format_ is Format.json:
            output.emit_json("mlcli.trash/1", removed=entries)
            return
        for entry in entries:
            output.out(output.json_line(entry))
        return
    if not there and format_ is Format.table:
        output.err("the trash is empty")
        return
    rows = [
        [
            Cell(
                words.reference(each.what)[: 8 if format_ is Format.table and not hasattr(each.what, "model") else None]
            ),
            Cell(each.what.name),
            Cell(words.ago(each.at, workspace.now()) if format_ is Format.table else each.at.isoformat()),
        ]
        for each in there
    ]
    tables.table(format_, ["removed", "name", "when"], rows, header=header)
