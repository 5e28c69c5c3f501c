"""mlcli check: whether every link holds."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .options import Json

if TYPE_CHECKING:
    from ..checking import Report

_STYLE = {"error": "red", "warning": "yellow", "note": "dim"}


class CheckFormat(str, Enum):
    """How findings are written."""

    text = "text"
    json = "json"


def command(
    refs: Annotated[
        list[str], typer.Argument(metavar="[REF...]", help="Versions or models; none: every version.")
    ] = [],  # noqa: B006
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="STAGE", help="Only what stands in this stage.")
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="Read the registry as git is about to commit it.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings answer no, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where all is well.")] = False,
    format_: Annotated[CheckFormat, typer.Option("--format", help="text or json.")] = CheckFormat.text,
    as_json: Json = False,
) -> None:
    """Verify that every registered version leads to a run that finished, a commit that is on a branch, clean code, and files that match their digests.

    Exit code 1 where an error is found: a link is broken, or a version in Staging or Production cannot be led back.
    """  # noqa: E501
    from ..checking import Report, check
    from ..domain.stage import Stage
    from ..workspace import Workspace

    workspace = Workspace.find()
    only = Stage.parse(stage) if stage is not None else None
    if staged:
        workspace = workspace.staged()
    made = workspace.store.is_made() or bool(workspace.store.models())
    report = check(workspace, refs, stage=only) if made or refs else Report(versions=[], findings=[])
    answer = report.passed and not (strict and any(f.severity.value == "warning" for f in report.findings))
    if as_json or format_ is CheckFormat.json:
        output.emit_json("mlcli.check/1", passed=answer, versions=report.versions, findings=report.findings)
    elif not (quiet and answer):
        _told(report, stage=str(only) if only else None)
    raise typer.Exit(0 if answer else 1)


def _told(report: Report, *, stage: str | None) -> None:
    for finding in report.findings:
        severity = output.paint(f"{finding.severity.value:<7}", _STYLE[finding.severity.value])
        output.out(f"{severity} {finding.code}  {output.escaped(finding.subject)}: {output.escaped(finding.message)}")
        if finding.hint:
            output.out(f"        {output.paint('hint:', 'cyan')} {output.escaped(finding.hint)}")
    count = len(report.versions)
    of = f"{count} version{'s' if count != 1 else ''}" + (f" in {stage}" if stage else "")
    by = {kind: sum(1 for finding in report.findings if finding.severity.value == kind) for kind in _STYLE}
    told = ", ".join(f"{number} {kind}{'s' if number != 1 else ''}" for kind, number in by.items() if number)
    if not count and not report.findings:
        output.out(f"nothing to check: no version{f' in {stage}' if stage else ''}")
    elif by["error"] or by["warning"]:
        output.out(output.paint(f"{of}: {told}", "red" if by["error"] else "yellow"))
    else:
        notes = f" ({told})" if told else ""
        holds = "it leads" if count == 1 else "each leads"
        output.out(output.paint(f"{of}: {holds} to its run, commit and files{notes}", "green"))
