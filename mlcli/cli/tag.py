"""mlcli tag: set or remove tags of a run or a model version."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import RunOrVersion
from .pairs import pairs


def command(
    ref: RunOrVersion,
    values: Annotated[list[str], typer.Argument(metavar="K=V...", help="Tags and their values.")] = [],  # noqa: B006
    delete: Annotated[list[str], typer.Option("--delete", "-d", metavar="K", help="Remove a tag.")] = [],  # noqa: B006
) -> None:
    """Set tags of a run or a model version, or remove them: mlcli tag @ team=vision --delete draft."""
    from .. import registry, tracking
    from ..domain.model import ModelVersion
    from ..errors import UsageError
    from ..lookup import find_run_or_version
    from ..workspace import Workspace

    if not values and not delete:
        raise UsageError("tag needs K=V, or --delete K", "mlcli tag @ team=vision")
    workspace = Workspace.find()
    given = pairs(values, "tag")
    found = find_run_or_version(workspace, ref)
    if isinstance(found, ModelVersion):
        tags, named = registry.tag(workspace, found.ref, given, delete=delete).tags, found.ref
    else:
        run = tracking.set_tags(workspace, found.id, given) if given else found
        tags = (tracking.remove_tags(workspace, run.id, delete) if delete else run).tags
        named = f"{run.id[:8]} {run.name}"
    shown = " ".join(f"{key}={value}" for key, value in tags.items()) or "no tags"
    output.out(f"{output.escaped(named)}: {output.escaped(shown)}")
