"""mlcli check: whether every link holds."""

from __future__ import annotations

from typing import Annotated

import typer

from .checkup import Asked, check
from .findings import CheckFormat
from .options import Json


def command(
    refs: Annotated[
        list[str], typer.Argument(metavar="[REF...]", help="Versions or models; none: every version.")
    ] = [],  # noqa: B006
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="STAGE", help="Only what stands in this stage.")
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="Read the registry as git is about to commit it.")] = False,
    signed: Annotated[bool, typer.Option("--signed", help="Whatever was done must carry a good signature.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings answer no, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where all is well.")] = False,
    format_: Annotated[
        CheckFormat, typer.Option("--format", help="text, json, github, gitlab, sarif or junit.")
    ] = CheckFormat.text,
    as_json: Json = False,
) -> None:
    """Verify that every registered version leads to a run that finished, a commit that is on a branch, clean code, and files that match their digests, and that names, history and gates agree.

    Exit code 1 where an error is found: a link is broken, or a version in Staging or Production cannot be led back.
    """  # noqa: E501
    asked = Asked(
        refs=list(refs),
        stage=stage,
        staged=staged,
        signed=signed,
        strict=strict,
        quiet=quiet,
        format_=format_,
        as_json=as_json,
    )
    raise typer.Exit(check(asked))
