"""Examine the store and what it stands on, and mend what can be mended without guessing."""

from __future__ import annotations

import os
import platform

from msgspec import Struct

from . import __version__, checking, merging, tracking
from .chronicle import announced, restate
from .domain.history import Action, History
from .domain.run import RunStatus
from .errors import BadStore, Corrupt, GitError, Missing, NewerFormat, NotFound, Refused
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
    mended: list[str] = []
    if fix:
        mended = _merged(workspace)
        found = _problems(workspace)
        mended += [line for problem in found if problem.mendable for line in _mended(workspace, problem)]
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
    problems, conflicts = _of_merges(workspace)
    problems += [each for each in examine.problems(workspace.store) if each.where not in conflicts]
    problems += [each for each in _of_histories(workspace) if not conflicts & _files(each.where)]
    return [*problems, *_loose_code(workspace)]


def _of_merges(workspace: Workspace) -> tuple[list[Problem], set[str]]:
    """Conflicts of a merge and what one left out, with what --fix does about it; and the files that have a conflict."""
    try:
        found, conflicts = merging.troubles(workspace)
    except (Corrupt, GitError):
        return [], set()  # told by the examination of its documents
    problems = [
        Problem(
            code="conflict" if each.conflict else "left-out",
            where=each.where,
            message=f"--fix: {each.message}" if each.mendable else each.message,
            mendable=each.mendable,
        )
        for each in found
    ]
    return problems, conflicts


def _merged(workspace: Workspace) -> list[str]:
    try:
        return merging.settle(workspace)
    except (Corrupt, Missing, NotFound):
        return []


def _files(where: str) -> set[str]:
    """The files that may be meant by a name as iris@production."""
    model, _, name = where.rpartition("@")
    return {f"{kind(model)}/{name}.json" for kind in (layout.versions, layout.stages, layout.aliases)}


def _of_histories(workspace: Workspace) -> list[Problem]:
    """What is not whole in the models' histories, and names that do not say what they say."""
    problems = []
    for model in sorted({*workspace.store.models(), *workspace.store.histories()}):
        recorded = workspace.store.recorded(model)
        if recorded.damaged:
            continue  # told by the examination of its events
        for finding in checking.check_names(workspace, model, recorded):
            problems.append(
                Problem(
                    code=finding.code,
                    where=finding.subject,
                    message=f"{finding.message}: {finding.hint}" if finding.code == "unsettled" else finding.message,
                    mendable=finding.code in {"stage-disagrees", "alias-disagrees", "unregistered", Corrupt.code},
                    serious=finding.severity is checking.Severity.ERROR,
                )
            )
        problems += _half_moved(workspace, model, recorded.history)
    return problems


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
    model, _, name = problem.where.rpartition("@")
    if problem.code in {"stage-disagrees", "alias-disagrees", Corrupt.code}:
        return _restated(workspace, model)
    if problem.code == "unregistered":
        with store.changing(model):
            version = announced(workspace, store.version(model, int(name)), store.history(model))
        return [f"told the history that {version.ref} was registered"]
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


def _restated(workspace: Workspace, model: str) -> list[str]:
    """Let stages and aliases say what the history says."""
    store = workspace.store
    with store.changing(model):
        history = store.history(model)
        changed = restate(workspace, model, history)
        held = {stage.value: version for stage, (version, _) in history.holders.items()}
        held |= {alias: version for alias, (version, _) in history.aliases.items()}
        numbers = {_digest_of(workspace, model, number): number for number in store.version_numbers(model)}
    told = {name: numbers.get(held[name] or "") or "nobody" for name in changed}
    return [f"{model}@{name} says {says} again, as the history does" for name, says in told.items()]


def _digest_of(workspace: Workspace, model: str, number: int) -> str:
    try:
        return workspace.store.version(model, number).digest
    except Corrupt:
        return ""
