"""Make a run again, and say whether it came out the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from .domain.names import MAX_KEY
from .domain.outcome import Compared, Difference, PackageChange, compare, packages_changed, verdict_of
from .domain.reproduction import Reproduction, Verdict
from .domain.run import Run, RunStatus
from .domain.source import GitState
from .errors import CannotRepeat, GitError, InvalidValue, Missing, MlcliError, NotFound
from .lookup import find_run
from .rerun import Again, Place, RestoredInput, bring_left_out, repeatable, restore, run_again, worktree
from .tracking import Given
from .workspace import Workspace

TOLERANCE = 1e-9


class EnvironmentChoice(str, Enum):
    """Which packages a run is made again with."""

    CURRENT = "current"
    RECORDED = "recorded"


class Reproduced(Struct, frozen=True, kw_only=True):
    """How it came out: the run that was made again, its twin (None where it could not be begun), and the verdict.

    `reason` and `hint` say why it was impossible. `absent` are files of the code that were not in the worktree.
    """

    original: Run
    run: Run | None = None
    verdict: Verdict
    reason: str | None = None
    hint: str | None = None
    tolerance: float = TOLERANCE
    differences: list[Difference] = []
    compared: Compared = Compared()
    inputs: list[RestoredInput] = []
    packages: list[PackageChange] = []
    environment: EnvironmentChoice = EnvironmentChoice.CURRENT
    absent: list[str] = []
    kept: str | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked of a reproduction, and whom to tell how it goes on."""

    tolerance: float = TOLERANCE
    environment: EnvironmentChoice = EnvironmentChoice.CURRENT
    keep: bool = False
    announce: Callable[[Run], None] = lambda run: None
    say: Callable[[str], None] = lambda line: None


def reproduce(workspace: Workspace, text: str, wanted: Wanted | None = None) -> Reproduced:
    """Make the run that `text` names again, from its code, files and command, and compare what comes out.

    It is made in a worktree of its own, which is removed again; the user's tree is not touched. Where something that
    it needs is not to be had, the verdict is `impossible`, and nothing was run.
    """
    wanted = wanted or Wanted()
    if not 0 <= wanted.tolerance < 1:
        raise InvalidValue(f"the tolerance is relative, from 0 to 1, not {wanted.tolerance}", "as --tolerance 1e-6")
    original = _whole(workspace, find_run(workspace, text))
    try:
        if original.status is RunStatus.RUNNING and workspace.store.run_ids(original.id):
            raise CannotRepeat(f"run {original.id[:8]} has not ended", f"mlcli show {original.id[:8]}")
        repeatable(original)
        code = _code(original)
        is_snapshot = original.git.snapshot is not None
        with worktree(workspace, code, snapshot=is_snapshot, keep=wanted.keep) as place:
            return _made_again(workspace, original, place, wanted)
    except (CannotRepeat, GitError, Missing) as why:
        return Reproduced(
            original=original,
            verdict=Verdict.IMPOSSIBLE,
            reason=why.message,
            hint=why.hint,
            tolerance=wanted.tolerance,
            environment=wanted.environment,
        )


def _whole(workspace: Workspace, run: Run) -> Run:
    """The run as it ended, where a version only knows it as it was when it was registered."""
    try:
        return workspace.store.run(run.id)
    except NotFound:
        return run


def _code(run: Run) -> str:
    git = run.git
    if git.code is None:
        raise CannotRepeat(f"its code was not kept: {git.reason or 'no commit is recorded'}", "commit, then run again")
    if git.lost:
        raise CannotRepeat(f"its uncommitted code was not kept: {git.lost}", "run it again")
    return git.code


def _made_again(workspace: Workspace, original: Run, place: Place, wanted: Wanted) -> Reproduced:
    inputs = restore(workspace, place, original.inputs)
    absent = [*place.missing, *_nested(original), *bring_left_out(workspace, place, original)]
    again = Again(
        recorded=original,
        git=_as_checked_out(original.git),
        given=Given(
            name=_name(original),
            reproduces=Reproduction(run_id=original.id, at=workspace.now(), tolerance=wanted.tolerance),
        ),
        inputs=inputs,
        bin_directory=_environment(workspace, original, wanted),
    )
    done = run_again(workspace, place, again, announce=wanted.announce)
    differences, compared = compare(original, done.run, wanted.tolerance)
    verdict = verdict_of(differences)
    return Reproduced(
        original=original,
        run=_noted(workspace, original, done.run, verdict, wanted.tolerance),
        verdict=verdict,
        reason=done.ending.reason,
        tolerance=wanted.tolerance,
        differences=differences,
        compared=compared,
        inputs=inputs,
        packages=packages_changed(original.environment, done.run.environment),
        environment=wanted.environment,
        absent=absent,
        kept=place.root if wanted.keep else None,
    )


def _as_checked_out(git: GitState) -> GitState:
    """The state of the code in a worktree of a run: its commit or snapshot, and no branch."""
    return replace(git, branch=None, upstream=None, ahead=None, behind=None, operation=None)


def _nested(original: Run) -> list[str]:
    return sorted(original.git.snapshot.nested) if original.git.snapshot else []


def _name(original: Run) -> str | None:
    made = len(original.reproductions) + 1
    name = f"{re.sub(r'(-again(-[0-9]+)?)+$', '', original.name)}-again" + (f"-{made}" if made > 1 else "")
    return name if len(name) <= MAX_KEY else None


def _environment(workspace: Workspace, original: Run, wanted: Wanted) -> str | None:
    """The directory with the programs of the recorded environment; None where the current one is to do."""
    if wanted.environment is EnvironmentChoice.CURRENT:
        return None
    from .environments import built

    try:
        return built(original.environment, cache=workspace.cache_directory, say=wanted.say)
    except MlcliError as why:
        raise CannotRepeat(f"the recorded environment cannot be built: {why.message}", why.hint) from None


def _noted(workspace: Workspace, original: Run, again: Run, verdict: Verdict, tolerance: float) -> Run:
    """Tell the verdict in the new run's document, and in that of the run it was made from where that is here."""
    at = workspace.now()
    told = Reproduction(run_id=again.id, at=at, verdict=verdict, tolerance=tolerance)
    with suppress(NotFound):  # a version carries its run to clones that have no document of it
        workspace.store.change_run(original.id, lambda run: replace(run, reproductions=[*run.reproductions, told]))
    told = replace(told, run_id=original.id)
    return workspace.store.change_run(again.id, lambda run: replace(run, reproduces=told))
