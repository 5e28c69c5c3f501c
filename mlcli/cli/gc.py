"""mlcli gc: empty the trash, and drop content that nothing cites."""

from __future__ import annotations

from typing import Annotated

import typer

from . import output, words
from .options import Json


def command(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="What was removed longer ago: 12h, 30 days; 0 for all.")
    ] = "1 day",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and take nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Empty the trash of what was removed more than a day ago, and drop content that nothing cites.

    Content goes through the trash, so that it takes two such times to go for good. Never taken is what a run, a
    version here or on any branch, tag or stash, or a running process refers to; others may write meanwhile.
    """
    from ..domain.values import duration
    from ..trash import collect
    from ..workspace import Workspace

    done = collect(Workspace.find(), older_than=duration(older_than), dry_run=dry_run)
    if as_json:
        output.emit_json("mlcli.gc/1", dry_run=dry_run, **{key: getattr(done, key) for key in done.__struct_fields__})
        return
    counted = (
        *((len(done.runs), "run"), (len(done.versions), "version")),
        *((done.objects, "object"), (done.commits, "kept commit")),
    )
    told = ", ".join(words.counted(count, what) for count, what in counted if count)
    verb = "would delete" if dry_run else "deleted"
    output.out(f"{verb} {told} ({words.size(done.bytes)})" if told else f"{verb} nothing")
    if done.left or done.waiting:
        lately = ((done.left, "removal"), (done.waiting, "unused object"))
        stays = " and ".join(words.counted(count, what) for count, what in lately if count)
        output.err(f"{stays} younger than {output.escaped(older_than)} stay; mlcli gc --older-than 0 takes all")
