"""mlcli promote: move a model version to a stage."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, words
from .options import Json, Why


def command(
    ref: Annotated[str, typer.Argument(metavar="MODEL@VERSION", help="iris@3, iris@staging, or iris for its newest.")],
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="None, Staging, Production or Archived, in any case.")],
    keep: Annotated[bool, typer.Option("--keep", help="Do not archive the version it replaces.")] = False,
    once: Annotated[bool, typer.Option("--once", help="There already, or further, is fine: for Makefiles.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Move a model version to a stage: one event is appended; the version it replaces there is archived."""
    from ..registry import promote
    from ..workspace import Workspace

    workspace = Workspace.find()
    done = promote(workspace, ref, stage, why=why, keep=keep, once=once)
    if as_json:
        output.emit_json(
            "mlcli.promoted/1",
            model=done.version.model,
            version=done.version.number,
            from_stage=done.from_stage,
            to_stage=done.to_stage,
            archived=[version.number for version in done.archived],
            made=done.made,
        )
        return
    if not done.made:
        output.out(f"{output.paint(done.version.ref, 'accent')} is in {done.to_stage} already")
        return
    replaced = f" (archived {', '.join(version.ref for version in done.archived)})" if done.archived else ""
    output.out(
        f"{output.paint(done.version.ref, 'accent')}: {done.from_stage} -> {done.to_stage}{output.escaped(replaced)}"
    )
    if done.replaced is not None:
        _changes(done.version.run, done.replaced.run)
    if workspace.head() is not None:
        output.next_step(f"git add .mlruns && git commit -m 'Promote {done.version.ref} to {done.to_stage}'")


def _changes(run, before) -> None:  # type: ignore[no-untyped-def]
    told = []
    for key, metric in run.metrics.items():
        old = before.metrics.get(key)
        if old is not None and old.last == old.last and metric.last == metric.last:
            told.append(f"{output.escaped(key)} {words.number(old.last)} -> {words.number(metric.last)}")
    if told:
        output.out("  " + "   ".join(told))
