"""mlcli scrub: take a value out of all that is kept of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, words
from .options import Json, RunRef, Why

if TYPE_CHECKING:
    from ..scrubbing import Scrubbed


def command(
    ref: RunRef,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="The value; - reads it from standard input, which no history keeps.")
    ],
    every: Annotated[bool, typer.Option("--all", help="Also out of other runs that share content with it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell where it is, and change nothing.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Take a value out of a run: its document, its output, the versions registered from it; content with it goes.

    Nothing brings it back. The run notes that it was scrubbed, a version's history too. What git holds of it, as
    uncommitted code that was kept, is told with the command that takes it out there.
    Exit code 1: the value is nowhere, or still lies somewhere.
    """
    from ..scrubbing import scrub
    from ..workspace import Workspace

    value = _read() if value == "-" else value
    done = scrub(Workspace.find(), ref, value, every=every, dry_run=dry_run, why=why)
    if as_json:
        kept = {key: getattr(done, key) for key in ("places", "also", "left")}
        output.emit_json("mlcli.scrubbed/1", run_id=done.run.id, dry_run=dry_run, **kept)
    else:
        _show(done, dry_run=dry_run)
    if done.left:
        raise typer.Exit(1)


def _read() -> str:
    """The value from standard input; on a terminal, without showing it."""
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("value: ")
    return sys.stdin.read().rstrip("\r\n")


def _show(done: Scrubbed, *, dry_run: bool) -> None:
    count = sum(place.count for place in done.places)
    where = ", ".join(f"{place.where} {place.count}" for place in done.places)
    verb = "would scrub" if dry_run else "scrubbed"
    more = f", and of {words.counted(len(done.also), 'other run')}" if done.also else ""
    told = f": {output.escaped(where)}" if where else ""
    output.out(f"{verb} {words.counted(count, 'place')} of run {done.run.id[:8]}{more}{told}")
    for each in done.left:
        output.warning(f"the value still lies in {each.where}", each.hint)
