"""The run that is being logged to: begun, joined, ended."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from .. import capture, tracking
from ..domain.names import check_name, quoted
from ..domain.run import RunStatus
from ..errors import InvalidValue, NoActiveRun
from ..lookup import find_run
from ..workspace import RUN_VARIABLE, Workspace

if TYPE_CHECKING:
    from types import TracebackType

    from ..domain.run import PointRecorder


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
        self.workspace, self.run_id, self.joined = workspace, run_id, joined
        self._recorder: PointRecorder | None = None

    @property
    def recorder(self) -> PointRecorder:
        """Whoever appends this run's metrics."""
        if self._recorder is None:
            self._recorder = self.workspace.store.recorder(self.run_id)
        return self._recorder

    def settle(self) -> None:
        """Make what was logged durable, and let go of its file."""
        if self._recorder is not None:
            recorder, self._recorder = self._recorder, None
            recorder.close()

    @property
    def info(self) -> RunInfo:
        """Id, name, status, times in milliseconds, artifact URI; read anew at each call."""
        run = self.workspace.store.run(self.run_id)
        return RunInfo(
            run_id=run.id,
            run_name=run.name,
            experiment_id=run.experiment,
            status=run.status.value.upper(),
            start_time=int(run.started_at.timestamp() * 1000),
            end_time=int(run.ended_at.timestamp() * 1000) if run.ended_at else None,
            artifact_uri=artifact_uri_of(self.workspace, run.id),
            user_id=str(run.user),
        )

    @property
    def data(self) -> RunData:
        """Params, metrics and tags; read anew at each call."""
        run = self.workspace.store.run(self.run_id)
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
            left = isinstance(error, SystemExit) and error.code in {None, 0}  # sys.exit() is a good end, too
            end_run("FINISHED" if kind is None or left else "KILLED" if kind is KeyboardInterrupt else "FAILED")

    def __repr__(self) -> str:
        return f"<mlcli run {self.run_id[:8]}>"


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
            f"run {_state.stack[-1].run_id[:8]} is active already", "call end_run() first, or start_run(nested=True)"
        )
    workspace = Workspace.find()
    wrapped = workspace.environ.get(RUN_VARIABLE)
    joins = run_id is None and wrapped is not None and not nested and _first_here()
    if run_id is not None or joins:
        active = _taken_up(workspace, run_id or str(wrapped), run_name, joined=joins)
    else:
        parent = parent_run_id or (_state.stack[-1].run_id if _state.stack else wrapped)
        active = _begun(workspace, run_name, experiment_id, parent)
    if tags:
        tracking.set_tags(workspace, active.run_id, tags)
    if description:
        tracking.set_note(workspace, active.run_id, description)
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
    source = capture.collect(
        [],
        root=workspace.root,
        cwd=cwd,
        environ=workspace.environ,
        at=workspace.now(),
        limits=workspace.snapshot_limits,
    )
    command = capture.command.noted([_relative(workspace, arg) for arg in argv], source.command.cwd)
    given = tracking.Given(
        name=name,
        experiment=experiment or (_experiment[-1] if _experiment else None),
        params=capture.command.params(argv),
        parent_id=parent,
    )
    run = tracking.begin(workspace, capture.with_command(source, command), given)
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
    active.settle()
    if not active.joined:
        tracking.finish(active.workspace, active.run_id, told)
    elif told in {RunStatus.FAILED, RunStatus.KILLED}:
        tracking.mark(active.workspace, active.run_id, told)


@atexit.register
def _end_what_is_left() -> None:
    ended_by = getattr(sys, "last_value", None)  # set where an exception ended the program
    status = "KILLED" if isinstance(ended_by, KeyboardInterrupt) else "FAILED" if ended_by is not None else "FINISHED"
    while _state.stack:
        end_run(status)


def is_live(active: ActiveRun) -> bool:
    """Whether the run is being logged to here, and so has not ended."""
    return active in _state.stack


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


def current(run_id: str | None = None) -> ActiveRun:
    """The run of that id, else the active one, else a new one, as MLflow starts one for whoever logs without."""
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
        tracking.move_to_experiment(_state.stack[-1].workspace, _state.stack[-1].run_id, _experiment[-1])


def artifact_uri_of(workspace: Workspace, run_id: str, path: str | None = None) -> str:
    """The `file://` URI of a run's artifacts, or of one of them."""
    from pathlib import Path

    directory = workspace.store.artifacts_directory(run_id)
    return Path(directory, path.strip("/")).as_uri() if path else Path(directory).as_uri()


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """The `file://` URI of the run's artifacts, or of one of them; after a block, of the run that ended last."""
    active = last_active_run() or start_run()
    return artifact_uri_of(active.workspace, active.run_id, artifact_path)
