"""mlcli rollback: the version before comes back to a stage."""

from __future__ import annotations

from typing import Annotated

import typer

from . import promote
from .options import Json, Why


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model.")],
    stage: Annotated[str | None, typer.Argument(metavar="[STAGE]", help="Production, unless another is named.")] = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Bring back the version that stood in a stage before the one that does now; again, the one before that.

    It is one more transition: nothing is taken from the history. Gates are not asked, as it stood there before.
    """
    from ..registry import rollback
    from ..workspace import Workspace

    workspace = Workspace.find()
    promote.told(workspace, rollback(workspace, model, stage, why=why), as_json=as_json)
