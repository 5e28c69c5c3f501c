"""mlcli history: who registered and moved a model's versions, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output, tables, words
from .options import AsFormat, At, Header, Json
from .tables import Cell, Format

if TYPE_CHECKING:
    from datetime import datetime

    from ..errors import MlcliError
    from ..registry import Entry, Standing


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model.")],
    at: At = None,
    format_: AsFormat = Format.auto,
    header: Header = False,
    as_json: Json = False,
) -> None:
    """Tell who registered and moved a model's versions, when, why and at which commit, newest first.

    With --at, what each stage and alias stood for at that time, and who put it there.
    """
    from ..registry import history, standing_at
    from ..workspace import Workspace
    from .times import moment

    workspace = Workspace.find()
    if (then := moment(workspace, at)) is not None:
        found = standing_at(workspace, model, then)
        _standing(model, then, found, tables.chosen(format_, as_json=as_json), header=header)
        return
    problems: list[MlcliError] = []
    entries = history(workspace, model, problems)
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
            Cell(what(entry)),
            Cell(str(entry.by)),
            Cell((entry.commit or "-")[: 7 if format_ is Format.table else None]),
            Cell(entry.why),
        ]
        for entry in entries
    ]
    tables.table(format_, ["when", "version", "what", "who", "at commit", "why"], rows, header=header, spare=[4])


def what(entry: Entry) -> str:
    """What an entry of a history says that happened."""
    if entry.action in {"aliased", "unaliased"}:
        return f"{entry.action} {entry.alias}"
    if entry.action == "tagged":
        return "tagged " + " ".join(f"{k}={v}" if v is not None else f"-{k}" for k, v in entry.tags.items())
    if entry.action != "moved":
        return entry.action
    archived = f", archived {', '.join(map(str, entry.archived))}" if entry.archived else ""
    forced = f", forced past {', '.join(entry.forced)}" if entry.forced else ""
    back = "back: " if entry.rollback else ""
    return f"{back}{entry.from_stage} -> {entry.to_stage}{archived}{forced}{', signed' if entry.signed else ''}"


def _standing(model: str, at: datetime, found: list[Standing], format_: Format, *, header: bool) -> None:
    """What a model's names stood for at a time."""
    if format_ is Format.json:
        output.emit_json("mlcli.standing/1", model=model, at=at, standing=found)
        return
    if format_ is Format.jsonl:
        for each in found:
            output.out(output.json_line(each))
        return
    if not found:
        output.err(f"no stage and no alias of {output.escaped(model)} named a version at {words.stamp(at)} UTC")
        return
    rows = [
        [
            Cell(each.name if each.kind == "alias" else each.name.capitalize(), "green"),
            Cell(f"{model}@{each.number}" if each.number else each.version[7:19], "accent"),
            Cell(
                words.stamp(each.since) if format_ is Format.table else each.since.isoformat().replace("+00:00", "Z"),
                "dim",
            ),
            Cell(str(each.by)),
            Cell((each.commit or "-")[: 7 if format_ is Format.table else None]),
            Cell(each.why),
        ]
        for each in found
    ]
    tables.table(format_, ["name", "version", "since", "who", "at commit", "why"], rows, header=header, spare=[4])
