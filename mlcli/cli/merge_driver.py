"""mlcli merge-driver: what `git merge` calls where `mlcli init --merge-driver` set it up."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from . import output


def command(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILES", help="Base, ours, theirs and the path, as %O %A %B %P.")
    ] = None,
    finish: Annotated[
        int | None, typer.Option("--finish", help="Finish the merge that git has just made; 1: it was squashed.")
    ] = None,
) -> None:
    """Merge two sides of a document of the registry into the second file.

    Exit code 1, with that file as it was, where it has to be a conflict.
    """
    from ..errors import UsageError

    if finish is not None:
        _finish(squash=finish == 1)
    elif files is None or len(files) != 4:
        raise UsageError("git calls this, with four files", "mlcli init --merge-driver")
    elif not _merge(*files[1:]):
        raise typer.Exit(1)


def _merge(ours: str, theirs: str, path: str) -> bool:
    from ..merging import merged
    from ..workspace import Workspace

    above, store, name = f"/{path}".rpartition("/.mlruns/")
    if not store:
        return False
    with open(ours, "rb") as file, open(theirs, "rb") as other:
        mine, others = file.read(), other.read()
    found = merged(Workspace.find(os.path.join(os.getcwd(), above.lstrip("/"))), name, mine, others)
    if found is not None and found != mine:
        with open(ours, "wb") as file:
            file.write(found)
    return found is not None


def _finish(*, squash: bool) -> None:
    from ..merging import finish_merge

    for line in finish_merge(os.getcwd(), squash=squash):
        output.err(f"mlcli: {output.escaped(line)}")
