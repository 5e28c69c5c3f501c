"""Whether a command need not run: its former runs held against what is there now, and their outputs put back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..capture import command as commands
from ..domain.observed import Output, Reuse
from ..domain.run import Run, RunStatus
from ..domain.source import Command
from ..errors import MlcliError
from ..workspace import Workspace
from .differences import Reason, Unlike, unlike
from .outputs import PutBack, put_back
from .present import Present

__all__ = ["Asked", "PutBack", "Reason", "Verdict", "reuse", "turn", "verdict"]

_RECENT = 20  # so many runs are looked at, as whoever goes back to an older state meets an older run


class Asked(Struct, frozen=True, kw_only=True):
    """A command that may have been run before: where, with what was declared of it.

    `params` are the declared ones by their values; `variables` are the names of those of the environment that matter.
    """

    argv: Sequence[str]
    cwd: str
    params: Mapping[str, Any] = {}
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    variables: Sequence[str] = ()
    clean: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The run that would come out again, with those of its outputs that are to be put back; else why it must run.

    `last` is the run that the reasons tell the difference from, None where there is none.
    """

    run: Run | None = None
    gone: list[Output] = []
    reasons: list[Reason] = []
    last: Run | None = None


def verdict(workspace: Workspace, asked: Asked) -> Verdict:
    """Whether one of the last runs of a command was made from all that is there now: the newest of them that was."""
    command = commands.noted(asked.argv, workspace.relative(asked.cwd))
    if command.masked:
        return Verdict(reasons=[Reason("command", "", "a secret in it was masked, so that it cannot be compared")])
    if _has_input_by_redirection():
        return Verdict(reasons=[Reason("inputs", "stdin", "is a file, which is not compared: name it with --input")])
    former = _former(workspace, command)
    finished = [run for run in former if run.status is RunStatus.FINISHED and run.exit_code == 0][:_RECENT]
    if not finished:
        return Verdict(reasons=[Reason("command", "", _never(former))])
    with workspace.store.digesting() as digests:
        present = Present(workspace, asked, digests)
        first: Unlike | None = None
        for run in finished:
            found = unlike(run, present, thorough=first is None)
            if not found.reasons:
                return Verdict(run=run, gone=found.gone, last=run)
            first = first or found
    return Verdict(reasons=first.reasons if first else [], last=finished[0])


@contextmanager
def turn(workspace: Workspace, asked: Asked, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait until no other `mlcli run --cached` is at this command, so that one makes what the others then find made."""
    command = commands.noted(asked.argv, workspace.relative(asked.cwd))
    with ExitStack() as stack:
        if workspace.store.is_made():
            with suppress(MlcliError):  # where no lock can be made, nobody waits
                stack.enter_context(workspace.store.turn(command.check, lambda holder: waiting()))
        yield


def reuse(workspace: Workspace, found: Verdict) -> list[PutBack]:
    """Take up the run of a verdict: put its outputs back, and note that it was.

    Raises where an output cannot be put back; then the command must run.
    """
    if found.run is None:
        return []
    back = put_back(workspace, found.gone) if found.gone else []
    now = workspace.now()
    with suppress(MlcliError):  # a store that is only read has its runs all the same
        workspace.store.change_run(
            found.run.id,
            lambda run: replace(run, reuse=Reuse(count=run.reuse.count + 1 if run.reuse else 1, last_at=now)),
        )
    return back


def _former(workspace: Workspace, command: Command) -> list[Run]:
    """The runs of this very command, newest first; those that made another again ran in a place of their own."""
    runs = workspace.store.marked_runs("command", {command.check}, limit=2 * _RECENT)
    return [run for run in runs if run.command == command and run.reproduces is None]


def _never(former: Sequence[Run]) -> str:
    if not former:
        return "it was not run before"
    last = former[0]
    told = {RunStatus.RUNNING: "is still running", RunStatus.KILLED: "was killed"}
    if last.exit_code is None:
        told[RunStatus.FINISHED] = "was not made by mlcli run"
    return f"its last run {last.id[:8]} {told.get(last.status, 'failed')}"


def _has_input_by_redirection() -> bool:
    """Whether the command would find a file at its stdin, as by `< data.csv`."""
    from stat import S_ISREG

    try:
        told = os.fstat(0)
    except OSError:
        return False
    return S_ISREG(told.st_mode) and told.st_size > 0
