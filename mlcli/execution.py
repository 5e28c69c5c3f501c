"""Run a command as a run: record it, let it work as if mlcli were not there, and say how it ended."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from . import capture, inputs, tracking, watching
from .domain.observed import Capture, Kind, Usage
from .domain.run import Run, RunStatus
from .domain.secrets import masked_text
from .domain.source import GitState
from .errors import MlcliError, Refused
from .gitrepo import scrubbed
from .relay import Ending, relay
from .tracking import Given, Seen
from .watching import Watch
from .workspace import ROOT_VARIABLE, RUN_VARIABLE, STORE_VARIABLE, Workspace

if TYPE_CHECKING:
    from .watching.beside import Beside


class Request(Struct, frozen=True, kw_only=True):
    """What `mlcli run` was asked: the command, and what was said about it.

    `started` is the command as it is given to the system, where a worktree has another place for its paths, and `git`
    the state of the code where that is known. `variables` are the names of those of the environment that are noted
    beside the usual ones. `off` is what is not watched, `system` asks for memory and GPU over
    time, `native` for programs that are no Python to be watched, too.
    """

    argv: Sequence[str]
    given: Given
    started: Sequence[str] = ()
    git: GitState | None = None
    require_clean: bool = False
    inputs: Sequence[str] = ()
    keep_inputs: bool = False
    outputs: Sequence[str] = ()
    variables: Sequence[str] = ()
    off: Collection[Kind] = ()
    system: bool = False
    native: bool = False


class Executed(Struct, frozen=True, kw_only=True):
    """How it went: the run as it stands, how the command ended, and what kept its end from being recorded.

    `changed` has a line for each input that is no longer as it was when the command started; `absent` are the declared
    outputs that a command which succeeded did not leave.
    """

    run: Run
    ending: Ending
    trouble: MlcliError | None = None
    changed: list[str] = []
    absent: list[str] = []


def run_command(
    workspace: Workspace, request: Request, *, cwd: str, announce: Callable[[Run], None] = lambda run: None
) -> Executed:
    """Record a run, start its command, pass everything through, and end the run as finished, failed or killed.

    Raises before the command starts where the run cannot be recorded, an input cannot be read, or the tree is dirty and
    must not be; once it runs, no trouble of the store stops it. `announce` is told the run when it has begun.
    """
    if request.system:
        watching.require_system()
    native = capture.native.built(workspace.cache_directory, workspace.environ) if request.native else ""
    files = inputs.found(workspace, request.inputs, cwd=cwd)
    started = request.started or request.argv
    source = capture.collect(
        started,
        root=workspace.root,
        cwd=cwd,
        environ=workspace.environ,
        at=workspace.now(),
        limits=None if request.require_clean else workspace.snapshot_limits,
        git=request.git,
        variables=request.variables,
    )
    if request.started:
        source = capture.with_command(source, capture.command.noted(request.argv, source.command.cwd))
    if request.require_clean and (source.git.dirty or source.git.commit is None):
        dirty = [*source.git.changed, *source.git.untracked]
        more = len(dirty) + source.git.left_out - 1
        told = source.git.reason or f"{dirty[0]}{f' and {more} more' if more else ''} not committed"
        raise Refused(f"--require-clean: {told}", "git add -A && git commit, then run again")
    params = {**capture.command.params(request.argv), **request.given.params}
    given = replace(request.given, params=params, parent_id=_parent(workspace))
    with inputs.taken(workspace, files, keep=request.keep_inputs) as taken:
        if taken:  # reading them is no part of how long the command took
            source = replace(source, at=workspace.now())
            given = replace(given, inputs=[*given.inputs, *(each.input for each in taken)])
        run = tracking.begin(workspace, source, given)
    watch, added = watching.begin(workspace, run, workspace.environ, request.off, native)
    watch = replace(watch, outputs=[os.path.abspath(os.path.join(cwd, path)) for path in request.outputs])
    beside = watching.alongside(workspace, run, watch, system=request.system)
    try:
        announce(run)
        ending = relay(
            started,
            {**_environment(workspace, run), **added},
            lambda: workspace.store.output_descriptor(run.id),
            while_running=beside.start,
        )
    except MlcliError as trouble:
        with suppress(MlcliError):  # what stopped the start may stop this, too
            tracking.finish(workspace, run.id, RunStatus.FAILED, reason=trouble.message)
        raise
    with undisturbed():
        done = _ended(workspace, run, ending, lambda: _seen(workspace, run, watch, ending, beside, started, cwd))
        if done.trouble is None:  # else it is told again when its end can be recorded
            watching.forget(workspace, run)
    absent = [path for path in request.outputs if not os.path.exists(os.path.join(cwd, path))]
    return replace(done, changed=inputs.changed(workspace, taken), absent=[] if ending.exit_code else absent)


def _seen(
    workspace: Workspace, run: Run, watch: Watch, ending: Ending, beside: Beside, argv: Sequence[str], cwd: str
) -> Seen:
    """What was seen of the run; trouble with that is told in it. A Ctrl-C ends it: large files take time to be read."""
    blocked = signals.pthread_sigmask(signals.SIG_UNBLOCK, {signals.SIGINT})
    try:
        return watching.seen(workspace, run, watch, ending, argv=argv, cwd=cwd, digests=beside.finish())
    except KeyboardInterrupt:
        return _not_seen(ending, "interrupted")
    except Exception as fault:  # whatever is wrong with what was seen, the run has ended, and its end is kept
        return _not_seen(ending, fault.message if isinstance(fault, MlcliError) else f"{type(fault).__name__}: {fault}")
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, blocked)


def _not_seen(ending: Ending, why: str) -> Seen:
    usage = Usage(cpu_seconds=ending.cpu_seconds, peak_memory=ending.peak_memory)
    return Seen(usage=usage, capture=Capture(missing=[masked_text(f"what was seen could not be added up: {why}")]))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back a Ctrl-C or SIGTERM that comes when the command is over, until its end is recorded."""
    before = signals.pthread_sigmask(signals.SIG_BLOCK, {signals.SIGINT, signals.SIGTERM, signals.SIGHUP})
    try:
        yield
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)


def _ended(workspace: Workspace, run: Run, ending: Ending, seen: Callable[[], Seen]) -> Executed:
    signal = ending.signal or (ending.interrupted if ending.exit_code else None)
    status = RunStatus.FINISHED if ending.exit_code == 0 else RunStatus.KILLED if signal else RunStatus.FAILED
    reason = ending.reason or "; ".join(ending.warnings) or None
    ended_at = workspace.now()
    try:
        run = tracking.finish(
            workspace,
            run.id,
            status,
            exit_code=ending.exit_code,
            signal=signal,
            reason=reason,
            ended_at=ended_at,
            seen=seen() if ending.started else None,
        )
    except MlcliError as trouble:
        return Executed(run=run, ending=ending, trouble=trouble)
    return Executed(run=run, ending=ending)


def _environment(workspace: Workspace, run: Run) -> dict[str, str]:
    return {
        **scrubbed(workspace.environ),
        RUN_VARIABLE: run.id,
        ROOT_VARIABLE: workspace.root,
        STORE_VARIABLE: workspace.store.root,
    }


def _parent(workspace: Workspace) -> str | None:
    parent = workspace.environ.get(RUN_VARIABLE)
    return parent if parent and workspace.environ.get(STORE_VARIABLE) == workspace.store.root else None
