"""mlcli rm: move runs and versions to the trash."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, words
from .options import Json, Why


def command(
    refs: Annotated[
        list[str], typer.Argument(metavar="REF...", help="Runs (ids or prefixes, names, @), or versions (iris@3).")
    ],
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Move runs with their files, and model versions, to the trash; `mlcli restore` brings them back.

    Refused where a version stands on a run, or a version in Staging or Production. A version's number is never used
    again; its history tells who removed it.
    """
    from ..trash import remove
    from ..workspace import Workspace

    gone = remove(Workspace.find(), refs, why=why)
    if as_json:
        output.emit_json("mlcli.removed/1", removed=[words.reference(each) for each in gone])
        return
    for each in gone:
        output.out(f"{output.paint(words.called(each), 'accent')} moved to the trash")
    output.next_step(f"mlcli restore {words.reference(gone[0])[:32]}   brings it back")
