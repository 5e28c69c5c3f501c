"""mlcli history: who registered and moved a model's versions, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output, tables, words
from .options import AsFormat, Header, Json
from .tables import Cell, Format

if TYPE_CHECKING:
    from ..errors import MlcliError
    from ..registry import Entry


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model.")],
    format_: AsFormat = Format.auto,
    header: Header = False,
    as_json: Json = False,
) -> None:
    """Tell who registered and moved a model's versions, when, why and at which commit, newest first."""
    from ..registry import history
    from ..workspace import Workspace

    problems: list[MlcliError] = []
    entries = history(Workspace.find(), model, problems)
    output.warn_of(problems)
    format_ = tables.chosen(format_, as_json=as_json)
    if format_ is Format.json:
        output.emit_json("mlcli.history/1", model=model, entries=entries)
        return
    if format_ is Format.jsonl:
        for entry in entries:
            output.out(output.json_line(entry))
        return
    rows = [
        [
            Cell(
                words.stamp(entry.at) if format_ is Format.table else entry.at.isoformat().replace("+00:00", "Z"),
                "dim",
            ),
            Cell(f"{model}@{entry.version}" if entry.version else "-", "accent"),
            Cell(_what(entry)),
            Cell(str(entry.by)),
            Cell((entry.commit or "-")[: 7 if format_ is Format.table else None]),
            Cell(entry.why),
        ]
        for entry in entries
    ]
    tables.table(format_, ["when", "version", "what", "who", "at commit", "why"], rows, header=header, spare=[4])


def _what(entry: Entry) -> str:
    if entry.action != "moved":
        return entry.action
    archived = f", archived {', '.join(map(str, entry.archived))}" if entry.archived else ""
    return f"{entry.from_stage} -> {entry.to_stage}{archived}"
