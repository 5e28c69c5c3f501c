"""Logging to the active run: params, metrics, tags, artifacts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .. import tracking
from ..domain.names import check_artifact_path, check_key, quoted
from ..domain.run import Artifact
from ..domain.values import MAX_STEP, checked_step, checked_timestamp, metric_value
from ..errors import InvalidValue
from .active import _state, current, is_live

_FLOATS = {float}


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run: any JSON value, kept with its type. Gives the value back."""
    log_params({key: value})
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Log params. AlreadyLogged where one was logged before with another value; then none of them is kept."""
    active = current(run_id)
    tracking.log_params(active.workspace, active.run_id, params)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> None:
    """Log one value of a metric at a step (default 0); NaN and infinities are kept. `timestamp` is in milliseconds."""
    if run_id is None and timestamp is None and type(value) is float:
        # Training loops come here: what was checked once for this run is not checked at each step.
        stack = _state.stack
        if stack and key in (recorder := stack[-1].recorder).heads and (step is None or type(step) is int):
            if step is None:
                recorder.add(key, value, 0)
                return
            if -MAX_STEP <= step <= MAX_STEP:
                recorder.add(key, value, step)
                return
    log_metrics({key: value}, step=step, run_id=run_id, timestamp=timestamp)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> None:
    """Log several metrics at one step, by one write."""
    active = current(run_id)
    if not is_live(active):
        tracking.log_metrics(active.workspace, active.run_id, metrics, step=step, at=_moment(timestamp), live=False)
        return
    recorder = active.recorder
    if not metrics.keys() <= recorder.heads.keys():
        for key in metrics.keys() - recorder.heads.keys():
            recorder.know(check_key(key, "metric"))
    if not _FLOATS.issuperset(map(type, metrics.values())):
        metrics = {key: metric_value(key, value) for key, value in metrics.items()}
    if type(step) is not int or not -MAX_STEP <= step <= MAX_STEP:
        step = checked_step(step)
    recorder.add_many(metrics, step, None if timestamp is None else checked_timestamp(timestamp) * 1_000_000)


def _moment(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(checked_timestamp(timestamp) / 1000, timezone.utc)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Set a tag of the active run; one that is there is replaced."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Set tags of the active run."""
    active = current()
    tracking.set_tags(active.workspace, active.run_id, tags)


def delete_tag(key: str) -> None:
    """Remove a tag of the active run."""
    active = current()
    tracking.remove_tags(active.workspace, active.run_id, [key])


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep a file, or a directory, below `artifact_path` under its own name."""
    source = os.fspath(local_path)
    name = os.path.basename(os.path.abspath(source))
    _log(source, f"{check_artifact_path(artifact_path)}/{name}" if artifact_path else name, run_id)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep what is in a directory, below `artifact_path`."""
    source = os.fspath(local_dir)
    if not os.path.isdir(source):
        raise InvalidValue(f"{quoted(source)} is no directory", "log_artifact keeps one file")
    _log(source, artifact_path or "", run_id)


def _log(source: str, path: str, run_id: str | None = None) -> list[Artifact]:
    active = current(run_id)
    return tracking.log_artifact(active.workspace, active.run_id, source, path)


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

    check_artifact_path(artifact_file)
    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        path = os.path.join(directory, os.path.basename(artifact_file))
        make(path)
        _log(path, artifact_file, run_id)


def _written(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
