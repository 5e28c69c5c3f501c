"""A recorded command, run once more in a worktree of its own: as it was, from the code and the files it had."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from ..domain.names import quoted
from ..domain.run import Artifact, Input, ParamSource, Run
from ..domain.source import GitState
from ..errors import CannotRepeat, NoNative, WriteFailed
from ..execution import Executed, Request, run_command
from ..tracking import Given
from ..workspace import ROOT_VARIABLE, STORE_VARIABLE, Workspace, standing_in
from .paths import argv_in, environ_in, inside
from .places import Place, worktree
from .restoring import RestoredInput, bring_left_out, restore

__all__ = ["Again", "Place", "RestoredInput", "bring_left_out", "repeatable", "restore", "run_again", "worktree"]


class Again(Struct, frozen=True, kw_only=True):
    """What is to be run once more: the recorded run, the state of the code there, and what to say of the new run.

    `inputs` are in place by now. `bin_directory` holds the programs of another environment, which come before others.
    """

    recorded: Run
    git: GitState
    given: Given
    inputs: list[RestoredInput] = []
    bin_directory: str | None = None


def repeatable(run: Run) -> None:
    """CannotRepeat, with the reason, where what is recorded of a run's command is not enough to run it again."""
    argv = run.command.argv
    if run.command.masked:
        count = "a secret" if run.command.masked == 1 else f"{run.command.masked} secrets"
        raise CannotRepeat(
            f"{count} in its command was masked, so that the command cannot be repeated",
            "give secrets by variables of the environment, then run again",
        )
    typed = argv[1:2] in (["-c"], [""]) and len(argv) == 2
    if not argv or typed or any(os.path.basename(arg) == "ipykernel_launcher.py" for arg in argv[:2]):
        raise CannotRepeat("its code was typed into a session, and no command is recorded", "put it into a file")
    if len(argv) > 1 and argv[-1].startswith("… and ") and "sha256 of all" in argv[-1]:
        raise CannotRepeat(
            "its command is too long to be recorded in full", "give its arguments by a file, then run again"
        )


def run_again(workspace: Workspace, place: Place, again: Again, *, announce: Callable[[Run], None]) -> Executed:
    """Run the command in the worktree, as a run in the same store; what it prints goes to stderr and into its log.

    KeyboardInterrupt or SystemExit where it was interrupted: its run has ended as killed then. Raises where its end
    could not be recorded.
    """
    recorded = again.recorded
    cwd = _directory(place, recorded)
    argv = recorded.command.argv
    started = argv_in(place, argv, cwd=cwd, bin_directory=again.bin_directory)
    program = os.path.join(cwd, started[0]) if os.sep in started[0] else started[0]
    environ = environ_in(place, workspace.environ, program, cwd=cwd, bin_directory=again.bin_directory)
    environ |= {ROOT_VARIABLE: place.workspace, STORE_VARIABLE: workspace.store.root}
    there = Workspace(
        place.workspace, store=workspace.store.root, environ=environ, now=workspace.now, new_id=workspace.new_id
    )
    declared = {each.path for each in recorded.inputs if not each.seen}  # the others are seen again
    given = replace(
        again.given,
        experiment=recorded.experiment,
        params={key: param for key, param in recorded.params.items() if param.source is ParamSource.DECLARED},
        inputs=[_as_input(workspace, each) for each in again.inputs if each.path in declared],
    )
    variables = list(recorded.environment.variables)
    native = bool(recorded.capture and recorded.capture.native)
    request = Request(argv=argv, started=started, git=again.git, given=given, variables=variables, native=native)
    with standing_in(cwd), _stdout_as_stderr():
        try:
            done = run_command(there, request, cwd=cwd, announce=announce)
        except NoNative:  # nothing has begun; on a machine without a compiler it is watched as well as it can be
            done = run_command(there, replace(request, native=False), cwd=cwd, announce=announce)
    if done.trouble is not None:
        raise done.trouble
    if done.ending.exit_code and done.ending.interrupted:
        raise KeyboardInterrupt if done.ending.interrupted == 2 else SystemExit(128 + done.ending.interrupted)
    return done


def _directory(place: Place, recorded: Run) -> str:
    """Where the command is to be started: the directory in the worktree that it was started in."""
    cwd = inside(place, os.path.normpath(os.path.join(place.user_workspace, recorded.command.cwd)))
    if cwd is None:
        raise CannotRepeat(
            f"it ran in {quoted(recorded.command.cwd)}, outside of the repository", "mlcli run it inside"
        )
    try:
        os.makedirs(cwd, exist_ok=True)  # git keeps no empty directory
    except OSError as error:
        raise WriteFailed(f"cannot make {quoted(cwd, 200)}: {error.strerror}") from None
    return cwd


def _as_input(workspace: Workspace, file: RestoredInput) -> Input:
    kept = workspace.store.has_content(Artifact(path=file.path, size=file.size, digest=file.digest))
    return Input(path=file.path, size=file.size, digest=file.digest, kept=kept)


@contextmanager
def _stdout_as_stderr() -> Iterator[None]:
    """Send what is written to stdout to stderr: stdout is for the answer."""
    try:
        before = os.dup(1)
    except OSError:  # it was closed, and stays so
        before = None
    with suppress(OSError):
        os.dup2(2, 1)
    try:
        yield
    finally:
        if before is None:
            with suppress(OSError):
                os.close(1)
        else:
            os.dup2(before, 1)
            os.close(before)
