"""Begin a run, log to it, end it; find runs and set them beside each other."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .domain import query
from .domain.names import check_artifact_path, check_key, check_name, check_run_name, quoted, run_name, storable
from .domain.run import (
    Artifact,
    FoundRuns,
    Metric,
    MetricPoint,
    Model,
    Param,
    ParamSource,
    Run,
    RunStatus,
    lower_is_better,
    summarised,
)
from .domain.source import Source
from .errors import AlreadyLogged, InUse, InvalidValue, UsageError
from .lookup import find_run, versions_of
from .workspace import Workspace

MAX_STEP = 2**63 - 1
MAX_PARAMS = 10_000
MAX_VALUE = 500_000
MAX_NOTE = 100_000


# A run's life


def begin(
    workspace: Workspace,
    source: Source,
    *,
    name: str | None = None,
    experiment: str | None = None,
    params: Mapping[str, Param] | None = None,
    tags: Mapping[str, str] | None = None,
    note: str = "",
    parent_id: str | None = None,
) -> Run:
    """Record a run before its work begins, so that a broken store shows before hours of training."""
    run_id = workspace.new_id()
    run = Run(
        id=run_id,
        name=check_run_name(name) if name is not None else run_name(run_id),
        name_given=name is not None,
        experiment=check_name(experiment or workspace.settings.experiment, "experiment"),
        status=RunStatus.RUNNING,
        started_at=source.at,
        command=source.command,
        git=source.git,
        environment=source.environment,
        process=source.process,
        user=source.user,
        parent_id=parent_id,
        params=_checked_params(params or {}),
        tags=_checked_tags(tags or {}),
        note=_checked_note(note),
    )
    workspace.make_store()
    workspace.store.add_run(run)
    return run


def finish(
    workspace: Workspace,
    run_id: str,
    status: RunStatus,
    *,
    exit_code: int | None = None,
    signal: int | None = None,
    reason: str | None = None,
) -> Run:
    """End a run, with its metrics added up. A status that was said outright before stays."""
    workspace.store.settle_points(run_id)
    ended_at = workspace.now()

    def ended(run: Run) -> Run:
        said = run.status if run.status is not RunStatus.RUNNING and status is RunStatus.FINISHED else status
        return replace(
            run,
            status=said,
            ended_at=ended_at,
            exit_code=exit_code,
            signal=signal,
            reason=reason or run.reason,
            metrics=summarised({}, workspace.store.points(run_id)),
        )

    return workspace.store.change_run(run_id, ended)


def recount(workspace: Workspace, run_id: str) -> None:
    """Add a run's metrics up again from its history."""
    points = workspace.store.points(run_id)
    workspace.store.change_run(run_id, lambda run: replace(run, metrics=summarised({}, points)))


def mark(workspace: Workspace, run_id: str, status: RunStatus) -> None:
    """Say how a run that another process will end has gone."""
    workspace.store.change_run(run_id, lambda run: replace(run, status=status))


def rename(workspace: Workspace, run_id: str, name: str) -> Run:
    """Name a run that was not named on the command line."""
    check_run_name(name)
    return workspace.store.change_run(
        run_id, lambda run: run if run.name_given else replace(run, name=name, name_given=True)
    )


def move_to_experiment(workspace: Workspace, run_id: str, experiment: str) -> Run:
    """Put a run into another experiment."""
    check_name(experiment, "experiment")
    return workspace.store.change_run(run_id, lambda run: replace(run, experiment=experiment))


# Logging


def log_params(
    workspace: Workspace, run_id: str, values: Mapping[str, Any], source: ParamSource = ParamSource.LOGGED
) -> None:
    """Log params: any JSON values. AlreadyLogged where one was said before with another value; then none is kept."""
    params = _checked_params({key: Param(json_value(value, key), source) for key, value in values.items()})

    def logged(run: Run) -> Run:
        for key, param in params.items():
            old = run.params.get(key)
            if old and not old.source.guessed and not _same(old.value, param.value):
                raise AlreadyLogged(
                    f"param {quoted(key)} was {old.source.value} as {quoted(old.value)} and cannot become "
                    f"{quoted(param.value)}",
                    "a param is written once: log a changing value as a metric, or begin another run",
                )
        kept = {key: param for key, param in params.items() if key not in run.params or run.params[key].source.guessed}
        together = {**run.params, **kept}
        if len(together) > MAX_PARAMS:
            raise InvalidValue(f"a run has at most {MAX_PARAMS} params, and these would make {len(together)}")
        return replace(run, params=together)

    workspace.store.change_run(run_id, logged)


def log_metrics(
    workspace: Workspace,
    run_id: str,
    values: Mapping[str, Any],
    *,
    step: int | None = None,
    at: datetime | None = None,
    live: bool = True,
) -> None:
    """Append a point to each metric. With no step, 0. `live` says that the run has not ended."""
    number = checked_step(step)
    moment = at or workspace.now()
    points = [
        MetricPoint(check_key(key, "metric"), metric_value(key, value), number, moment) for key, value in values.items()
    ]
    if not points:
        return
    workspace.store.add_points(run_id, points)
    if not live:
        workspace.store.change_run(run_id, lambda run: replace(run, metrics=summarised(run.metrics, points)))


def set_tags(workspace: Workspace, run_id: str, tags: Mapping[str, Any]) -> Run:
    """Set tags; a tag that is there is replaced."""
    checked = _checked_tags(tags)
    return workspace.store.change_run(run_id, lambda run: replace(run, tags={**run.tags, **checked}))


def remove_tags(workspace: Workspace, run_id: str, keys: Iterable[str]) -> Run:
    """Remove tags; one that is not there is no error."""
    gone = set(keys)
    return workspace.store.change_run(
        run_id, lambda run: replace(run, tags={key: value for key, value in run.tags.items() if key not in gone})
    )


def set_note(workspace: Workspace, run_id: str, note: str) -> Run:
    """Replace a run's note."""
    checked = _checked_note(note)
    return workspace.store.change_run(run_id, lambda run: replace(run, note=checked))


def log_artifact(workspace: Workspace, run_id: str, source: str, path: str) -> list[Artifact]:
    """Keep a file or directory as the run's artifact `path`; '' puts a directory's content at the top."""
    if path:
        check_artifact_path(path)
    if not os.path.lexists(source):
        raise InvalidValue(f"no such file or directory: {quoted(source)}")
    kept = workspace.store.put(source, path)
    workspace.store.attach(run_id, kept)
    workspace.store.change_run(run_id, lambda run: replace(run, artifacts=_with(run.artifacts, kept)))
    return kept


def log_model(workspace: Workspace, run_id: str, directory: str, model: Model) -> Model:
    """Keep a saved model's directory as the run's artifact `model.path`, with what is needed to load it again."""
    check_artifact_path(model.path)
    kept = workspace.store.put(directory, model.path)
    workspace.store.attach(run_id, kept)
    model = replace(model, digest=workspace.store.manifest(kept, model.path))

    def logged(run: Run) -> Run:
        others = [other for other in run.models if other.path != model.path]
        before = [file for file in run.artifacts if file not in run.files_of(model.path)]
        return replace(run, artifacts=_with(before, kept), models=[*others, model])

    workspace.store.change_run(run_id, logged)
    return model


def _with(artifacts: Sequence[Artifact], added: Sequence[Artifact]) -> list[Artifact]:
    kept = {artifact.path: artifact for artifact in [*artifacts, *added]}
    return [kept[path] for path in sorted(kept)]


# What may be logged


def json_value(value: Any, key: str) -> Any:
    """`value` as JSON keeps it: numbers, texts, true, false, null, lists and maps; anything else by its text."""
    if hasattr(value, "item") and callable(value.item) and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy or torch scalar
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple):
        return [json_value(inner, key) for inner in value]
    if isinstance(value, dict):
        return {str(name): json_value(inner, key) for name, inner in value.items()}
    text = storable(value if isinstance(value, str) else str(value))
    if len(text) > MAX_VALUE:
        raise InvalidValue(f"param {quoted(key)} has {len(text)} characters and at most {MAX_VALUE} fit")
    return text


def metric_value(key: str, value: Any) -> float:
    """`value` as a metric's number; NaN and infinities are numbers too. InvalidValue names the metric."""
    if not isinstance(value, str | bytes | complex) and value is not None:
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise InvalidValue(f"metric {quoted(key)} must be a number, not {quoted(value)}", "log a text as a param or a tag")


def checked_step(step: Any) -> int:
    """`step` as a whole number of 64 bits; none is 0."""
    if step is None:
        return 0
    number = step.item() if hasattr(step, "item") else step
    if isinstance(number, bool) or not isinstance(number, int) or not -MAX_STEP - 1 <= number <= MAX_STEP:
        raise InvalidValue(f"a step must be a whole number of 64 bits, not {quoted(step)}")
    return number


def _same(old: Any, new: Any) -> bool:
    both_nan = isinstance(old, float | str) and isinstance(new, float) and math.isnan(new) and str(old).lower() == "nan"
    return both_nan or (old == new and isinstance(old, bool) == isinstance(new, bool))


def _checked_params(params: Mapping[str, Param]) -> dict[str, Param]:
    if len(params) > MAX_PARAMS:
        raise InvalidValue(f"a run has at most {MAX_PARAMS} params, and these are {len(params)}")
    return {check_key(key, "param"): param for key, param in params.items()}


def _checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    checked = {check_key(key, "tag"): storable(str(value)) for key, value in tags.items()}
    for key, value in checked.items():
        if len(value) > MAX_VALUE:
            raise InvalidValue(f"tag {quoted(key)} has {len(value)} characters and at most {MAX_VALUE} fit")
    return checked


def _checked_note(note: str) -> str:
    if len(note) > MAX_NOTE:
        raise InvalidValue(f"a note has at most {MAX_NOTE} characters, and this one {len(note)}")
    return storable(note)


# Finding and comparing

SORTS: dict[str, Callable[[Run], Any]] = {
    "started": lambda run: run.started_at,
    "ended": lambda run: run.ended_at,
    "seconds": lambda run: run.seconds,
    "name": lambda run: run.name,
    "status": lambda run: run.status.value,
    "experiment": lambda run: run.experiment,
    "id": lambda run: run.id,
}


def find_runs(
    workspace: Workspace, filter_text: str | None = None, *, sort: str | None = None, limit: int | None = None
) -> FoundRuns:
    """The runs that the filter lets through: newest first, or by `sort` ('metrics.accuracy:desc', 'started')."""
    workspace.require_store()
    parsed = query.parse(filter_text, workspace.now()) if filter_text else None
    key = _sort_key(sort) if sort else None
    found = workspace.store.find_runs(parsed)
    runs = found.runs
    if key:
        by, descending = key
        with_value = [run for run in runs if _present(by(run))]
        without = [run for run in runs if not _present(by(run))]
        runs = [*sorted(with_value, key=lambda run: _ordered(by(run)), reverse=descending), *without]
    return FoundRuns(runs if limit is None else runs[: max(limit, 0)], found.problems)


def _sort_key(sort: str) -> tuple[Callable[[Run], Any], bool]:
    field, _, direction = sort.rpartition(":") if sort.endswith((":asc", ":desc")) else (sort, "", "asc")
    group, _, key = field.partition(".")
    group = query.GROUPS.get(group.lower(), group)
    if key and group == "metrics":
        return (lambda run: run.metrics[key].last if key in run.metrics else None), direction == "desc"
    if key and group == "params":
        return (lambda run: run.params[key].value if key in run.params else None), direction == "desc"
    if key and group == "tags":
        return (lambda run: run.tags.get(key)), direction == "desc"
    if field not in SORTS:
        raise UsageError(
            f"cannot sort by {quoted(field)}",
            f"use metrics.…, params.…, tags.… or one of {', '.join(SORTS)}, with :desc",
        )
    return SORTS[field], direction == "desc"


def _present(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _ordered(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, value) if isinstance(value, datetime) else (2, str(value))


class Row(Struct, frozen=True, kw_only=True):
    """One thing compared: its values, one a run (None where the run has none); `best` names the best columns."""

    group: str
    key: str
    values: list[Any]
    same: bool
    best: list[int] = []


class Comparison(Struct, frozen=True, kw_only=True):
    """Runs side by side."""

    runs: list[Run]
    rows: list[Row]


def compare(workspace: Workspace, refs: Sequence[str]) -> Comparison:
    """Two or more runs side by side: params, metrics, commit, and what else differs."""
    if len(refs) < 2:
        raise UsageError("compare needs two runs or more", "mlcli compare @ @1")
    runs = [find_run(workspace, ref) for ref in refs]
    rows = [
        *_rows("params", runs, lambda run: {key: param.value for key, param in run.params.items()}),
        *_rows("metrics", runs, lambda run: {key: metric.last for key, metric in run.metrics.items()}),
        *_rows("git", runs, lambda run: {"commit": run.git.commit, "dirty": run.git.dirty, "branch": run.git.branch}),
        *_rows("environment", runs, lambda run: {"python": run.environment.python, **run.environment.packages}),
        *_rows("tags", runs, lambda run: run.tags),
    ]
    return Comparison(runs=runs, rows=rows)


def _rows(group: str, runs: Sequence[Run], values: Callable[[Run], Mapping[str, Any]]) -> list[Row]:
    each = [values(run) for run in runs]
    keys = list(dict.fromkeys(key for found in each for key in found))
    rows = []
    for key in keys:
        column = [found.get(key) for found in each]
        same = all(value == column[0] for value in column)
        best = _best_columns(key, column) if group == "metrics" and not same else []
        rows.append(Row(group=group, key=key, values=column, same=same, best=best))
    return rows


def _best_columns(metric: str, column: Sequence[Any]) -> list[int]:
    numbers = [value for value in column if _present(value)]
    if not numbers:
        return []
    best = min(numbers) if lower_is_better(metric) else max(numbers)
    return [at for at, value in enumerate(column) if value == best]


class Difference(Struct, frozen=True, kw_only=True):
    """A metric beside the same metric of the run before."""

    metric: str
    value: float
    change: float | None


def against_previous(workspace: Workspace, run: Run) -> tuple[Run | None, list[Difference]]:
    """The run before this one of the same program in the same experiment, and the change of each metric since."""
    earlier = [
        other
        for other in workspace.store.find_runs().runs
        if other.id != run.id
        and other.started_at <= run.started_at
        and other.status is RunStatus.FINISHED
        and other.experiment == run.experiment
        and program(other) == program(run)
    ]
    before = earlier[0] if earlier else None
    changes = [
        Difference(metric=key, value=metric.last, change=_change(metric, before.metrics.get(key) if before else None))
        for key, metric in run.metrics.items()
    ]
    return before, changes


def _change(metric: Metric, before: Metric | None) -> float | None:
    if before is None or not (math.isfinite(metric.last) and math.isfinite(before.last)):
        return None
    return metric.last - before.last


def program(run: Run) -> tuple[str, ...]:
    """What a run ran, without its options: ('python', 'train.py'), ('python', '-m', 'churn.train')."""
    argv = run.command.argv
    first = os.path.basename(argv[0]) if argv else ""
    if argv[1:2] == ["-m"]:
        return (first, *argv[1:3])
    return (first, *[arg for arg in argv[1:] if not arg.startswith("-") and "=" not in arg][:1])


def remove(workspace: Workspace, refs: Sequence[str]) -> list[Run]:
    """Move runs to the trash, all or none; InUse where a model version stands on one."""
    runs = [find_run(workspace, ref) for ref in refs]
    versions = versions_of(workspace)
    for run in runs:
        on_it = [version.ref for version in versions if version.run.id == run.id]
        if on_it:
            raise InUse(
                f"run {run.id[:8]} cannot be removed: {', '.join(on_it)} stands on it", f"mlcli lineage {on_it[0]}"
            )
        if run.status is RunStatus.RUNNING:
            raise InUse(f"run {run.id[:8]} cannot be removed: it is running", "end it first")
    removed = list({run.id: run for run in runs}.values())
    for run in removed:
        workspace.store.remove_run(run.id)
    return removed
