"""mlcli check-files: whether what is about to be committed belongs into git; the hook mlcli-no-artifacts."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="[FILE...]", help="Files, as they are staged; none: all that is staged.")
    ] = [],  # noqa: B006
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="Refuse files above this, as 10MB.")
    ] = "10 MB",
) -> None:
    """Refuse to commit a model that no registered version knows, a large file, or what belongs to runs.

    What git's index holds is judged, not what lies in the working tree. Exit code 1 where a file is refused.
    """
    from ..stray import strays
    from ..workspace import Workspace
    from .findings import lines_of

    found = strays(Workspace.find(), paths, limit=max_size)
    for line in lines_of(found):
        output.out(line)
    raise typer.Exit(1 if found else 0)
