"""What mlcli run does: wrap a command, and say on stderr how that goes."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from ..domain.observed import Kind
from . import idfiles, output, words
from .pairs import pairs

if TYPE_CHECKING:
    from ..domain.run import Param, Run
    from ..domain.source import GitState, Snapshot
    from ..execution import Executed, Request
    from ..workspace import Workspace

CANNOT_START = 125
KINDS = tuple(kind.value for kind in Kind)


class Asked(Struct, frozen=True, kw_only=True):
    """What was said on the command line, as it was said."""

    command: list[str]
    name: str | None = None
    experiment: str | None = None
    param: list[str] = []
    tag: list[str] = []
    note: str = ""
    inputs: list[str] = []
    outputs: list[str] = []
    variables: list[str] = []
    cached: bool = False
    why: bool = False
    keep_inputs: bool = False
    require_clean: bool = False
    no_capture: list[str] = []
    system: bool = False
    native: bool = False
    idfile: str | None = None


def run(asked: Asked) -> int:
    """Do what was asked; the exit code. What keeps the command from being started is told here."""
    from ..errors import MlcliError

    with ExitStack() as held:
        try:
            return _run(asked, held)
        except MlcliError as error:
            if output.state.debug:
                raise
            output.error(error.message, error.hint)
            return error.exit_code if error.exit_code == 2 else CANNOT_START


def _run(asked: Asked, held: ExitStack) -> int:
    from ..domain.run import Param, ParamSource
    from ..domain.source import parsed_scalar
    from ..workspace import Workspace

    params = {
        key: Param(parsed_scalar(text), ParamSource.DECLARED) for key, text in pairs(asked.param, "--param").items()
    }
    workspace = Workspace.find()
    if asked.cached or asked.why:
        code = _need_not_run(workspace, asked, params, held)
        if code is not None:
            return code
    from ..execution import run_command

    request = _request(workspace, asked, params)
    first = not workspace.store.is_made()
    cwd = os.getcwd()
    if asked.idfile:
        idfiles.check_writable(asked.idfile)
    done = run_command(workspace, request, cwd=cwd, announce=lambda run: _begun(run, first=first, idfile=asked.idfile))
    held.close()
    _ended(workspace, done)
    return done.ending.exit_code


def _request(workspace: Workspace, asked: Asked, params: dict[str, Param]) -> Request:
    from ..errors import UsageError
    from ..execution import Request
    from ..tracking import Given

    given = Given(
        name=asked.name,
        experiment=asked.experiment,
        params=params,
        tags=pairs(asked.tag, "--tag"),
        note=asked.note,
    )
    if asked.keep_inputs and not asked.inputs:
        raise UsageError("--keep-inputs: there is no input to keep", "name each with --input PATH")
    return Request(
        argv=asked.command,
        given=given,
        require_clean=asked.require_clean,
        inputs=asked.inputs,
        keep_inputs=asked.keep_inputs,
        outputs=asked.outputs,
        variables=asked.variables,
        system=asked.system,
        native=asked.native,
        off=_off([*asked.no_capture, *workspace.settings.no_capture.split(",")]),
    )


def _need_not_run(workspace: Workspace, asked: Asked, params: dict[str, Param], held: ExitStack) -> int | None:
    """The exit code where the command need not run, or only what changed is asked for; None where it must run.

    `held` is given what keeps others from running it at the same time.
    """
    from .. import reuse
    from .cached import taken_up, told_why, waited_for

    wanted = reuse.Asked(
        argv=asked.command,
        cwd=os.getcwd(),
        params={key: each.value for key, each in params.items()},
        inputs=asked.inputs,
        outputs=asked.outputs,
        variables=asked.variables,
        clean=asked.require_clean,
    )
    if asked.why:
        return 1 if told_why(workspace, wanted) else 0
    if asked.idfile:
        idfiles.check_writable(asked.idfile)
    held.enter_context(waited_for(workspace, wanted))
    run = taken_up(workspace, wanted)
    if run is None:
        return None
    if asked.idfile:
        idfiles.write_id(asked.idfile, run.id)
    return 0


def _off(named: list[str]) -> frozenset[Kind]:
    from ..errors import UsageError

    kinds = {kind.strip().lower() for kind in named} - {""}
    if unknown := sorted(kinds - {*KINDS, "all"}):
        raise UsageError(f"--no-capture: {unknown[0]!r} is nothing that is watched", f"one of {', '.join(KINDS)}, all")
    return frozenset(Kind) if "all" in kinds else frozenset(map(Kind, kinds))


def _begun(run: Run, *, first: bool, idfile: str | None) -> None:
    if idfile:
        idfiles.write_id(idfile, run.id)
    git = run.git
    new = f" · {words.counted(len(run.inputs), 'input')}" if run.inputs else ""
    new += " · new store .mlruns/" if first else ""
    run_id, name = output.paint(run.id[:8], "accent", sys.stderr), output.paint(run.name, "bold", sys.stderr)
    output.err(f"{output.mark()} run {run_id} {name} · {output.escaped(_code(git))}{new}")
    if git.code is None:
        from ..gitrepo import hint_for

        output.warning("the code of this run cannot be found again", hint_for(git.reason))
    elif git.unkept:
        what = "what is not committed" if git.dirty else "the commit"
        output.warning(f"{what} is not kept: {git.unkept}", "git status, git fsck")
    if git.snapshot is not None and git.snapshot.left_out:
        _left_out(git.snapshot)
    if git.snapshot is not None and git.snapshot.secrets:
        _with_secrets(git.snapshot.secrets)


def _code(git: GitState) -> str:
    """What the run is made from: commit 8a1e2f1 on main (2 ahead of origin/main), 1 file not committed, kept."""
    where = f"commit {git.commit[:7]}" if git.commit else f"no commit: {git.reason}"
    where += f" on {git.branch}" if git.branch and git.commit else ""
    if git.commit and git.pushed is False:
        ahead = f"{git.ahead} ahead of {git.upstream}" if git.ahead and git.upstream else ""
        where += f" ({ahead or ('not pushed' if git.remote else 'no remote')})"
    if git.dirty:
        files = len(git.changed) + len(git.untracked) + git.left_out
        where += f", {words.counted(files, 'file')} not committed"
        where += f" (kept as {git.snapshot.commit[:7]})" if git.snapshot else ""
    return where


def _left_out(snapshot: Snapshot) -> None:
    first, count = snapshot.left_out[0], len(snapshot.left_out) + snapshot.unnamed
    more = f" and {count - 1} more" if count > 1 else ""
    why, hint = {
        "large": ("too large", f"put it into .gitignore, and name it: mlcli run --input {first.path}"),
        "many": ("too many files", f"put it into .gitignore, and name it: mlcli run --input {first.path}"),
        "secret": ("its name says that it holds secrets", "put it into .gitignore"),
        "holds secret": ("it holds what looks like a secret", "put it into .gitignore, or the secret into a variable"),
    }.get(first.reason, ("it cannot be read", f"ls -l {first.path}"))
    output.warning(f"not kept with the code: {first.path} ({words.size(first.size)}: {why}){more}", hint)


def _with_secrets(paths: list[str]) -> None:
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    output.warning(
        f"{paths[0]}{more} holds what looks like a secret, and is kept with the code in this clone",
        'put it into .gitignore, or set snapshot_secrets = "leave out"',
    )


def _ended(workspace: Workspace, done: Executed) -> None:
    from ..comparison import against_previous

    run = done.run
    for told in (*done.ending.warnings, *done.changed[:5]):
        output.warning(told)
    for path in done.absent[:5]:
        output.warning(f"{path} was declared as its output, and is not there")
    if len(done.changed) > 5:
        output.warning(f"{len(done.changed) - 5} more inputs are not as they were")
    capture = run.capture
    if capture and capture.missing and not capture.processes and any("python" in word for word in run.command.argv):
        told, _, hint = capture.missing[0].partition("; ")
        output.warning(f"what it read and executed is not known: {told}", hint)
    if done.trouble is not None:
        output.error(f"the end of run {run.id[:8]} was not recorded: {done.trouble.message}", done.trouble.hint)
        return
    style = {"finished": "green", "failed": "red", "killed": "red"}.get(run.status.value, "")
    line = f"{output.mark()} {output.paint(run.status.value, style, sys.stderr)} in {words.duration(run.seconds)}"
    if run.signal:
        line += f" · by {_signal_name(run.signal)}"
    elif run.exit_code:
        line += f" · exit {run.exit_code}"
    before, changes = against_previous(workspace, run) if run.metrics else (None, [])
    if changes:
        shown = [
            f"{output.escaped(each.metric)} {words.number(each.value)}"
            + (f" {words.signed(each.change)}" if each.change else "")
            for each in changes[:6]
        ]
        line += " · " + "  ".join(shown) + (f" (against {output.escaped(before.name)})" if before else "")
    line += _kept(run)
    output.err(line)
    if run.reason and not done.ending.started:
        output.error(run.reason)
    elif run.models and run.status.value == "finished":
        output.next_step(f"mlcli show {run.id[:8]}   ·   mlcli register NAME {run.id[:8]}")


def _kept(run: Run) -> str:
    if not run.artifacts:
        return ""
    if len(run.models) == 1:
        total = sum(file.size for file in run.files_of(run.models[0].path))
        name = run.models[0].path
        return f" · model {'' if name == 'model' else output.escaped(name) + ' '}{words.size(total)}"
    total = sum(file.size for file in run.artifacts)
    return f" · {len(run.artifacts)} artifact{'s' if len(run.artifacts) != 1 else ''} {words.size(total)}"


def _signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
