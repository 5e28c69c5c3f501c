"""mlcli alias: a movable name for a model version."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import Json, VersionArgument, Why


def command(
    ref: VersionArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A word, as champion: iris@champion names it then.")],
    once: Annotated[bool, typer.Option("--once", help="Given already is fine: for Makefiles.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Let an alias name a version; it leaves the one that had it. Any number of aliases may name one version."""
    from ..registry import alias
    from ..workspace import Workspace

    done = alias(Workspace.find(), ref, name, why=why, once=once)
    if as_json:
        output.emit_json(
            "mlcli.aliased/1",
            model=done.version.model,
            alias=done.alias,
            version=done.version.number,
            before=done.before,
            made=done.made,
        )
        return
    named = output.paint(f"{done.version.model}@{done.alias}", "accent")
    if not done.made:
        output.out(f"{named} is {done.version.ref} already")
        return
    before = f" (was {done.version.model}@{done.before})" if done.before and done.before != done.version.number else ""
    output.out(f"{named} -> {output.escaped(done.version.ref)}{output.escaped(before)}")
