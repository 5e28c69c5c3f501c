"""Begin a run, log to it, end it; find runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .domain import query
from .domain.names import check_artifact_path, check_key, check_name, check_run_name, quoted, run_name
from .domain.observed import Capture, Code, Fit, Output, Usage
from .domain.order import NEWEST_FIRST, parse_sort
from .domain.reproduction import Reproduction
from .domain.run import (
    Artifact,
    FoundRuns,
    Input,
    Metric,
    MetricPoint,
    MetricSource,
    Model,
    Param,
    ParamSource,
    Run,
    RunStatus,
)
from .domain.source import Environment, GitState, Source
from .domain.values import (
    MAX_PARAMS,
    checked_note,
    checked_params,
    checked_step,
    checked_tags,
    json_value,
    metric_value,
    same_value,
)
from .errors import AlreadyLogged, InvalidValue, MlcliError
from .workspace import Workspace


class SeenMetric(Struct, frozen=True, kw_only=True):
    """A metric that was seen and where it is from, with its points where they are not in the store yet."""

    name: str
    points: list[MetricPoint] = []
    source: MetricSource
    origin: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """What was seen of a run by the time it ended; `metrics` come with where they are from."""

    params: Mapping[str, Param] = {}
    metrics: Sequence[SeenMetric] = ()
    inputs: Sequence[Input] = ()
    urls: Sequence[str] = ()
    outputs: Sequence[Output] = ()
    artifacts: Sequence[Artifact] = ()
    models: Sequence[Model] = ()
    fits: Sequence[Fit] = ()
    code: Code | None = None
    capture: Capture | None = None
    usage: Usage | None = None
    environment: Environment | None = None


class Given(Struct, frozen=True, kw_only=True):
    """What is said of a run when it begins."""

    name: str | None = None
    experiment: str | None = None
    params: Mapping[str, Param] = {}
    tags: Mapping[str, str] = {}
    note: str = ""
    parent_id: str | None = None
    inputs: Sequence[Input] = ()
    reproduces: Reproduction | None = None


# A run's life


def begin(workspace: Workspace, source: Source, given: Given | None = None) -> Run:
    """Record a run before its work begins, so that a broken store shows before hours of training."""
    given = given or Given()
    run_id = workspace.new_id()
    run = Run(
        id=run_id,
        name=run_name(run_id) if given.name is None else check_run_name(given.name),
        name_given=given.name is not None,
        experiment=check_name(given.experiment or workspace.settings.experiment, "experiment"),
        status=RunStatus.RUNNING,
        started_at=source.at,
        command=source.command,
        git=source.git,
        environment=source.environment,
        process=source.process,
        user=source.user,
        parent_id=given.parent_id,
        params=checked_params(given.params),
        tags=checked_tags(given.tags),
        note=checked_note(given.note),
        inputs=list(given.inputs),
        reproduces=given.reproduces,
    )
    workspace.make_store()
    with workspace.store.adding_content():  # so that nobody forgets what no document names yet
        run = replace(run, git=workspace.keep_code(_digested(workspace, run.git)))
        workspace.store.add_run(run)
    return run


def _digested(workspace: Workspace, git: GitState) -> GitState:
    """The state with the digest of each large file that a snapshot left out."""
    snapshot = git.snapshot
    if snapshot is None or not any(file.reason == "large" for file in snapshot.left_out):
        return git
    root = workspace.repository.root
    with workspace.store.digesting() as digests:
        files = [
            replace(file, digest=digests.of(os.path.join(root, file.path))) if file.reason == "large" else file
            for file in snapshot.left_out
        ]
    return replace(git, snapshot=replace(snapshot, left_out=files))


def finish(
    workspace: Workspace,
    run_id: str,
    status: RunStatus,
    *,
    exit_code: int | None = None,
    signal: int | None = None,
    reason: str | None = None,
    ended_at: datetime | None = None,
    seen: Seen | None = None,
) -> Run:
    """End a run, with its metrics added up and what was seen of it. A status that was said outright before stays."""
    ended_at = ended_at or workspace.now()
    for metric in seen.metrics if seen else ():
        if metric.points:
            workspace.store.add_points(run_id, metric.points)
    metrics, points = workspace.store.settle_points(run_id)

    def ended(run: Run) -> Run:
        said = run.status if run.status is not RunStatus.RUNNING and status is RunStatus.FINISHED else status
        if seen is not None:
            run = _with_seen(run, seen)
        return replace(
            run,
            status=said,
            ended_at=ended_at,
            exit_code=exit_code,
            signal=signal,
            reason=reason or run.reason,
            metrics=_told_apart(metrics, run, seen),
            points=points,
        )

    return workspace.store.change_run(run_id, ended)


def _with_seen(run: Run, seen: Seen) -> Run:
    """The run with what was seen of it: what was logged or declared stays, and guesses give way."""
    params = {key: param for key, param in run.params.items() if not param.source.guessed}
    guessed = seen.params or {key: param for key, param in run.params.items() if param.source.guessed}
    known = {model.path for model in run.models}
    return replace(
        run,
        params=dict(list({**guessed, **params}.items())[:MAX_PARAMS]),
        inputs=[*run.inputs, *seen.inputs],
        urls=list(seen.urls),
        outputs=list(seen.outputs),
        code=seen.code,
        fits=list(seen.fits),
        capture=seen.capture,
        usage=seen.usage,
        environment=seen.environment or run.environment,
        artifacts=_with(run.artifacts, seen.artifacts) if seen.artifacts else run.artifacts,
        models=[*run.models, *(model for model in seen.models if model.path not in known)],
    )


def _told_apart(metrics: Mapping[str, Metric], run: Run, seen: Seen | None) -> dict[str, Metric]:
    """The metrics, each with where its values are from."""
    told = {key: (metric.source, metric.origin) for key, metric in run.metrics.items()}
    told |= {metric.name: (metric.source, metric.origin) for metric in (seen.metrics if seen else ())}
    return {
        key: replace(metric, source=told[key][0], origin=told[key][1]) if key in told else metric
        for key, metric in metrics.items()
    }


def recount(workspace: Workspace, run_id: str) -> None:
    """Add a run's metrics up again from its history."""
    metrics, points = workspace.store.settle_points(run_id)
    workspace.store.change_run(run_id, lambda run: replace(run, metrics=_told_apart(metrics, run, None), points=points))


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
    params = checked_params({key: Param(json_value(value, key), source) for key, value in values.items()})

    def logged(run: Run) -> Run:
        for key, param in params.items():
            old = run.params.get(key)
            if old and not old.source.guessed and not same_value(old.value, param.value):
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
        recount(workspace, run_id)


def set_tags(workspace: Workspace, run_id: str, tags: Mapping[str, Any]) -> Run:
    """Set tags; a tag that is there is replaced."""
    checked = checked_tags(tags)
    return workspace.store.change_run(run_id, lambda run: replace(run, tags={**run.tags, **checked}))


def remove_tags(workspace: Workspace, run_id: str, keys: Iterable[str]) -> Run:
    """Remove tags; one that is not there is no error."""
    gone = set(keys)
    return workspace.store.change_run(
        run_id, lambda run: replace(run, tags={key: value for key, value in run.tags.items() if key not in gone})
    )


def set_note(workspace: Workspace, run_id: str, note: str) -> Run:
    """Replace a run's note."""
    checked = checked_note(note)
    return workspace.store.change_run(run_id, lambda run: replace(run, note=checked))


def log_artifact(workspace: Workspace, run_id: str, source: str, path: str) -> list[Artifact]:
    """Keep a file or directory as the run's artifact `path`; '' puts a directory's content at the top."""
    if path:
        check_artifact_path(path)
    if not os.path.lexists(source):
        raise InvalidValue(f"no such file or directory: {quoted(source)}")
    _require_run(workspace, run_id)
    with workspace.store.adding_content():
        kept = workspace.store.keep(run_id, source, path)
        with _told(workspace, run_id, kept):
            workspace.store.change_run(run_id, lambda run: replace(run, artifacts=_with(run.artifacts, kept)))
    return kept


def _require_run(workspace: Workspace, run_id: str) -> None:
    """NotFound where there is no such run, before a file is kept with it; a run that goes on is not read for this."""
    if not workspace.store.run_ids(run_id):
        workspace.store.run(run_id)


@contextmanager
def _told(workspace: Workspace, run_id: str, kept: Sequence[Artifact]) -> Iterator[None]:
    """Leave no file among a run's that its document could not be told of."""
    try:
        yield
    except BaseException:
        with suppress(MlcliError):
            told = {file.path for file in workspace.store.run(run_id).artifacts}
            workspace.store.detach(run_id, [file.path for file in kept if file.path not in told])
        raise


def log_model(workspace: Workspace, run_id: str, directory: str, model: Model) -> Model:
    """Keep a saved model's directory as the run's artifact `model.path`, with what is needed to load it again."""
    check_artifact_path(model.path)
    _require_run(workspace, run_id)
    with workspace.store.adding_content():
        kept = workspace.store.keep(run_id, directory, model.path)
        model = replace(model, digest=workspace.store.manifest(kept, model.path))

        def logged(run: Run) -> Run:
            others = [other for other in run.models if other.path != model.path]
            replaced = {file.path for file in run.files_of(model.path)}
            rest = [file for file in run.artifacts if file.path not in replaced]
            gone.extend(replaced - {file.path for file in kept})
            return replace(run, artifacts=_with(rest, kept), models=[*others, model])

        gone: list[str] = []
        with _told(workspace, run_id, kept):
            workspace.store.change_run(run_id, logged)
        workspace.store.detach(run_id, gone)
    return model


def _with(artifacts: Sequence[Artifact], added: Sequence[Artifact]) -> list[Artifact]:
    kept = {artifact.path: artifact for artifact in [*artifacts, *added]}
    return [kept[path] for path in sorted(kept)]


# Finding


def find_runs(
    workspace: Workspace,
    filter_text: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    whole: bool = True,
) -> FoundRuns:
    """The runs that the filter lets through: newest first, or by `sort` ('metrics.accuracy:desc', 'started').

    Not `whole`: packages, inputs and file lists may be left out of the runs, which is faster.
    """
    workspace.require_store()
    parsed = query.parse(filter_text, workspace.now()) if filter_text else None
    order = parse_sort(sort) if sort else NEWEST_FIRST
    return workspace.store.find_runs(parsed, sort=order, limit=limit, whole=whole)
