"""mlcli rm: move runs to the trash."""

from __future__ import annotations

from . import output
from .options import RunRefs


def command(refs: RunRefs) -> None:
    """Move runs and their files to .mlruns/trash; refused where a model version stands on one."""
    from ..tracking import remove
    from ..workspace import Workspace

    for run in remove(Workspace.find(), refs):
        output.out(f"{run.id[:8]} {output.escaped(run.name)} moved to .mlruns/trash")
