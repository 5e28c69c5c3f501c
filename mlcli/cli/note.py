"""mlcli note: write a note on a run or a model version."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import RunOrVersion


def command(
    ref: RunOrVersion,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; '' removes it.")],
) -> None:
    """Write a note on a run or a model version; it replaces the one that was there."""
    from .. import registry, tracking
    from ..domain.model import ModelVersion
    from ..lookup import find_run_or_version
    from ..workspace import Workspace

    workspace = Workspace.find()
    found = find_run_or_version(workspace, ref)
    if isinstance(found, ModelVersion):
        named, note = found.ref, registry.note(workspace, found.ref, text).note
    else:
        run = tracking.set_note(workspace, found.id, text)
        named, note = f"{run.id[:8]} {run.name}", run.note
    output.out(f"{output.escaped(named)}: {output.escaped(note) or 'no note'}")
