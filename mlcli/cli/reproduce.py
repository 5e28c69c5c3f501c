"""mlcli reproduce: make a run again, and say whether it came out the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..reproduction import TOLERANCE, EnvironmentChoice
from . import output, words
from .options import Json

if TYPE_CHECKING:
    from ..domain.outcome import Difference
    from ..domain.run import Run
    from ..reproduction import Reproduced

_STYLE = {"identical": "green", "equivalent": "green", "different": "red", "impossible": "red"}
_SHOWN = 20


def command(
    ref: Annotated[str, typer.Argument(metavar="REF", help="A run (3f9a, @, best:accuracy) or a version (iris@3).")],
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="T", help="How far metrics may be off, relative.")
    ] = TOLERANCE,
    env: Annotated[
        EnvironmentChoice, typer.Option("--env", help="current: the packages as they are; recorded: as they were.")
    ] = EnvironmentChoice.CURRENT,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the worktree, and say where it is.")] = False,
    as_json: Json = False,
) -> None:
    """Make a run again from its recorded code, inputs and command, in a worktree, and compare what comes out.

    The verdict: identical (each metric and file), equivalent (metrics within the tolerance), different, or impossible.
    Exit code: 0 identical or equivalent, 1 different, 3 impossible. What the command prints goes to stderr.
    """
    from ..reproduction import Wanted, reproduce
    from ..workspace import Workspace

    wanted = Wanted(tolerance=tolerance, environment=env, keep=keep, announce=_begun, say=_said)
    done = reproduce(Workspace.find(), ref, wanted)
    if as_json:
        _as_json(done)
    elif done.run is None:
        output.error(f"run {done.original.id[:8]} cannot be made again: {done.reason}", done.hint)
    else:
        _told(done, done.run)
    if done.kept:
        output.err(f"{output.mark()} worktree kept: {output.escaped(done.kept)}")
    raise typer.Exit({"different": 1, "impossible": 3}.get(done.verdict.value, 0))


def _said(line: str) -> None:
    output.err(f"{output.mark()} {output.escaped(line)}")


def _begun(run: Run) -> None:
    run_id, name = output.paint(run.id[:8], "accent", sys.stderr), output.paint(run.name, "bold", sys.stderr)
    again = run.reproduces.run_id[:8] if run.reproduces else ""
    output.err(
        f"{output.mark()} run {run_id} {name} · makes {again} again, in a worktree of {(run.git.code or '')[:7]}"
    )


def _as_json(done: Reproduced) -> None:
    output.emit_json(
        "mlcli.reproduction/1",
        verdict=done.verdict,
        reason=done.reason,
        hint=done.hint,
        original=done.original.id,
        run=done.run.id if done.run else None,
        commit=done.original.git.code,
        tolerance=done.tolerance,
        differences=done.differences,
        compared=done.compared,
        inputs=done.inputs,
        environment=done.environment,
        packages=done.packages,
        absent=done.absent,
        kept=done.kept,
    )


def _told(done: Reproduced, run: Run) -> None:
    _code(done.original)
    if done.absent:
        _line("", output.paint(f"≠ not there: {_few(done.absent)}", "yellow"))
    if done.inputs:
        origins = sorted({each.origin.value for each in done.inputs})
        _line("inputs", f"= {words.counted(len(done.inputs), 'file')} (from {', '.join(origins)})")
    _environment(done)
    _group("ended", 0, "", [each for each in done.differences if each.group == "ending"])
    metrics = [each for each in done.differences if each.group in {"metrics", "steps"}]
    _group("metrics", done.compared.metrics, "metric", metrics)
    files = [each for each in done.differences if each.group in {"models", "artifacts"}]
    _group("artifacts", done.compared.models + done.compared.artifacts, "artifact", files)
    verdict = output.paint(done.verdict.value, _STYLE[done.verdict.value])
    names = f"{run.id[:8]} {run.name} and {done.original.id[:8]} {done.original.name}"
    within = f", metrics within {done.tolerance:g}" if done.verdict.value == "equivalent" else ""
    bare = not any((done.compared.metrics, done.compared.models, done.compared.artifacts, done.differences))
    output.out(f"{verdict}: {output.escaped(names)}{within}" + (", by their exit codes alone" if bare else ""))
    if done.reason:
        output.warning(done.reason)
    failed = run.status.value != "finished" and done.original.status.value == "finished"
    if failed and not done.original.inputs:
        output.err(f"{output.paint('hint:', 'cyan', sys.stderr)} {_IGNORED}")
    verb = "why" if done.verdict.value == "different" else "compare"
    output.next_step(f"mlcli {verb} {done.original.id[:8]} {run.id[:8]}")


_IGNORED = "files that git ignores are not in a worktree: mlcli run --input data/… names what a run reads"


def _code(run: Run) -> None:
    git = run.git
    subject = f' "{git.subject}"' if git.subject else ""
    files = [*git.changed, *git.untracked]
    more = f" + uncommitted {_few(files)}" if git.dirty else ""
    _line("code", output.escaped(f"= {(git.commit or git.code or '')[:7]}{subject}{more}"))


def _environment(done: Reproduced) -> None:
    recorded = done.original.environment.packages
    if not done.packages and recorded:
        _line("env", f"= {words.counted(len(recorded), 'package')}")
    for at, each in enumerate(done.packages):
        sign = output.paint("≠", "yellow")
        change = f"{each.name} {each.recorded or 'absent'} → {each.again or 'absent'}"
        _line("env" if at == 0 else "", f"{sign} {output.escaped(change)}")


def _group(label: str, compared: int, what: str, differences: list[Difference]) -> None:
    """One line for what is the same, and one for each difference."""
    own = {each.key for each in differences if each.recorded is not None and each.again is not None}
    same = compared - len(own)
    if same > 0:
        _line(label, f"= {words.counted(same, what)}")
    for at, each in enumerate(differences[:_SHOWN]):
        sign = output.paint("≈" if each.tolerated else "≠", "yellow" if each.tolerated else "red")
        key = {"ending": "", "steps": f"steps of {each.key} "}.get(each.group, f"{each.key} ")
        before, after = _value(each, each.recorded), _value(each, each.again)
        _line(label if at == 0 and same <= 0 else "", f"{sign} {output.escaped(key)}{before} → {after}{_change(each)}")
    if len(differences) > _SHOWN:
        _line("", f"… and {len(differences) - _SHOWN} more")


def _value(each: Difference, value: object) -> str:
    if value is None:
        return "absent"
    if each.group in {"models", "artifacts"}:
        return words.short_digest(str(value))
    return output.escaped(repr(value) if isinstance(value, float) and value == value else str(value))


def _change(each: Difference) -> str:
    before, after = each.recorded, each.again
    if each.group != "metrics" or not isinstance(before, float) or not isinstance(after, float):
        return ""
    return f" ({words.signed(after - before)})" if abs(after - before) < float("inf") else ""


def _few(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return output.escaped(", ".join(names[:limit]) + more)


def _line(label: str, value: str) -> None:
    output.out(f"  {output.paint(f'{label:<10}', 'dim')} {value}")
