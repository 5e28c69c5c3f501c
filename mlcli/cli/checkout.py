"""mlcli checkout: the exact source of a run or version, in a directory of its own."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from . import output, words
from .options import Json

if TYPE_CHECKING:
    from ..checkout import CheckedOut


def command(
    ref: Annotated[str, typer.Argument(metavar="REF", help="A run, a version, or a commit, branch or tag.")],
    directory: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help="Where to; by default beside the repository.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take it away again: REF is the same, or its directory.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --remove: although files in it were changed.")] = False,
    as_json: Json = False,
) -> None:
    """Put the exact source of a run or version into a directory of its own, and say where: cd "$(mlcli checkout REF)".

    It is a linked worktree of the repository; yours is not touched.
    """
    from .. import checkout
    from ..errors import UsageError
    from ..workspace import Workspace

    if force and not remove:
        raise UsageError("--force goes with --remove", "mlcli checkout --help")
    workspace = Workspace.find()
    if remove:
        gone = checkout.remove(workspace, ref, directory, force=force)
        if as_json:
            output.emit_json(
                "mlcli.checkout/1", directory=gone, removed=True, made=False, commit=None, unkept=None, **_LISTS
            )
            return
        output.err(f"removed {output.escaped(gone)}")
        return
    done = checkout.checkout(workspace, ref, directory)
    if as_json:
        fields = {name: getattr(done, name) for name in done.__struct_fields__}
        output.emit_json("mlcli.checkout/1", **fields, removed=False)
        return
    _told(done)
    output.out(output.escaped(done.directory))
    output.next_step(f"cd {shlex.quote(done.directory)}   ·   mlcli checkout --remove {shlex.quote(done.directory)}")


_LISTS: dict[str, list[str]] = {"changed": [], "left_out": [], "nested": [], "missing": []}


def _told(done: CheckedOut) -> None:
    if not done.made:
        changed = f", with {words.counted(len(done.changed), 'file')} changed in it" if done.changed else ""
        output.err(f"it is there already{changed}")
    if done.unkept:
        output.warning(f"uncommitted changes that the run was made with are not in it: {done.unkept}")
    for what, paths in (
        ("the snapshot left out", done.left_out),
        ("a repository of its own is not in it:", done.nested),
        ("a submodule is not in it:", done.missing),
    ):
        for path in paths[:10]:
            output.warning(f"{what} {path}")
        if len(paths) > 10:
            output.warning(f"{what} {len(paths) - 10} more")
