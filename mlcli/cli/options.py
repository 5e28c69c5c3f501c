"""Parameters that several commands share, named once."""

from __future__ import annotations

from typing import Annotated

import typer

from .tables import Format

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Ids only.")]
AsFormat = Annotated[
    Format,
    typer.Option("--format", help="table, plain, json, jsonl, csv or md; auto: table on a terminal, else plain."),
]
Header = Annotated[bool, typer.Option("--header", help="Name the columns in plain output too.")]
Why = Annotated[str, typer.Option("--why", "-m", metavar="WHY", help="Why; kept in the history.")]
VersionArgument = Annotated[
    str, typer.Argument(metavar="MODEL@VERSION", help="iris@3, iris@staging, iris@champion, or iris for its newest.")
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="As it stood then: 2026-10-01, '2026-10-01 12:00', '2 weeks ago'; UTC."),
]
RunOrVersion = Annotated[
    str, typer.Argument(metavar="REF", help="A run (id, prefix, name, @, @1) or a model version (iris@3).")
]
RunRef = Annotated[
    str, typer.Argument(metavar="REF", help="A run: its id or a prefix, its name, @, @1, best:accuracy.")
]
RunRefs = Annotated[
    list[str], typer.Argument(metavar="REF...", help="Runs: ids or prefixes, names, @, @1, best:accuracy.")
]
AnyRef = Annotated[
    str,
    typer.Argument(
        metavar="REF", help="A version (iris@3, iris@production), a run, a file, sha256:…, a commit or branch."
    ),
]
