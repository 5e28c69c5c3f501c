"""A lineage as trees: the way up from each version and run, and what came of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import output, words
from .tree import Branch, cut

if TYPE_CHECKING:
    from ..domain.model import ModelVersion
    from ..domain.run import Artifact, Run
    from ..domain.stage import Stage
    from ..lineage import Lineage, Link, Origin

_DEEP = 12  # steps; what lies further is counted
_WHOLE = 3  # links that are drawn in full
_EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_AWAY = "not in this clone"
NOTHING = "nothing that is known here"


def roots(found: Lineage, *, up: bool, down: bool, asked: str) -> list[Branch]:
    """The trees of a lineage that was asked for as `asked`."""
    from .descent import led_to

    led = led_to(found) if down else []
    if found.kind == "content":
        return [_content(found, led, up=up, down=down, asked=asked)]
    if found.kind == "commit":
        subject = next((link.run.git.subject for link in found.links if link.run.git.commit == found.subject), "")
        head = output.paint(f"commit {found.subject}", "bold") + (f"  {output.escaped(subject)}" if subject else "")
        return [(head, [*_links(found.links, whole=up), *_section("led to", led)])]
    if not up:
        heads = [_version(link.version, link.stage) if link.version else run_head(link.run) for link in found.links]
        below = _section("led to", led or [(output.paint(NOTHING, "dim"), [])])
        return [*((head, []) for head in heads[:-1]), (heads[-1], below)]
    drawn = _links(found.links, whole=True)
    if len(drawn) == 1:
        head, below = drawn[0]
        return [(head, [*below, *_section("led to", led)])]
    return [*drawn, *_section("led to", led)]


def run_head(run: Run, *, here: bool = True) -> str:
    """A run's line."""
    style = {"finished": "green", "running": "yellow"}.get(run.status.value, "red")
    head = (
        f"run {output.paint(run.id[:8], 'accent')} {output.paint(run.name, 'bold')}  "
        f"{output.paint(run.status.value, style)}  {words.stamp(run.started_at)}"
    )
    return head if here else f"{head}  {output.paint(_AWAY, 'yellow')}"


def told_run(run: Run) -> str:
    """A run in few words: its id, its name and its command."""
    return (
        f"{output.paint(run.id[:8], 'accent')} {output.paint(run.name, 'bold')}  "
        f"{output.escaped(' '.join(run.command.argv))}"
    )


def staged(version: ModelVersion, stage: Stage) -> str:
    """A version with its stage."""
    style = {"Production": "green", "Staging": "yellow"}.get(str(stage), "dim")
    return f"{output.paint(version.ref, 'accent')}  {output.paint(str(stage), style)}"


def _content(found: Lineage, led: list[Branch], *, up: bool, down: bool, asked: str) -> Branch:
    head = output.paint(_digest(found.subject), "bold")
    if names := sorted(_names(found) - {asked}):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        head += output.escaped(f"  as {', '.join(names[:3])}{more}")
    if found.subject == _EMPTY:
        head += output.paint("  an empty file, as others are", "yellow")
    digests = set(found.digests)
    makers = [link for link in found.links if any(m == "output" and d in digests for m, d in link.run.marks)]
    nobody: list[Branch] = [(output.paint("no run that is known here", "dim"), [])]
    below = _section("made by", _links(makers, whole=True) or nobody) if up else []
    return head, [*below, *(_section("led to", led or [(output.paint(NOTHING, "dim"), [])]) if down else [])]


def _names(found: Lineage) -> set[str]:
    """What the content is called by the runs that made or read it."""
    digests = set(found.digests) if found.subject in found.digests and len(found.digests) == 1 else {found.subject}
    runs = [*(link.run for link in found.links), *(each.run for each in found.downstream)]
    read = {each.path for run in runs for each in run.inputs if each.digest in digests}
    return read | {each.path for run in runs for each in run.outputs if each.digest in digests}


def _links(links: Sequence[Link], *, whole: bool) -> list[Branch]:
    """Each link in full where they are few, else in a line; a run that was told already is not told again."""
    drawn: list[Branch] = []
    told: set[str] = set()
    for link in links:
        full = whole and len(links) <= _WHOLE and link.run.id not in told
        run = (
            _run(link) if full else (_brief(link.run, again=link.run.id in told and whole and len(links) <= _WHOLE), [])
        )
        told.add(link.run.id)
        drawn.append((_version(link.version, link.stage), [run]) if link.version else run)
    return cut(drawn)


def _brief(run: Run, *, again: bool) -> str:
    return f"run {told_run(run)}" + (output.paint("  (above)", "dim") if again else "")


def _section(label: str, branches: list[Branch]) -> list[Branch]:
    return [(output.paint(label, "dim"), branches)] if branches else []


def _version(version: ModelVersion, stage: Stage | None) -> str:
    digests = [version.artifact.digest] if version.artifact else [file.digest for file in version.files]
    digest = words.short_digest(digests[0]) if len(digests) == 1 else ""
    registered = f"registered {words.stamp(version.registered_at)} by {version.registered_by}"
    named = staged(version, stage) if stage else output.paint(version.ref, "accent")
    return "  ".join(each for each in (named, output.paint(digest, "dim"), output.escaped(registered)) if each)


def _run(link: Link) -> Branch:
    run = link.run
    below: list[Branch] = [(_label("command", " ".join(run.command.argv)), []), (_code(link), [])]
    below += _kin(link)
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
    below += _section("inputs", _inputs(run))
    below += _section("made by", origins(link.upstream))
    below += _section("outputs", cut([(words.told_output(each), []) for each in words.other_outputs(run)]))
    files = zip(link.artifacts, link.here, strict=True)
    below += _section("artifacts", cut([(_file(file, is_here=is_here), []) for file, is_here in files]))
    if link.reproductions:
        below.append((_label("again", words.told_reproductions(link.reproductions)), []))
    return run_head(run, here=link.run_here), below


def _kin(link: Link) -> list[Branch]:
    run = link.run
    told: list[Branch] = []
    for label, run_id, other in (
        ("parent", run.parent_id, link.parent),
        ("reproduces", run.reproduces.run_id if run.reproduces else None, link.original),
    ):
        if run_id:
            named = told_run(other) if other else f"{run_id[:8]}  {output.paint(_AWAY, 'yellow')}"
            told.append((f"{output.paint(label, 'dim')} {named}", []))
    return told


def origins(upstream: Sequence[Origin], depth: int = 1) -> list[Branch]:
    """The runs that made what another read, each with those that made what it read in turn."""
    from ..lineage import makers_of

    drawn: list[Branch] = []
    for origin in upstream:
        paths = ", ".join(origin.paths[:5]) + (f" and {len(origin.paths) - 5} more" if len(origin.paths) > 5 else "")
        head = f"{told_run(origin.run)}  {output.escaped(f'→ {paths}')}"
        if origin.again:
            drawn.append((f"{head}{output.paint('  (above)', 'dim')}", []))
        elif depth == _DEEP and origin.upstream:
            before = words.counted(len(makers_of(origin.upstream)), "more run")
            drawn.append((head, [(output.paint(f"… and {before} before it", "dim"), [])]))
        else:
            drawn.append((head, origins(origin.upstream, depth + 1)))
    return cut(drawn, "runs")


def _inputs(run: Run) -> list[Branch]:
    told: list[Branch] = [
        (
            f"{output.escaped(each.path)}  {words.size(each.size)}  "
            f"{_digest(each.digest) if each.digest else 'changed while it was read'}{'  kept' if each.kept else ''}",
            [],
        )
        for each in run.inputs
    ]
    return cut(told)


def _code(link: Link) -> str:
    git = link.run.git
    if git.commit is None:
        return _label("code", "") + output.paint(words.no_commit(git), "yellow")
    subject = f' "{git.subject}"' if git.subject else ""
    on = f" on {git.branch}" if git.branch else ""
    line = _label("code", f"{git.commit[:12] if sys.stdout.isatty() else git.commit}{subject}{on}")
    if git.dirty:
        line += " " + output.paint(words.uncommitted(git), "yellow")
    if (again := link.rewritten) is not None:
        told = f"on no branch now; the same {again.what} is {again.commit[:7]} on {again.on}"
        line += " " + output.paint(f"({told})", "yellow")
    return line


def _file(file: Artifact, *, is_here: bool) -> str:
    missing = "" if is_here else " " + output.paint(_AWAY, "yellow")
    return f"{output.escaped(file.path)}  {words.size(file.size)}  {_digest(file.digest)}{missing}"


def _digest(digest: str) -> str:
    """A digest: short on a terminal, whole on a pipe."""
    return words.short_digest(digest) if sys.stdout.isatty() else digest


def _label(label: str, text: str) -> str:
    return f"{output.paint(label, 'dim')} {output.escaped(text)}".rstrip() if text else output.paint(label, "dim") + " "
