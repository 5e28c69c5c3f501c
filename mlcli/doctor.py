"""Examine the store and what it stands on, and mend what can be mended without guessing."""

from __future__ import annotations

import os
import platform

from msgspec import Struct

from . import __version__, checking, tracking
from .domain.history import Action, History, Holder
from .domain.run import RunStatus
from .domain.stage import Stage
from .errors import BadStore, Corrupt, GitError, Missing, MlcliError, NewerFormat, NotFound, Refused
from .store import examine, layout, points
from .store.examine import Problem
from .workspace import Workspace


class Examination(Struct, frozen=True, kw_only=True):
    """What was examined, what was found, and what was mended (one line each)."""

    facts: dict[str, str]
    problems: list[Problem]
    mended: list[str] = []

    @property
    def healthy(self) -> bool:
        """Whether nothing serious is left."""
        return not any(problem.serious for problem in self.problems)


def examined(workspace: Workspace, *, fix: bool = False) -> Examination:
    """Read everything in the store. With `fix`, mend what needs no guess first; what is left is told."""
    made = _is_made(workspace)
    facts = _facts(workspace, made=made)
    if not made:
        return Examination(facts=facts, problems=[])
    mended = []
    if fix:
        found = _problems(workspace)
        mended = [line for problem in found if problem.mendable for line in _mended(workspace, problem)]
    return Examination(facts=facts, problems=_problems(workspace), mended=mended)


def _is_made(workspace: Workspace) -> bool:
    """Whether there is a store, also one whose store.json is damaged or gone: that much can be examined and mended."""
    try:
        return workspace.store.is_made()
    except NewerFormat:
        raise
    except (BadStore, Corrupt):
        if os.path.islink(workspace.store.root) or not os.path.isdir(workspace.store.root):
            raise
        return True


def _facts(workspace: Workspace, *, made: bool) -> dict[str, str]:
    facts = {
        "mlcli": __version__,
        "python": platform.python_version(),
        "workspace": workspace.root,
        "durability": workspace.settings.durability,
    }
    try:
        facts["git"] = workspace.repository.root
    except GitError as error:
        facts["git"] = error.message
    if not made:
        return {**facts, "store": "none yet: the first mlcli run makes it"}
    runs = len(workspace.store.run_ids())
    versions = sum(len(workspace.store.version_numbers(model)) for model in workspace.store.models())
    models = len(workspace.store.models())
    counted = ((runs, "run"), (models, "model"), (versions, "version"))
    return {**facts, "store": ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counted)}


def _problems(workspace: Workspace) -> list[Problem]:
    problems = list(examine.problems(workspace.store))
    for model in sorted({*workspace.store.models(), *workspace.store.histories()}):
        try:
            history = workspace.store.history(model)
        except MlcliError:
            continue  # told by the examination of its events
        for finding in checking.check_names(workspace, model):
            problems.append(
                Problem(
                    code=finding.code,
                    where=finding.subject,
                    message=finding.message,
                    mendable=finding.code in {"stage-disagrees", "alias-disagrees", Corrupt.code},
                    serious=finding.severity is checking.Severity.ERROR,
                )
            )
        problems += _half_moved(workspace, model, history)
    return [*problems, *_loose_code(workspace)]


def _loose_code(workspace: Workspace) -> list[Problem]:
    """Commits that runs came from, that no remote has, and that no ref of mlcli's leads to any more."""
    runs = workspace.store.find_runs(whole=False).runs
    try:
        loose = workspace.loose_code({commit for run in runs for commit in run.git.kept.values()})
    except GitError:
        return []
    problems = []
    for commit, is_here in loose.items():
        told = "no ref leads to it, and git will drop it" if is_here else "it is not in this repository any more"
        whose = next(run for run in runs if commit in run.git.kept.values())
        message = f"run {whose.id[:8]} came from {commit[:7]}: {told}"
        code = "code-loose" if is_here else "code-missing"
        problems.append(Problem(code=code, where=commit, message=message, mendable=is_here, serious=False))
    return problems


def _half_moved(workspace: Workspace, model: str, history: History) -> list[Problem]:
    """Versions that the history says were removed or restored, where that was killed before they were moved."""
    here = workspace.store.version_numbers(model)
    last = {event.version: event for event in history.events if event.action is not Action.MOVED}
    problems = []
    for event in last.values():
        ref = f"{model}@{event.number}"
        if event.action is Action.REMOVED and event.number in here:
            if _digest_of(workspace, model, event.number) == event.version:
                problems.append(
                    Problem(code="half-removed", where=ref, message="it was removed, says the history", mendable=True)
                )
        elif event.action is Action.RESTORED and event.number is not None and event.number not in here:
            problems.append(
                Problem(code="half-restored", where=ref, message="it was restored, says the history", mendable=True)
            )
    return problems


def _mended(workspace: Workspace, problem: Problem) -> list[str]:
    """What was mended; nothing where that would need what is damaged too. What is left is told again."""
    try:
        return _mend(workspace, problem)
    except (Corrupt, GitError, Missing, NotFound, Refused):
        return []


def _mend(workspace: Workspace, problem: Problem) -> list[str]:
    store, files = workspace.store, workspace.store.files
    if problem.where == layout.STORE and problem.code == Corrupt.code:
        files.move(layout.STORE, f"{layout.TRASH}/{layout.STORE}")
    if problem.where in {layout.STORE, layout.GITIGNORE}:
        store.make()
        return [f"wrote {problem.where}"]
    if problem.code == "run-vanished":
        run = store.run(_run_id(problem.where))
        tracking.finish(workspace, run.id, RunStatus.KILLED, reason=run.reason)
        return [f"ended run {run.id[:8]} as killed"]
    if problem.code == "run-missing":
        directory = problem.where.removesuffix(".json")
        files.move(directory, layout.trashed(directory))
        return [f"moved {directory} to the trash, after its run"]
    if problem.code == "object-missing":
        files.move(layout.trashed(problem.where), problem.where)
        return [f"brought {problem.where} back from the trash"]
    if problem.code in {"half-removed", "half-restored"}:
        model, _, number = problem.where.rpartition("@")
        with store.changing(model):
            (store.remove_version if problem.code == "half-removed" else store.restore_version)(model, int(number))
        return [f"{'removed' if problem.code == 'half-removed' else 'restored'} {problem.where}, as the history says"]
    if problem.code == "code-loose":
        workspace.keep_commits({"": problem.where})
        return [f"let a ref lead to {problem.where[:7]} again"]
    if problem.code == "metrics-damaged":
        return _without_torn_lines(workspace, problem.where)
    if problem.code == "metrics-differ":
        run = store.run(_run_id(problem.where))
        tracking.recount(workspace, run.id)
        return [f"counted the metrics of run {run.id[:8]} again"]
    if problem.code in {"artifact-unlinked", "artifact-altered"}:
        run_id = problem.where.split("/")[2]
        path = problem.where.partition("/artifacts/")[2]
        artifact = next(artifact for artifact in store.run(run_id).artifacts if artifact.path == path)
        store.content_path(artifact)
        files.link(layout.object_path(artifact.digest), problem.where)
        return [f"restored {problem.where} from its content"]
    if problem.code == "leftover":
        files.move(problem.where, f"{layout.TRASH}/{problem.where.rpartition('/')[2]}")
        return [f"moved {problem.where} to the trash"]
    if problem.code in {"stage-disagrees", "alias-disagrees", Corrupt.code}:
        model, _, name = problem.where.rpartition("@")
        return _restate(workspace, model, name)
    return []


def _without_torn_lines(workspace: Workspace, where: str) -> list[str]:
    """Leave lines that a killed process tore out of an ended run's history; they stay in the trash as they were."""
    store, files, run_id = workspace.store, workspace.store.files, where.split("/")[2]
    if store.run(run_id).ended_at is None:
        return []
    store.settle_points(run_id)
    with files.alone(where) as free:
        if not free or points.live_files(files, run_id):
            return []
        files.link(where, f"{layout.TRASH}/{run_id}-{where.rpartition('/')[2]}")
        files.replace(where, points.lines(store.points(run_id)))
    tracking.recount(workspace, run_id)
    return [f"left the torn lines of run {run_id[:8]} out of its metrics"]


def _run_id(where: str) -> str:
    return where.split("/")[2].removesuffix(".json")


def _restate(workspace: Workspace, model: str, name: str) -> list[str]:
    """Let the file of a stage or an alias say what the history says."""
    store, stage = workspace.store, Stage(name) if name in {each.value for each in Stage} else None
    with store.changing(model):
        history = store.history(model)
        held, event = (history.holders.get(stage) if stage else history.aliases.get(name)) or (None, "")
        numbers = [number for number in store.version_numbers(model) if _digest_of(workspace, model, number) == held]
        if held is not None and not numbers:
            return []
        number = numbers[0] if numbers else None
        holder = Holder(number=number, version=held, event=event)
        if stage:
            store.set_holder(model, stage, holder)
        else:
            store.set_alias(model, name, holder)
    return [f"{model}@{name} says {number or 'nobody'} again, as the history does"]


def _digest_of(workspace: Workspace, model: str, number: int) -> str:
    try:
        return workspace.store.version(model, number).digest
    except Corrupt:
        return ""
