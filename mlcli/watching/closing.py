"""Runs whose wrapper was killed: once their command has ended, they are ended as it did."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone

from .. import tracking
from ..domain.observed import Kind
from ..domain.run import Run, RunStatus
from ..errors import MlcliError
from ..observation import events
from ..relay import Ending
from ..workspace import Workspace
from . import ALL, Watch, forget, seen

_FAILED = "its wrapper was killed; the command went on and ended with an exception"
_ENDED = "its wrapper was killed; the command went on to its end, and its exit code is not known"
_KILLED = "its wrapper was killed; the command did not come to its end, or nobody could tell"


def close_vanished(workspace: Workspace) -> None:
    """End every run that nobody ends any more. What cannot be written now is left to the next who can."""
    store = workspace.store
    for run_id in store.open_runs():
        with suppress(MlcliError, OSError):
            if store.run(run_id).status is RunStatus.RUNNING:
                continue  # its wrapper or its command still lives
            with store.turn(f"close-{run_id}", lambda holder: None):  # of two who read it, one adds it up
                run = store.run(run_id)
                if run.ended_at is None:
                    _close(workspace, run)
                forget(workspace, run)


def _close(workspace: Workspace, run: Run) -> None:
    directory = workspace.store.events_directory(run.id)
    command = workspace.store.command_of(run.id)
    pid = command.pid if command else 0
    ended = [event for stream in events.read(directory) if stream.pid == pid for event in stream.of(events.Ended)]
    status, reason = (RunStatus.KILLED, _KILLED)
    if ended:
        status, reason = (RunStatus.FAILED, _FAILED) if ended[-1].failed else (RunStatus.FINISHED, _ENDED)
    watch = Watch(events=directory, kinds=ALL - {Kind.MODELS} if not ended else ALL)
    cwd = os.path.join(workspace.root, run.command.cwd)
    tracking.finish(
        workspace,
        run.id,
        status,
        reason=reason,
        ended_at=_last_sign(workspace, run, directory),
        seen=seen(workspace, run, watch, Ending(0, pid=pid), argv=run.command.argv, cwd=cwd),
    )


def _last_sign(workspace: Workspace, run: Run, directory: str) -> datetime:
    """When the command last told or printed something."""
    log = workspace.store.output_descriptor(run.id)
    try:
        times = [os.fstat(log).st_mtime]
    finally:
        os.close(log)
    with suppress(OSError), os.scandir(directory) as entries:
        times += [entry.stat().st_mtime for entry in entries]
    return max(datetime.fromtimestamp(max(times), timezone.utc), run.started_at)
