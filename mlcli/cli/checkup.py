"""What `mlcli check` does, whoever read its command line."""

from __future__ import annotations

from msgspec import Struct

from . import output
from .findings import WRITERS, CheckFormat, Told, place_in


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line says."""

    refs: list[str] = []
    stage: str | None = None
    staged: bool = False
    signed: bool = False
    strict: bool = False
    quiet: bool = False
    format_: CheckFormat = CheckFormat.text
    as_json: bool = False


def check(asked: Asked) -> int:
    """Check, tell what was found, and answer with the exit code."""
    from ..checking import Report
    from ..checking import check as checked
    from ..domain.stage import Stage
    from ..errors import GitError
    from ..workspace import Workspace

    workspace = Workspace.find()
    only = Stage.parse(asked.stage) if asked.stage is not None else None
    if asked.staged:
        workspace = workspace.staged()
    report = Report(versions=[], findings=[])
    if asked.refs or workspace.store.is_made() or workspace.store.models():
        report = checked(workspace, asked.refs, stage=only, signed=asked.signed)
    try:
        root = workspace.repository.root
    except GitError:
        root = None
    told = Told(
        report=report,
        strict=asked.strict,
        stage=str(only) if only else None,
        store=place_in(root, workspace.store.root),
    )
    form = CheckFormat.json if asked.as_json else asked.format_
    if not (asked.quiet and told.passed and form is CheckFormat.text) and (lines := WRITERS[form](told)):
        output.out(lines)
    return 0 if told.passed else 1
