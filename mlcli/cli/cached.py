"""What `mlcli run` tells of a command that need not run: the run that stands for it, or what changed since."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from . import output, words

if TYPE_CHECKING:
    from ..domain.run import Run
    from ..reuse import Asked, Reason
    from ..workspace import Workspace

_FEW = 3


def taken_up(workspace: Workspace, asked: Asked) -> Run | None:
    """The run that stands for a command, its outputs put back; None where the command must run, and why is told."""
    from ..errors import MlcliError
    from ..reuse import reuse, verdict

    found = verdict(workspace, asked)
    if found.run is None:
        _running(_listed([str(reason) for reason in found.reasons]))
        return None
    try:
        back = reuse(workspace, found)
    except MlcliError as trouble:
        _running(trouble.message)
        return None
    run = found.run
    run_id, name = output.paint(run.id[:8], "accent", sys.stderr), output.paint(run.name, "bold", sys.stderr)
    told = f" · {words.counted(len(back), 'output')} put back" if back else ""
    output.err(f"{output.mark()} cached run {run_id} {name} · unchanged, made {_when(workspace, run)}{told}")
    for each in back:
        if each.saved:
            told = f"{each.path} was not as any run had left it; what it held is kept until mlcli gc"
            output.warning(f"{told}: {each.saved}")
    return run


def waited_for(workspace: Workspace, asked: Asked) -> AbstractContextManager[None]:
    """Wait, and say so, while another `mlcli run --cached` is at this command."""
    from ..reuse import turn

    told = f"{output.mark()} waiting: another mlcli run --cached is at this command"
    return turn(workspace, asked, lambda: output.err(told))


def told_why(workspace: Workspace, asked: Asked) -> bool:
    """Tell what changed since the last run of a command; whether it would run."""
    from ..reuse import verdict

    found = verdict(workspace, asked)
    if found.last is not None:
        output.err(f"since run {found.last.id[:8]} {output.escaped(found.last.name)}, {_when(workspace, found.last)}:")
    if found.run is not None:
        output.out("unchanged")
        for each in found.gone:
            output.out(f"outputs      {output.escaped(each.path)} would be put back")
        return False
    for reason in found.reasons:
        output.out(_line(reason))
    return True


def _line(reason: Reason) -> str:
    return f"{reason.kind:<11}  {output.escaped(str(reason))}"


def _running(why: str) -> None:
    output.err(f"{output.mark()} running: {output.escaped(why)}")


def _listed(told: Sequence[str]) -> str:
    more = f" and {len(told) - _FEW} more" if len(told) > _FEW else ""
    return ", ".join(told[:_FEW]) + more


def _when(workspace: Workspace, run: Run) -> str:
    told = words.ago(run.started_at, workspace.now())
    return told if "-" in told else f"{told} ago"
