"""The Python API, shaped as MLflow's: `import mlcli as mlflow` and go on.

Inside `mlcli run` the calls join the wrapped run; elsewhere, in scripts and notebooks, they make one of their own.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from . import capture, flavors, registry, serving, tracking
from .domain.model import ModelVersion
from .domain.names import check_name, quoted
from .domain.run import Artifact, Model, Run, RunStatus, Signature
from .errors import InvalidValue, MissingPackage, NoActiveRun
from .lookup import find_run
from .workspace import RUN_VARIABLE, Workspace

if TYPE_CHECKING:
    from types import TracebackType

infer_signature = flavors.infer_signature


class RunInfo(Struct, frozen=True, kw_only=True):
    """What MLflow calls a run's info."""

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    user_id: str
    lifecycle_stage: str = "active"

    @property
    def run_uuid(self) -> str:
        """The id, under its older name."""
        return self.run_id


class RunData(Struct, frozen=True, kw_only=True):
    """What MLflow calls a run's data: params as text, the last value of each metric, tags."""

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


class ActiveRun:
    """A run that is being logged to; as a context manager it ends the run, as failed where the block raised."""

    def __init__(self, workspace: Workspace, run_id: str, *, joined: bool) -> None:
        self._workspace, self._run_id, self._joined = workspace, run_id, joined

    @property
    def info(self) -> RunInfo:
        """Id, name, status, times in milliseconds, artifact URI; read anew at each call."""
        run = self._workspace.store.run(self._run_id)
        return RunInfo(
            run_id=run.id,
            run_name=run.name,
            experiment_id=run.experiment,
            status=run.status.value.upper(),
            start_time=int(run.started_at.timestamp() * 1000),
            end_time=int(run.ended_at.timestamp() * 1000) if run.ended_at else None,
            artifact_uri=_artifact_uri(self._workspace, run.id),
            user_id=str(run.user),
        )

    @property
    def data(self) -> RunData:
        """Params, metrics and tags; read anew at each call."""
        run = self._workspace.store.run(self._run_id)
        return RunData(
            params={key: str(param.value) for key, param in run.params.items()},
            metrics={key: metric.last for key, metric in run.metrics.items()},
            tags=run.tags,
        )

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _state.stack:
            while _state.stack[-1] is not self:
                end_run()
            end_run("FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED")

    def __repr__(self) -> str:
        return f"<mlcli run {self._run_id[:8]}>"


class _State(threading.local):
    def __init__(self) -> None:
        self.stack: list[ActiveRun] = []
        self.last: ActiveRun | None = None


_state = _State()
_experiment: list[str] = []
_joined_once: list[int] = []
_STATUSES = {
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.KILLED,
    "RUNNING": RunStatus.RUNNING,
}


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    **_unused: Any,
) -> ActiveRun:
    """Begin a run, or take one up again by its id; best as `with mlcli.start_run(run_name="baseline"):`.

    Inside `mlcli run` the first call joins the wrapped run, later ones make children of it. With a run active,
    `nested=True` makes a child; without it NoActiveRun is raised, as MLflow does.
    """
    if _state.stack and not nested:
        raise NoActiveRun(
            f"run {_state.stack[-1]._run_id[:8]} is active already", "call end_run() first, or start_run(nested=True)"
        )
    workspace = Workspace.find()
    wrapped = workspace.environ.get(RUN_VARIABLE)
    joins = run_id is None and wrapped is not None and not nested and _first_here()
    if run_id is not None or joins:
        active = _taken_up(workspace, run_id or str(wrapped), run_name, joined=joins)
    else:
        parent = parent_run_id or (_state.stack[-1]._run_id if _state.stack else wrapped)
        active = _begun(workspace, run_name, experiment_id, parent)
    if tags:
        tracking.set_tags(workspace, active._run_id, tags)
    if description:
        tracking.set_note(workspace, active._run_id, description)
    _state.stack.append(active)
    _state.last = active
    return active


def _first_here() -> bool:
    if os.getpid() in _joined_once:
        return False
    _joined_once.append(os.getpid())
    return True


def _taken_up(workspace: Workspace, run_id: str, name: str | None, *, joined: bool) -> ActiveRun:
    run = find_run(workspace, run_id)
    if name:
        tracking.rename(workspace, run.id, name)
    if _experiment and joined:
        tracking.move_to_experiment(workspace, run.id, _experiment[-1])
    return ActiveRun(workspace, run.id, joined=joined)


def _begun(workspace: Workspace, name: str | None, experiment: str | None, parent: str | None) -> ActiveRun:
    cwd = os.getcwd()
    argv = [os.path.basename(sys.executable), *(sys.argv if sys.argv[0] not in {"", "-c"} else sys.argv[:1])]
    source = capture.collect([], root=workspace.root, cwd=cwd, environ=workspace.environ, at=workspace.now())
    command = capture.command.noted([_relative(workspace, arg) for arg in argv], source.command.cwd)
    run = tracking.begin(
        workspace,
        capture.with_command(source, command),
        name=name,
        experiment=experiment or (_experiment[-1] if _experiment else None),
        params=capture.command.params(argv),
        parent_id=parent,
    )
    return ActiveRun(workspace, run.id, joined=False)


def _relative(workspace: Workspace, arg: str) -> str:
    inside = os.path.isabs(arg) and arg.startswith(workspace.root + os.sep)
    return os.path.relpath(arg) if inside else arg


def end_run(status: str = "FINISHED") -> None:
    """End the active run; nothing where there is none. A wrapped run is ended by `mlcli run` with its exit code."""
    if not _state.stack:
        return
    told = _STATUSES.get(str(status).upper())
    if told is None:
        raise InvalidValue(f"{quoted(status)} is no status", f"use one of {', '.join(_STATUSES)}")
    active = _state.stack.pop()
    if not active._joined:
        tracking.finish(active._workspace, active._run_id, told)
    elif told in {RunStatus.FAILED, RunStatus.KILLED}:
        tracking.mark(active._workspace, active._run_id, told)


@atexit.register
def _end_what_is_left() -> None:
    failed = getattr(sys, "last_value", None) is not None  # set where an exception ended the program
    while _state.stack:
        end_run("FAILED" if failed else "FINISHED")


def active_run() -> ActiveRun | None:
    """The run that is being logged to, None where there is none."""
    return _state.stack[-1] if _state.stack else None


def last_active_run() -> ActiveRun | None:
    """The active run, else the one that was active last in this thread."""
    return active_run() or _state.last


def get_run(run_id: str) -> ActiveRun:
    """A run by its id, for its `info` and `data`."""
    workspace = Workspace.find()
    return ActiveRun(workspace, find_run(workspace, run_id).id, joined=False)


def _current(run_id: str | None = None) -> ActiveRun:
    if run_id is not None:
        return get_run(run_id)
    return active_run() or start_run()


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> None:
    """Put the runs that are started from now on, and the active one, into an experiment."""
    name = experiment_name or experiment_id
    if not name:
        raise InvalidValue("set_experiment needs a name", 'mlcli.set_experiment("baseline")')
    _experiment.append(check_name(name.strip("/").replace("/", "-"), "experiment"))
    if _state.stack:
        tracking.move_to_experiment(_state.stack[-1]._workspace, _state.stack[-1]._run_id, _experiment[-1])


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run: any JSON value, kept with its type. Gives the value back."""
    log_params({key: value})
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Log params. AlreadyLogged where one was logged before with another value; then none of them is kept."""
    active = _current(run_id)
    tracking.log_params(active._workspace, active._run_id, params)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> None:
    """Log one value of a metric at a step (default 0); NaN and infinities are kept. `timestamp` is in milliseconds."""
    log_metrics({key: value}, step=step, run_id=run_id, timestamp=timestamp)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> None:
    """Log several metrics at one step, by one write."""
    active = _current(run_id)
    at = None
    if timestamp is not None:
        from datetime import datetime, timezone

        at = datetime.fromtimestamp(timestamp / 1000, timezone.utc)
    tracking.log_metrics(active._workspace, active._run_id, metrics, step=step, at=at, live=active in _state.stack)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Set a tag of the active run; one that is there is replaced."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Set tags of the active run."""
    active = _current()
    tracking.set_tags(active._workspace, active._run_id, tags)


def delete_tag(key: str) -> None:
    """Remove a tag of the active run."""
    active = _current()
    tracking.remove_tags(active._workspace, active._run_id, [key])


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep a file, or a directory, below `artifact_path` under its own name."""
    source = os.fspath(local_path)
    name = os.path.basename(os.path.abspath(source))
    _log(source, f"{artifact_path.strip('/')}/{name}" if artifact_path else name, run_id)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep what is in a directory, below `artifact_path`."""
    source = os.fspath(local_dir)
    if not os.path.isdir(source):
        raise InvalidValue(f"{quoted(source)} is no directory", "log_artifact keeps one file")
    _log(source, (artifact_path or "").strip("/"), run_id)


def _log(source: str, path: str, run_id: str | None = None) -> list[Artifact]:
    active = _current(run_id)
    return tracking.log_artifact(active._workspace, active._run_id, source, path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a text as an artifact file."""
    _log_made(artifact_file, lambda path: _written(path, text.encode()), run_id)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a dictionary as JSON; in a `.yaml` file too, as JSON is YAML."""
    import json

    content = json.dumps(dictionary, indent=2, default=str).encode() + b"\n"
    _log_made(artifact_file, lambda path: _written(path, content), run_id)


def log_figure(
    figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None, run_id: str | None = None
) -> None:
    """Keep a matplotlib figure, or a plotly one as `.html`."""
    if hasattr(figure, "savefig"):
        _log_made(artifact_file, lambda path: figure.savefig(path, **(save_kwargs or {})), run_id)
    elif hasattr(figure, "write_html") and artifact_file.endswith(".html"):
        _log_made(artifact_file, lambda path: figure.write_html(path, **(save_kwargs or {})), run_id)
    elif hasattr(figure, "write_image"):
        _log_made(artifact_file, lambda path: figure.write_image(path, **(save_kwargs or {})), run_id)
    else:
        raise InvalidValue(f"{type(figure).__name__} is no figure", "log a matplotlib or plotly figure")


def _log_made(artifact_file: str, make: Any, run_id: str | None) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        path = os.path.join(directory, os.path.basename(artifact_file) or "artifact")
        make(path)
        _log(path, artifact_file, run_id)


def _written(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _artifact_uri(workspace: Workspace, run_id: str, path: str | None = None) -> str:
    from pathlib import Path

    directory = workspace.store.artifacts_directory(run_id)
    return Path(directory, path.strip("/")).as_uri() if path else Path(directory).as_uri()


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """The `file://` URI of the run's artifacts, or of one of them; after a block, of the run that ended last."""
    active = last_active_run() or start_run()
    return _artifact_uri(active._workspace, active._run_id, artifact_path)


class ModelInfo(Struct, frozen=True, kw_only=True):
    """What was logged: the model's URI, its description, and the version it was registered as, if it was."""

    model_uri: str
    run_id: str
    artifact_path: str
    description: Model
    registered_model_version: int | None = None

    @property
    def signature(self) -> Signature | None:
        """What the model takes and gives."""
        return self.description.signature


def log_model(
    model: object,
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    flavor: str | None = None,
    signature: Signature | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
) -> ModelInfo:
    """Keep a model as an artifact of the active run, with what is needed to load it again.

    Without a signature one is told from `input_example`, or from the fitted model itself. `load_model(info.model_uri)`
    gives it back.
    """
    import tempfile

    path = (name or artifact_path or "model").strip("/")
    active = _current()
    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        described = flavors.save(
            model, directory, flavor=flavor, signature=signature, input_example=input_example, path=path
        )
        described = tracking.log_model(active._workspace, active._run_id, directory, described)
    number = None
    if registered_model_name:
        number = register_model(f"runs:/{active._run_id}/{path}", registered_model_name).number
    return ModelInfo(
        model_uri=f"runs:/{active._run_id}/{path}",
        run_id=active._run_id,
        artifact_path=path,
        description=described,
        registered_model_version=number,
    )


def load_model(model_uri: str) -> Any:
    """The model of a ref: 'models:/iris/Production', 'iris@3', 'runs:/<id>/model' or a model's directory.

    Loading runs the code in the model file; its digest is verified first.
    """
    return serving.load(Workspace.find(), model_uri).model


def register_model(model_uri: str, name: str) -> ModelVersion:
    """Register a run's model as the next version of `name`; registered already, that version is given again."""
    return registry.register(Workspace.find(), name, model_uri, once=True).version


def search_runs(
    experiment_names: Sequence[str] | None = None,
    filter_string: str = "",
    *,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    experiment_ids: Sequence[str] | None = None,
) -> Any:
    """The runs that match an MLflow filter string, newest first: a pandas DataFrame, or with 'list' a list of runs.

    `order_by` is as ['metrics.accuracy DESC']. Columns are run_id, run_name, status, params.…, metrics.…, tags.… as
    MLflow names them. MissingPackage where pandas is not installed and 'pandas' is asked for.
    """
    sort = None
    if order_by:
        field, _, direction = order_by[0].strip().partition(" ")
        field = {"start_time": "started", "end_time": "ended", "run_id": "id"}.get(
            field.rpartition("attributes.")[2], field
        )
        sort = f"{field.replace('`', '')}:{direction.strip().lower() or 'asc'}"
    found = tracking.find_runs(Workspace.find(), filter_string or None, sort=sort)
    wanted = {*(experiment_names or ()), *(experiment_ids or ())}
    runs = [run for run in found.runs if not wanted or run.experiment in wanted][:max_results]
    if output_format == "list":
        return runs
    if output_format != "pandas":
        raise InvalidValue(f"{quoted(output_format)} is no output format", "use 'pandas' or 'list'")
    return _frame(runs)


def _frame(runs: Sequence[Run]) -> Any:
    try:
        import pandas
    except ImportError:
        raise MissingPackage(
            "search_runs gives a DataFrame, and pandas is not installed",
            'pip install "mlcli[pandas]", or search_runs(output_format="list")',
        ) from None
    rows = []
    for run in runs:
        row: dict[str, Any] = {
            "run_id": run.id,
            "experiment_id": run.experiment,
            "status": run.status.value.upper(),
            "start_time": run.started_at,
            "end_time": run.ended_at,
            "run_name": run.name,
        }
        row.update({f"metrics.{key}": metric.last for key, metric in run.metrics.items()})
        row.update({f"params.{key}": param.value for key, param in run.params.items()})
        row.update({f"tags.{key}": value for key, value in run.tags.items()})
        rows.append(row)
    first = ["run_id", "experiment_id", "status", "start_time", "end_time", "run_name"]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=first)


__all__ = [
    "ActiveRun", "ModelInfo", "active_run", "delete_tag", "end_run", "get_artifact_uri", "get_run",
    "infer_signature", "last_active_run", "load_model", "log_artifact", "log_artifacts", "log_dict", "log_figure",
    "log_metric", "log_metrics", "log_model", "log_param", "log_params", "log_text", "register_model", "search_runs",
    "set_experiment", "set_tag", "set_tags", "start_run",
]  # fmt: skip
