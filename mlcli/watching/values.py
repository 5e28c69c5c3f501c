"""The params and metrics of a run, from what its parsers and libraries told, its files say and it printed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from ..domain.names import check_key
from ..domain.observed import Kind, Output
from ..domain.run import Input, MetricPoint, MetricSource, Param, Run
from ..errors import MlcliError
from ..observation import metrics as measuring
from ..observation import params as parsing
from ..observation.events import Fitted, Measured, Parsed, Stream
from ..observation.metrics import Series
from ..tracking import SeenMetric
from ..workspace import Workspace
from .files import placed

_CONFIGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")
_CONFIG_SIZE = 2**16
SYSTEM = "system/"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def params(workspace: Workspace, run: Run, streams: Sequence[Stream], inputs: Sequence[Input]) -> dict[str, Param]:
    """The params that parsers told and configuration files say, else those that the command line spells."""
    parsed = [event for stream in streams for event in stream.of(Parsed)]
    configs = [
        (each.path, placed(workspace, each.path))
        for each in inputs
        if each.path.endswith(_CONFIGS) and each.size <= _CONFIG_SIZE and not each.changed
    ]
    guessed = {key: param for key, param in run.params.items() if param.source.guessed}
    return parsing.found(parsed, configs, guessed)


def metrics(
    workspace: Workspace, run: Run, streams: Sequence[Stream], outputs: Sequence[Output], kinds: Collection[Kind]
) -> list[SeenMetric]:
    """The metrics that libraries computed, files hold and the command printed, in this order of trust."""
    library: list[Series] = []
    files: list[Series] = []
    if Kind.METRICS in kinds:
        measured = [event for stream in streams for event in stream.of(Measured)]
        fitted = [event for stream in streams for event in stream.of(Fitted)]
        library = [*measuring.measured(measured, workspace.root), *measuring.searched(fitted, workspace.root)]
        files = [
            series
            for output in outputs
            if output.kind in {"metrics", "data", "file"}
            for series in measuring.from_file(placed(workspace, output.path), output.path)
        ]
    printed = _printed(workspace, run) if Kind.PRINTED in kinds else []
    logged = workspace.store.summary(run.id)
    merged = measuring.merged(library, files, printed, logged, [metric.last for metric in logged.values()])
    sampled = [SeenMetric(name=name, source=MetricSource.SYSTEM) for name in logged if name.startswith(SYSTEM)]
    return [*(told for series in merged if (told := _told(series, workspace.now()))), *sampled]


def _printed(workspace: Workspace, run: Run) -> list[Series]:
    from ..observation import printed

    log = workspace.store.output_descriptor(run.id)
    try:
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
