"""mlcli tag: set or remove tags of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import RunRef
from .pairs import pairs


def command(
    ref: RunRef,
    values: Annotated[list[str], typer.Argument(metavar="K=V...", help="Tags and their values.")] = [],  # noqa: B006
    delete: Annotated[list[str], typer.Option("--delete", "-d", metavar="K", help="Remove a tag.")] = [],  # noqa: B006
) -> None:
    """Set tags of a run, or remove them: mlcli tag @ team=vision --delete draft."""
    from .. import tracking
    from ..errors import UsageError
    from ..lookup import find_run
    from ..workspace import Workspace

    if not values and not delete:
        raise UsageError("tag needs K=V, or --delete K", "mlcli tag @ team=vision")
    workspace = Workspace.find()
    given = pairs(values, "tag")
    run = find_run(workspace, ref)
    if given:
        run = tracking.set_tags(workspace, run.id, given)
    if delete:
        run = tracking.remove_tags(workspace, run.id, delete)
    shown = " ".join(f"{key}={value}" for key, value in run.tags.items()) or "no tags"
    output.out(f"{run.id[:8]} {output.escaped(run.name)}: {output.escaped(shown)}")
