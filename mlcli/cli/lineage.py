"""mlcli lineage: the way back from a version, run, file or commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import output, words
from .options import AnyRef, Json

if TYPE_CHECKING:
    from ..domain.run import Artifact, Run
    from ..errors import MlcliError
    from ..lineage import Lineage, Link, Origin

Branch = tuple[str, "list[Branch]"]


def command(ref: AnyRef, as_json: Json = False) -> None:
    """Draw the way from a version, run, file or commit through its run to commit, params, metrics and artifacts."""
    from ..lineage import trace
    from ..workspace import Workspace

    problems: list[MlcliError] = []
    found = trace(Workspace.find(), ref, problems)
    output.warn_of(problems)
    if as_json:
        _as_json(found)
        return
    if found.kind in {"content", "commit"}:
        output.out(output.paint(found.subject if found.kind == "content" else f"commit {found.subject}", "bold"))
        _draw([_branch(link) for link in found.links])
        return
    for at, link in enumerate(found.links):
        if at:
            output.out()
        head, below = _branch(link)
        output.out(head)
        _draw(below)


def _as_json(found: Lineage) -> None:
    links = []
    for link in found.links:
        version = link.version
        links.append(
            {
                "version": version.ref if version else None,
                "stage": link.stage,
                "digest": (version.artifact.digest if version.artifact else None) if version else None,
                "registered_by": version.registered_by if version else None,
                "registered_at": version.registered_at if version else None,
                "run": link.run,
                "artifacts": [
                    {"path": file.path, "size": file.size, "digest": file.digest, "here": here}
                    for file, here in zip(link.artifacts, link.here, strict=True)
                ],
                "reproductions": link.reproductions,
                "rewritten": link.rewritten,
                "upstream": [_origin_fields(origin) for origin in link.upstream],
            }
        )
    output.emit_json("mlcli.lineage/1", subject=found.subject, kind=found.kind, links=links)


def _origin_fields(origin: Origin) -> dict[str, Any]:
    return {
        "run": origin.run.id,
        "name": origin.run.name,
        "command": origin.run.command,
        "commit": origin.run.git.commit,
        "paths": origin.paths,
        "upstream": [_origin_fields(above) for above in origin.upstream],
    }


def _branch(link: Link) -> Branch:
    run = _run_branch(link)
    version = link.version
    if version is None:
        return run
    stage = str(link.stage)
    style = {"Production": "green", "Staging": "yellow"}.get(stage, "dim")
    digest = words.short_digest(version.artifact.digest) if version.artifact else ""
    registered = f"registered {words.stamp(version.registered_at)} by {version.registered_by}"
    head = "  ".join(
        (
            output.paint(version.ref, "accent"),
            output.paint(stage, style),
            output.paint(digest, "dim"),
            output.escaped(registered),
        )
    )
    return head, [run]


def _run_branch(link: Link) -> Branch:
    run = link.run
    style = {"finished": "green", "running": "yellow"}.get(run.status.value, "red")
    head = (
        f"run {output.paint(run.id[:8], 'accent')} {output.paint(run.name, 'bold')}  "
        f"{output.paint(run.status.value, style)}  {words.stamp(run.started_at)}"
    )
    below: list[Branch] = [(_label("command", " ".join(run.command.argv)), []), (_code(link), [])]
    if run.params:
        told = "  ".join(f"{key} {words.told_value(param.value)}" for key, param in run.params.items())
        below.append((_label("params", told), []))
    if run.metrics:
        told = "  ".join(f"{key} {words.number(metric.last)}" for key, metric in run.metrics.items())
        below.append((_label("metrics", told), []))
    env = run.environment
    packages = f", {len(env.packages)} packages" if env.packages else ""
    below.append((_label("env", f"python {env.python or '?'}{packages}, {env.platform} {env.machine}"), []))
    if run.code:
        below.append((_label("executed", words.told_code(run.code)), []))
    if run.inputs:
        below.append((_label("inputs", ""), _inputs(run)))
    if link.upstream:
        below.append((_label("made by", ""), [_origin(origin) for origin in link.upstream]))
    if outputs := words.other_outputs(run):
        below.append((_label("outputs", ""), [(words.told_output(each), []) for each in outputs[:20]]))
    files: list[Branch] = [
        (_file(file, is_here=is_here), []) for file, is_here in zip(link.artifacts, link.here, strict=True)
    ]
    if files:
        below.append((_label("artifacts", ""), files[:20]))
    if link.reproductions:
        below.append((_label("again", words.told_reproductions(link.reproductions)), []))
    return head, below


def _origin(origin: Origin) -> Branch:
    run = origin.run
    head = f"{output.paint(run.id[:8], 'accent')} {output.paint(run.name, 'bold')}  "
    head += output.escaped(f"{' '.join(run.command.argv)}  → {', '.join(origin.paths[:5])}")
    return head, [_origin(above) for above in origin.upstream]


def _inputs(run: Run) -> list[Branch]:
    told: list[Branch] = [
        (
            f"{output.escaped(each.path)}  {words.size(each.size)}  {each.digest or 'changed while it was read'}"
            f"{'  kept' if each.kept else ''}",
            [],
        )
        for each in run.inputs[:20]
    ]
    return [*told, (f"… and {len(run.inputs) - 20} more", [])] if len(run.inputs) > 20 else told


def _code(link: Link) -> str:
    git = link.run.git
    if git.commit is None:
        return _label("code", "") + output.paint(words.no_commit(git), "yellow")
    subject = f' "{git.subject}"' if git.subject else ""
    on = f" on {git.branch}" if git.branch else ""
    line = _label("code", f"{git.commit}{subject}{on}")
    if git.dirty:
        line += " " + output.paint(words.uncommitted(git), "yellow")
    if (again := link.rewritten) is not None:
        told = f"on no branch now; the same {again.what} is {again.commit[:7]} on {again.on}"
        line += " " + output.paint(f"({told})", "yellow")
    return line


def _file(file: Artifact, *, is_here: bool) -> str:
    missing = "" if is_here else " " + output.paint("not in this clone", "yellow")
    return f"{output.escaped(file.path)}  {words.size(file.size)}  {file.digest}{missing}"


def _label(label: str, text: str) -> str:
    return f"{output.paint(label, 'dim')} {output.escaped(text)}".rstrip() if text else output.paint(label, "dim") + " "


def _draw(branches: list[Branch], indent: str = "") -> None:
    for at, (head, below) in enumerate(branches):
        last = at == len(branches) - 1
        output.out(f"{indent}{'└─ ' if last else '├─ '}{head}".rstrip())
        _draw(below, indent + ("   " if last else "│  "))
