"""mlcli doctor: examine the store."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output
from .options import Json


def command(
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended without guessing, and say what was done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every document, metric and artifact of the store; tell what is missing, altered, half or foreign.

    Exit code 1 where something serious is left.
    """
    from ..doctor import examined
    from ..workspace import Workspace

    found = examined(Workspace.find(), fix=fix)
    if as_json:
        output.emit_json(
            "mlcli.doctor/1", facts=found.facts, problems=found.problems, mended=found.mended, healthy=found.healthy
        )
        raise typer.Exit(0 if found.healthy else 1)
    for label, value in found.facts.items():
        output.out(f"{output.paint(f'{label:<10}', 'dim')} {output.escaped(value)}")
    for line in found.mended:
        output.out(f"{output.paint('mended', 'green')}     {output.escaped(line)}")
    for problem in found.problems:
        style = "red" if problem.serious else "yellow"
        output.out(
            f"{output.paint(problem.code, style)}  {output.escaped(problem.where)}: {output.escaped(problem.message)}"
        )
    if not found.problems:
        output.out(output.paint("all is well", "green"))
    elif any(problem.mendable for problem in found.problems):
        output.err(f"{output.paint('hint:', 'cyan')} mlcli doctor --fix")
    raise typer.Exit(0 if found.healthy else 1)
