"""mlcli diff: what differs between two runs, versions or commits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import output, words
from .options import Json
from .pager import show_paged

if TYPE_CHECKING:
    from ..difference import Change, CodeChange, Difference, Side
    from ..gitrepo.changes import ChangedFile
    from ..workspace import Workspace

FEW = 20  # inputs or packages that differ: there may be thousands
A = "A version (iris@3, iris@production), a run, a file, sha256:…, a commit or branch; @1 if none."
B = "The other, as A; @, the newest run, if none."
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": (" ", "")}


def command(
    a: Annotated[str, typer.Argument(metavar="[A]", help=A)] = "@1",
    b: Annotated[str, typer.Argument(metavar="[B]", help=B)] = "@",
    stat: Annotated[bool, typer.Option("--stat", help="Only which files of the code differ.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Only the patch of the code; on a pipe as git apply takes it.")
    ] = False,
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Do not show it a screen at a time.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what differs from A to B: code, params, metrics, inputs, environment."""
    from ..difference import difference, patch_of
    from ..errors import NotFound
    from ..workspace import Workspace

    workspace = Workspace.find()
    found = difference(workspace, a, b)
    for side in (found.a, found.b):
        if side.unkept:
            output.warning(f"what was not committed for {side.name} is not compared: {side.unkept}")
    if as_json:
        patch = patch_of(workspace, found, binary=True).decode("utf-8", "backslashreplace") if code else None
        output.emit_json("mlcli.diff/1", **_told(found), patch=patch)
        return
    if (stat or code) and found.reason:
        raise NotFound(f"the code cannot be compared: {found.reason}", found.hint)
    if code and not stat and not sys.stdout.isatty():
        _write_raw(patch_of(workspace, found, binary=True))
        return
    same = "no difference in the code" if stat or code else "no difference"
    show_paged(list(_lines(workspace, found, stat=stat, code=code)) or [same], paged=not no_pager)


def _told(found: Difference) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def _write_raw(patch: bytes) -> None:
    from ..errors import WriteFailed

    try:
        sys.stdout.buffer.write(patch)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise WriteFailed(f"cannot write the answer: {fault.strerror}") from None


def _lines(workspace: Workspace, found: Difference, *, stat: bool, code: bool) -> Iterator[str]:
    from ..difference import patch_of

    everything = not (stat or code)
    if found.same and everything:
        return
    if everything:
        yield f"{output.paint(found.a.name, 'accent')} -> {output.paint(found.b.name, 'accent')}"
    if found.reason:
        yield from _heading("code")
        yield output.paint(f"  cannot be compared: {found.reason}", "yellow")
        yield from [f"  {output.paint('hint:', 'cyan')} {output.escaped(found.hint)}"] if found.hint else []
    if found.code and (found.code.files or found.code.beside):
        if everything:
            yield from _heading(f"code {code_name(found.a)} -> {code_name(found.b)}")
        yield from _stand_ins(found.code, found.a, found.b)
        yield from _executed(found)
        if stat or everything:
            yield from _files(found.code)
        if code or everything:
            yield from [""] if stat or everything else []
            yield from patch_lines(patch_of(workspace, found))
    if everything:
        yield from _section("params", found.params, words.told_value)
        yield from _section("metrics", found.metrics, words.number, _delta)
        yield from _section("inputs", found.inputs[:FEW], words.short_digest)
        if len(found.inputs) > FEW:
            yield output.paint(f"  ({len(found.inputs) - FEW} more inputs differ: --json)", "dim")
        yield from _environment(found.environment)


def code_name(side: Side) -> str:
    """The commit of a side's code, and what it is kept on top of: 3f7dea9 (uncommitted, on f020328)."""
    on = f" (uncommitted, on {side.base[:7]})" if side.base else ""
    return f"{side.commit[:7]}{on}" if side.commit else "-"


def _stand_ins(code: CodeChange, *sides: Side) -> Iterator[str]:
    for side, commit in zip(sides, (code.from_commit, code.to_commit), strict=True):
        if side.commit and side.commit != commit:
            told = f"  {side.commit[:7]} is not in this repository: shown is {commit[:7]}, which has the same files"
            yield output.paint(told, "yellow")


def _executed(found: Difference) -> Iterator[str]:
    """What of the code was executed: the same, or which files of it differ."""
    if found.executed is None:
        return
    if found.executed.same:
        yield output.paint("  what was executed is the same", "dim")
        return
    names = [output.escaped(change.key) for change in found.executed.files]
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    yield f"  executed: {', '.join(names[:FEW])}{more}"


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield output.paint(text, "bold")


def _files(code: CodeChange) -> Iterator[str]:
    names = [output.escaped(_name(file)) for file in code.files]
    wide = min(60, max(map(len, names), default=0))
    for file, name in zip(code.files, names, strict=True):
        yield f"  {name:<{wide}}  {_status(file)}".rstrip()
    if code.beside:
        yield output.paint("  not in the commits:", "dim")
        yield from _changes(code.beside, _short)


def _short(name: str) -> str:
    """A digest, a commit or a size."""
    return words.short_digest(name) if ":" in name else name[:7] if len(name) >= 40 else name


def _name(file: ChangedFile) -> str:
    return f"{file.was} -> {file.path}" if file.was else file.path


def _status(file: ChangedFile) -> str:
    parts = [] if file.status == "changed" else [output.paint(file.status, "yellow")]
    if "160000" in {file.mode_a, file.mode_b}:
        commits = " -> ".join(blob[:7] if blob else "-" for blob in (file.blob_a, file.blob_b))
        return " ".join([*parts, f"submodule {commits}"])
    if file.binary:
        parts.append("binary")
    if file.added:
        parts.append(output.paint(f"+{file.added}", "green"))
    if file.removed:
        parts.append(output.paint(f"-{file.removed}", "red"))
    if file.mode_a and file.mode_b and file.mode_a != file.mode_b:
        parts.append(f"{file.mode_a} -> {file.mode_b}")
    return " ".join(parts)


def patch_lines(patch: bytes) -> Iterator[str]:
    """A patch as people read it: each line escaped, in git's colours."""
    # Whether to colour is asked once: a patch may have a million lines.
    brushes = {style: output.paint("|", style).split("|") for style in ("green", "red", "cyan", "bold", "")}
    in_hunk = False
    for raw in patch.removesuffix(b"\n").split(b"\n") if patch else ():
        line = raw.decode("utf-8", "backslashreplace")
        if line.startswith("diff --git "):
            in_hunk = False
        style = {"+": "green", "-": "red"}.get(line[:1], "") if in_hunk else "bold"
        if line.startswith("@@ "):
            in_hunk, style = True, "cyan"
        before, after = brushes[style]
        # A tab moves no further than a blank does; what else a terminal would obey is spelled out.
        shown = "\t".join(map(output.escaped, line.split("\t"))) if "\t" in line else output.escaped(line)
        yield f"{before}{shown}{after}" if shown else ""


def _section(
    name: str, changes: Sequence[Change], told: Callable[[Any], str], more: Callable[[Change], str] = lambda _: ""
) -> Iterator[str]:
    if changes:
        yield from _heading(name)
        yield from _changes(changes, told, more=more)


def _environment(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        return
    packages = [change for change in changes if change.key.startswith("packages.")]
    yield from _heading("environment")
    shown = [change for change in changes if change not in packages] + packages[:FEW]
    yield from _changes(shown, words.told_value, [_plain(change.key) for change in shown])
    if len(packages) > FEW:
        yield output.paint(f"  ({len(packages) - FEW} more packages differ: --json)", "dim")


def _plain(key: str) -> str:
    return key.removeprefix("packages.").removeprefix("variables.")


def _changes(
    changes: Sequence[Change],
    told: Callable[[Any], str],
    names: Sequence[str] | None = None,
    more: Callable[[Change], str] = lambda _: "",
) -> Iterator[str]:
    names = [output.escaped(name) for name in names or [change.key for change in changes]]
    wide = min(40, max(map(len, names), default=0))
    for change, name in zip(changes, names, strict=True):
        sign, style = _SIGNS[change.how]
        sides = [told(value) for value, absent in ((change.a, "added"), (change.b, "removed")) if change.how != absent]
        yield f"  {output.paint(sign, style)} {name:<{wide}}  {output.escaped(' -> '.join(sides))}{more(change)}"


def _delta(change: Change) -> str:
    if change.how != "changed":
        return ""
    return output.paint(f"  {words.signed(change.b - change.a)}", "dim")
