"""The params and metrics of a run, from what its parsers and libraries told, its files say and it printed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ..domain.names import check_key
from ..domain.observed import Kind, Output
from ..domain.run import Input, MetricPoint, MetricSource, Param, Run
from ..errors import MlcliError
from ..observation.events import Fitted, Measured, Parsed, Stream
from ..tracking import SeenMetric
from ..workspace import Workspace

if TYPE_CHECKING:
    from ..observation.series import Series

_MAY_MEASURE = {"metrics", "data", "file"}
SYSTEM = "system/"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def params(workspace: Workspace, run: Run, streams: Sequence[Stream], inputs: Sequence[Input]) -> dict[str, Param]:
    """The params that parsers told and configuration files say, else those that the command line spells."""
    parsed = [event for stream in streams for event in stream.of(Parsed)]
    guessed = {key: param for key, param in run.params.items() if param.source.guessed}
    if not parsed and not inputs:  # then what reads them is not loaded
        return guessed
    from ..observation.params import found, is_config

    configs = [each.path for each in inputs if is_config(each.path) and not each.changed]
    return found(parsed, [(path, workspace.place(path)) for path in configs], guessed)


def metrics(
    workspace: Workspace, run: Run, streams: Sequence[Stream], outputs: Sequence[Output], kinds: Collection[Kind]
) -> list[SeenMetric]:
    """The metrics that libraries computed, files hold and the command printed, in this order of trust."""
    measured = [event for stream in streams for event in stream.of(Measured)] if Kind.METRICS in kinds else []
    fitted = [event for stream in streams for event in stream.of(Fitted)] if Kind.METRICS in kinds else []
    likely = [each for each in outputs if each.kind in _MAY_MEASURE] if Kind.METRICS in kinds else []
    printed = _printed(workspace, run) if Kind.PRINTED in kinds else []
    logged = workspace.store.summary(run.id)
    merged: list[Series] = []
    if measured or fitted or likely or printed:  # else what would tell is not loaded
        from ..observation import metrics as told

        library = [*told.measured(measured, workspace.root), *told.searched(fitted, workspace.root)]
        files = [each for output in likely for each in told.from_file(workspace.place(output.path), output.path)]
        merged = told.merged(library, files, printed, logged, [metric.last for metric in logged.values()])
    sampled = [SeenMetric(name=name, source=MetricSource.SYSTEM) for name in logged if name.startswith(SYSTEM)]
    return [*(each for series in merged if (each := _told(series, workspace.now()))), *sampled]


def _printed(workspace: Workspace, run: Run) -> list[Series]:
    log = workspace.store.output_descriptor(run.id)
    try:
        if not os.fstat(log).st_size:
            return []
        from ..observation import printed

        return printed.from_log(log)
    except OSError:
        return []
    finally:
        os.close(log)


def _told(series: Series, now: datetime) -> SeenMetric | None:
    with suppress(MlcliError):
        name = check_key(series.name, "metric")
        times = [_EPOCH + timedelta(seconds=time) for time in series.times] or [now] * len(series.values)
        points = [MetricPoint(name, *each) for each in zip(series.values, series.steps, times, strict=True)]
        return SeenMetric(name=name, points=points, source=series.source, origin=series.origin) if points else None
    return None
