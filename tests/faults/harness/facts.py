"""What a store holds, said in facts that can be told before it is read: a flat dictionary, for a readable difference."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from mlcli import tracking
from mlcli.domain.history import Action, Event
from mlcli.domain.run import Run, RunStatus
from mlcli.domain.stage import Stage
from mlcli.workspace import Workspace

Facts = dict[str, Any]


def digest(content: str | bytes) -> str:
    """What a fact says of content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def observed(workspace: Workspace, *, settled: bool = True) -> Facts:
    """All that is in the store, read as everyone reads it; whatever cannot be read raises.

    With `settled`, a run must say what lies in its artifacts directory, and how many points it has.
    """
    store = workspace.store
    if not store.is_made():
        return {}
    found = tracking.find_runs(workspace)
    if found.problems:
        raise found.problems[0]
    if sorted(run.id for run in found.runs) != sorted(store.run_ids()):
        raise AssertionError("the runs that are found are not the runs that are listed")
    facts: Facts = {}
    for run in found.runs:
        facts |= _facts_of_run(workspace, run, settled=settled)
    for model in store.models():
        facts |= _facts_of_model(workspace, model)
    for removed in store.removed():
        what = removed.what
        facts[f"trash {what.id if isinstance(what, Run) else what.ref}"] = "there"
    return facts


def _facts_of_run(workspace: Workspace, run: Run, *, settled: bool) -> Facts:
    facts: Facts = {run.id: run.status.value}
    if run.note:
        facts[f"{run.id} note"] = run.note
    facts |= {f"{run.id} param {key}": param.value for key, param in run.params.items()}
    facts |= {f"{run.id} tag {key}": value for key, value in run.tags.items()}
    facts |= {f"{run.id} model {model.path}": model.flavor for model in run.models}
    for artifact in run.artifacts:
        content = _content(workspace.store.content_path(artifact))
        if settled and _content(f"{workspace.store.artifacts_directory(run.id)}/{artifact.path}") != content:
            raise AssertionError(f"{artifact.path} of run {run.id} is not what was kept")
        facts[f"{run.id} artifact {artifact.path}"] = content
    points: dict[str, list[tuple[int, float]]] = {}
    for point in workspace.store.points(run.id):
        points.setdefault(point.metric, []).append((point.step, point.value))
    # Sorted: a process that takes a run up again may have its points told before those of the one before it.
    facts |= {f"{run.id} metric {metric}": sorted(values) for metric, values in points.items()}
    counted = {metric: short.count for metric, short in run.metrics.items()}
    if (
        settled
        and run.status is not RunStatus.RUNNING
        and counted != {metric: len(values) for metric, values in points.items()}
    ):
        raise AssertionError(f"run {run.id} counts {counted} points, and its history has others")
    return facts


def _facts_of_model(workspace: Workspace, model: str) -> Facts:
    store = workspace.store
    facts: Facts = {}
    numbers: dict[str, int] = {}
    for number in store.version_numbers(model):
        version = store.version(model, number)
        facts[f"{model}@{number}"] = f"{version.path} of {version.run.id}"
        numbers[version.digest] = number
    history = store.history(model)
    if len(history.heads) > 1:
        raise AssertionError(f"the history of {model} is no single chain: {len(history.heads)} heads")
    removed = [event for event in history.events if event.number and event.action is Action.REMOVED]
    numbers |= {event.version: event.number for event in removed if event.number}
    told = {event.version for event in history.events if event.action is Action.REGISTERED}
    if unknown := told - numbers.keys():
        raise AssertionError(f"the history of {model} tells of versions that were never there: {unknown}")
    if moves := [event for event in history.events if event.action is not Action.REGISTERED]:
        facts[f"{model} moves"] = [_told(event, numbers) for event in moves]
    for stage in Stage:
        holder = store.holder(model, stage) if stage.exclusive else None
        if holder is not None and holder.number is not None:
            facts[f"{model} {stage.value}"] = holder.number
    return facts


def _told(event: Event, numbers: dict[str, int]) -> str:
    number = numbers.get(event.version, 0)
    if event.action is not Action.MOVED:
        return f"{number} {event.action.value}"
    archived = [numbers.get(each, 0) for each in event.archived]
    return move(number, event.from_stage.value, event.to_stage.value, archived)


def _other(expected: Any, found: Any) -> str:
    if not isinstance(expected, list) or not isinstance(found, list):
        return f"is {found!r} and not {expected!r}"
    missing, more = Counter(expected), Counter(found)
    told = [f"misses {[*(missing - more).elements()][:5]}"] if missing - more else []
    told += [f"has too many {[*(more - missing).elements()][:5]}"] if more - missing else []
    return ", ".join(told) or f"is in another order: {found[:5]} … and not {expected[:5]} …"


def move(number: int, before: str, after: str, archived: list[int]) -> str:
    """What a fact says of one event of a model."""
    return f"{number} {before} > {after}" + (f", {archived} archived" if archived else "")


def _content(path: str) -> str:
    with open(path, "rb") as file:
        return digest(file.read())


def difference(expected: Facts, found: Facts) -> str:
    """What is missing, what is too much, what is other, in a line."""
    said = [f"lost {key}={expected[key]!r}" for key in sorted(expected.keys() - found.keys())]
    said += [f"unexplained {key}={found[key]!r}" for key in sorted(found.keys() - expected.keys())]
    said += [
        f"{key} {_other(expected[key], found[key])}"
        for key in sorted(expected.keys() & found.keys())
        if expected[key] != found[key]
    ]
    return "; ".join(said[:4]) + (f"; and {len(said) - 4} more" if len(said) > 4 else "")
