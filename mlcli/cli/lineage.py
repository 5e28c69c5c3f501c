"""mlcli lineage: what a version, run, file or commit came from, and what came of it."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import output
from .options import AnyRef, Json

if TYPE_CHECKING:
    from ..errors import MlcliError
    from ..lineage import Descendant, Lineage, Link, Origin

_DEEPEST = 100  # many readers of JSON go no deeper; the graph has all


class Form(str, Enum):
    """How a lineage is written; beside the first two, those of `export`."""

    tree = "tree"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"
    rocrate = "ro-crate"
    slsa = "slsa"
    cyclonedx = "cyclonedx"


# What a file is called in a directory, as its readers expect it.
_FILES = {
    Form.tree: "lineage.txt",
    Form.json: "lineage.json",
    Form.mermaid: "lineage.mmd",
    Form.dot: "lineage.dot",
    Form.rocrate: "ro-crate-metadata.json",
    Form.slsa: "provenance.intoto.json",
    Form.cyclonedx: "bom.cdx.json",
}


def command(
    ref: AnyRef,
    up: Annotated[bool, typer.Option("--up", help="Only what it came from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="tree, json, mermaid, dot, ro-crate, slsa or cyclonedx.")
    ] = Form.tree,
    to: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, or into this directory.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw what a version, run, file or commit came from, and the runs and versions that came of it."""
    from ..lineage import trace
    from ..workspace import Workspace

    problems: list[MlcliError] = []
    form = Form.json if as_json else form
    up, down = up or not down, down or not up
    workspace = Workspace.find()
    found = trace(workspace, ref, problems, up=up, down=down)
    output.warn_of(problems)
    if form is Form.rocrate and to is not None and _is_directory(to):
        from ..export import rocrate

        written = rocrate.write(workspace, found, to)
        output.out(f"{output.escaped(ref)} -> {output.escaped(to)}, {len(written)} files")
        return
    if to is not None:
        output.state.color = "never"
    told = _text(found, form, up=up, down=down, asked=ref)
    if to is None:
        output.out(told)
    else:
        output.out(f"{output.escaped(ref)} -> {output.escaped(_written(told, form, to))}")


def _text(found: Lineage, form: Form, *, up: bool, down: bool, asked: str) -> str:
    if form is Form.json:
        return output.json_text("mlcli.lineage/1", **_fields(found))
    if form is Form.tree:
        from .drawing import roots
        from .tree import lines

        return "\n".join(lines(roots(found, up=up, down=down, asked=asked)))
    from ..export import text

    return text(form.value, found)


def _written(text: str, form: Form, to: str) -> str:
    """Where the text was written."""
    from ..errors import WriteFailed

    path = os.path.join(to, _FILES[form]) if _is_directory(to) else to
    try:
        if to.endswith(os.sep):
            os.makedirs(to, exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text + "\n")
    except OSError as fault:
        raise WriteFailed(f"cannot write {path}: {fault.strerror}") from None
    return path


def _is_directory(to: str) -> bool:
    return to.endswith(os.sep) or os.path.isdir(to)


def _fields(found: Lineage) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "kind": found.kind,
        "digests": found.digests,
        "links": [_link_fields(link) for link in found.links],
        "downstream": [_descendant_fields(each) for each in found.downstream],
        "graph": found.graph,
    }


def _link_fields(link: Link) -> dict[str, Any]:
    version = link.version
    return {
        "version": version.ref if version else None,
        "stage": link.stage,
        "digest": (version.artifact.digest if version.artifact else None) if version else None,
        "registered_by": version.registered_by if version else None,
        "registered_at": version.registered_at if version else None,
        "run": link.run,
        "run_here": link.run_here,
        "artifacts": [
            {"path": file.path, "size": file.size, "digest": file.digest, "here": here}
            for file, here in zip(link.artifacts, link.here, strict=True)
        ],
        "reproductions": link.reproductions,
        "rewritten": link.rewritten,
        "upstream": [_origin_fields(origin) for origin in link.upstream],
    }


def _origin_fields(origin: Origin, depth: int = 1) -> dict[str, Any]:
    run = origin.run
    deepest = depth == _DEEPEST and bool(origin.upstream)
    return {
        "run": run.id,
        "name": run.name,
        "command": run.command,
        "commit": run.git.commit,
        "paths": origin.paths,
        "upstream": [] if deepest else [_origin_fields(above, depth + 1) for above in origin.upstream],
        "again": origin.again or deepest,
    }


def _descendant_fields(each: Descendant) -> dict[str, Any]:
    run = each.run
    return {
        "run": run.id,
        "name": run.name,
        "command": run.command,
        "commit": run.git.commit,
        "status": run.status,
        "of": each.of,
        "versions": [{"version": here.version.ref, "stage": here.stage} for here in each.versions],
    }
