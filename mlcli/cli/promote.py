"""mlcli promote: move a model version to a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output, words
from .options import Json, VersionArgument, Why

if TYPE_CHECKING:
    from ..domain.run import Run
    from ..registry import Promoted
    from ..workspace import Workspace


def command(
    ref: VersionArgument,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="None, Staging, Production or Archived, in any case.")],
    keep: Annotated[bool, typer.Option("--keep", help="Do not archive the version it replaces.")] = False,
    once: Annotated[bool, typer.Option("--once", help="There already, or further, is fine: for Makefiles.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Past its gates, where the stage allows that; needs -m, and check tells it.")
    ] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Move a model version to a stage, if the stage's gates let it pass: one event is appended; the version it replaces there is archived.

    Gates are set in pyproject.toml: [tool.mlcli.stages.production] require = ["clean", "metrics.accuracy >= current"].
    """  # noqa: E501
    from ..registry import promote
    from ..workspace import Workspace

    workspace = Workspace.find()
    told(workspace, promote(workspace, ref, stage, why=why, keep=keep, once=once, force=force), as_json=as_json)


def told(workspace: Workspace, done: Promoted, *, as_json: bool) -> None:
    """What moved where, what it replaced, what that changed, and how to share it."""
    if as_json:
        output.emit_json(
            "mlcli.promoted/1",
            model=done.version.model,
            version=done.version.number,
            from_stage=done.from_stage,
            to_stage=done.to_stage,
            archived=[version.number for version in done.archived],
            gates=done.gates,
            forced=done.forced,
            signed=done.signed,
            made=done.made,
        )
        return
    if not done.made:
        output.out(f"{output.paint(done.version.ref, 'accent')} is in {done.to_stage} already")
        return
    replaced = f" (archived {', '.join(version.ref for version in done.archived)})" if done.archived else ""
    passed = f", {words.counted(len(done.gates), 'gate')} passed" if done.gates else ""
    signed = ", signed" if done.signed else ""
    output.out(
        f"{output.paint(done.version.ref, 'accent')}: {done.from_stage} -> {done.to_stage}"
        f"{output.escaped(replaced)}{passed}{signed}"
    )
    for gate, found in done.forced.items():
        output.warning(f"forced past {gate}: {found}")
    if done.replaced is not None:
        _changes(done.version.run, done.replaced.run)
    if workspace.head() is not None:
        output.next_step(words.share(f"Promote {done.version.ref} to {done.to_stage}"))


def _changes(run: Run, before: Run) -> None:
    told = []
    for key, metric in run.metrics.items():
        old = before.metrics.get(key)
        if old is not None and old.last == old.last and metric.last == metric.last:
            told.append(f"{output.escaped(key)} {words.number(old.last)} -> {words.number(metric.last)}")
    if told:
        output.out("  " + "   ".join(told))
