"""mlcli register: a run's model as the next version of a name."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, words
from .options import Json, Why


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name to register under.")],
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN[:ARTIFACT]]", help="The run, and which artifact; none: the newest that has a model."
        ),
    ] = None,
    artifact: Annotated[
        str | None, typer.Option("--artifact", metavar="PATH", help="Which artifact of the run.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Registered already is fine: for Makefiles.")] = False,
    require_pushed: Annotated[
        bool, typer.Option("--require-pushed", help="Refuse a run whose commit no remote has.")
    ] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Register a run's model as the next version of a name; the version carries the whole run document."""
    from ..registry import register
    from ..workspace import Workspace

    workspace = Workspace.find()
    done = register(workspace, model, run, artifact=artifact, why=why, once=once, pushed=require_pushed)
    version = done.version
    if as_json:
        output.emit_json("mlcli.registered/1", version=version, made=done.made)
        return
    described = version.artifact
    digest = described.digest if described else version.files[0].digest
    already = "" if done.made else " (registered already)"
    output.out(
        f"{output.paint(version.ref, 'accent')} <- run {version.run.id[:8]} {output.escaped(version.path)}"
        f" {words.short_digest(digest)}{already}"
    )
    if version.run.git.dirty and done.made:
        output.warning("its run was made from uncommitted code: check will refuse it in Staging and Production")
    output.next_step(f"mlcli promote {version.ref} staging")
