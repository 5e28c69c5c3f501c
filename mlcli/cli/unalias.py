"""mlcli unalias: take an alias away."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import Json, Why


def command(
    ref: Annotated[str, typer.Argument(metavar="MODEL@ALIAS", help="The alias, as iris@champion.")],
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Take an alias from the version that has it; the version stays."""
    from ..registry import unalias
    from ..workspace import Workspace

    done = unalias(Workspace.find(), ref, why=why)
    if as_json:
        output.emit_json(
            "mlcli.aliased/1", model=done.version.model, alias=done.alias, version=None, before=done.before, made=True
        )
        return
    output.out(f"{output.escaped(f'{done.version.model}@{done.alias}')} names nothing now (was {done.version.ref})")
