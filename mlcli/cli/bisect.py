"""mlcli bisect: the commit that made a metric worse."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import output, words
from .options import Json

if TYPE_CHECKING:
    from ..bisection import Bisected, Measured
    from ..domain.run import Run
    from ..workspace import Workspace

_STYLE = {"good": "green", "bad": "red", "skipped": "yellow"}


def command(
    good: Annotated[str, typer.Argument(metavar="GOOD", help="A commit, branch, tag, run or version that is good.")],
    bad: Annotated[str, typer.Argument(metavar="BAD", help="A later one that is bad.")],
    command: Annotated[
        list[str], typer.Argument(metavar="[-- COMMAND...]", help="What to run; by default what was recorded there.")
    ] = [],  # noqa: B006
    metric: Annotated[str, typer.Option("--metric", metavar="M", help="The metric that became worse.")] = "",
    least: Annotated[float | None, typer.Option("--min", metavar="X", help="Below this it is bad.")] = None,
    most: Annotated[float | None, typer.Option("--max", metavar="X", help="Above this it is bad.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell which commits would be run; run none.")] = False,
    as_json: Json = False,
) -> None:
    """Find the first commit between GOOD and BAD at which a metric is below --min, or above --max.

    Recorded runs of the same command answer for their commits; the command is run in a worktree only where there are
    none, halving what is left each time. A commit whose run fails is passed over.
    Exit code: 0 found, 1 where commits that could not be measured leave more than one.
    """
    from ..bisection import Hunt, Limit, bisect
    from ..errors import UsageError
    from ..workspace import Workspace

    if not metric:
        raise UsageError("--metric is missing", "mlcli bisect --metric accuracy --min 0.9 GOOD BAD")
    if (least is None) == (most is None):
        raise UsageError("say either --min or --max", f"mlcli bisect --metric {metric} --min 0.9 GOOD BAD")
    workspace = Workspace.find()
    hunt = Hunt(
        limit=Limit(metric=metric, least=least, most=most),
        good=good,
        bad=bad,
        command=command,
        cwd=workspace.relative(os.getcwd()),
        dry_run=dry_run,
        announce=_begun,
        tell=_measured,
    )
    found = bisect(workspace, hunt)
    if as_json:
        _as_json(workspace, found)
    elif dry_run and found.first_bad is None:
        _rehearsed(workspace, found)
    elif found.first_bad is None:
        _narrowed(workspace, found)
    else:
        _found(workspace, found, found.first_bad)
    raise typer.Exit(1 if found.first_bad is None and not dry_run else 0)


def _begun(run: Run) -> None:
    output.err(
        f"{output.mark()} run {run.id[:8]} {output.escaped(run.name)} · at {(run.git.commit or '')[:7]}, in a worktree"
    )


def _measured(each: Measured, left: int) -> None:
    judged = output.paint(each.judged.value, _STYLE[each.judged.value], sys.stderr)
    value = words.number(each.value) if each.value is not None else "no measure"
    how = "recorded in" if each.recorded else "run"
    rest = f" · of {words.counted(left, 'commit')}" if left else ""
    output.err(f"{output.mark()} {each.commit[:7]} {judged}  {value}  {how} {each.run_id[:8]}{rest}")


def _found(workspace: Workspace, found: Bisected, first: Measured) -> None:
    about = workspace.repository.describe([first.commit])[first.commit]
    limit = found.limit
    bound = f"min {limit.least:g}" if limit.least is not None else f"max {limit.most:g}"
    before = f"{words.number(found.before.value)} → " if found.before else ""
    output.out(f"{output.paint('first bad commit', 'red')} {first.commit}")
    _line("subject", output.escaped(about.subject))
    _line("author", output.escaped(f"{about.author} <{about.author.email}>"))
    _line("date", words.stamp(about.at))
    _line("metric", f"{output.escaped(limit.metric)} {before}{words.number(first.value)} ({bound})")
    runs = [*([found.before.run_id[:8]] if found.before else []), first.run_id[:8]]
    _line("runs", " → ".join(runs))
    output.next_step(f"mlcli why {' '.join(runs)}" if found.before else f"mlcli show {runs[0]}")


def _narrowed(workspace: Workspace, found: Bisected) -> None:
    told = f"it is one of {words.counted(len(found.candidates), 'commit')}: all but the last could not be measured"
    output.out(output.paint(told, "yellow"))
    _listed(workspace, found.candidates)


def _rehearsed(workspace: Workspace, found: Bisected) -> None:
    commits = list(dict.fromkeys(found.untried))
    between = len([commit for commit in commits if commit in found.candidates[:-1]])
    most = len(commits) - between + between.bit_length()
    output.out(f"at most {words.counted(most, 'run')}, of {words.counted(len(commits), 'commit')}:")
    _listed(workspace, commits)


def _listed(workspace: Workspace, commits: list[str]) -> None:
    about = workspace.repository.describe(commits)
    for commit in commits:
        output.out(f"  {output.paint(commit[:12], 'accent')} {output.escaped(about[commit].subject)}")


def _line(label: str, value: str) -> None:
    output.out(f"  {output.paint(f'{label:<10}', 'dim')} {value}")


def _as_json(workspace: Workspace, found: Bisected) -> None:
    about = workspace.repository.describe([found.first_bad.commit]) if found.first_bad else {}
    summary: Any = about[found.first_bad.commit] if found.first_bad else None
    output.emit_json(
        "mlcli.bisect/1",
        metric=found.limit.metric,
        min=found.limit.least,
        max=found.limit.most,
        first_bad=found.first_bad,
        before=found.before,
        subject=summary.subject if summary else None,
        author=summary.author if summary else None,
        at=summary.at if summary else None,
        candidates=found.candidates,
        measured=found.measured,
        untried=list(dict.fromkeys(found.untried)),
    )
