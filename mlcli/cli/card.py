"""mlcli card: a model card, as Hugging Face reads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .options import AnyRef

if TYPE_CHECKING:
    from ..errors import MlcliError
    from ..export.card import Passage
    from ..workspace import Workspace


def command(
    ref: AnyRef,
    file: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there; a card that is there is replaced."),
    ] = None,
) -> None:
    """Write a model card: metrics, data, lineage, history and how to make it again, for people and for the Hub."""
    from ..export import card
    from ..lineage import trace
    from ..workspace import Workspace

    workspace = Workspace.find()
    problems: list[MlcliError] = []
    found = trace(workspace, ref, problems)
    version = card.version_of(found)
    told = _history(workspace, version.model, version.number, problems) if version else []
    text = card.document(found, told)
    output.warn_of(problems)
    if file is None:
        output.out(text)
        return
    _write(file, f"{text}\n", card.WRITTEN)


def _history(workspace: Workspace, model: str, number: int, problems: list[MlcliError]) -> list[Passage]:
    from ..export.card import Passage
    from ..registry import history
    from .history import what

    return [
        Passage(
            at=entry.at,
            by=entry.by,
            what=what(entry) if entry.version == number else f"archived for {model}@{entry.version}",
            why=entry.why,
        )
        for entry in history(workspace, model, problems)
        if entry.version == number or number in entry.archived
    ]


def _write(path: str, text: str, written: str) -> None:
    """Put a card where none of another hand is; Refused where something else is, WriteFailed where the disk says no."""
    from ..errors import Refused, WriteFailed

    try:
        if os.path.lexists(path) and written not in _beginning(path):
            raise Refused(
                f"{output.escaped(path)} is no card of mlcli, and is not replaced",
                f"name another file, or mlcli card … > {output.escaped(path)}",
            )
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as exc:
        raise WriteFailed(f"{output.escaped(path)} cannot be written: {exc.strerror}", "name another file") from exc


def _beginning(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.rstrip() for line in file.readlines(10_000)[:3]]
