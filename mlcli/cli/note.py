"""mlcli note: write a note on a run."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import RunRef


def command(
    ref: RunRef,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; '' removes it.")],
) -> None:
    """Write a note on a run; it replaces the one that was there."""
    from .. import tracking
    from ..lookup import find_run
    from ..workspace import Workspace

    workspace = Workspace.find()
    run = tracking.set_note(workspace, find_run(workspace, ref).id, text)
    output.out(f"{run.id[:8]} {output.escaped(run.name)}: {output.escaped(run.note) or 'no note'}")
