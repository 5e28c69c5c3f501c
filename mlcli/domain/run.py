"""A run: one execution of training code, with all that was logged to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from ..errors import MlcliError
from .observed import Capture, Code, Fit, Output, Reuse, Usage
from .reproduction import Reproduction
from .source import Command, Environment, GitState, Person, Process


class RunStatus(str, Enum):
    """How a run stands or ended."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"

    def __str__(self) -> str:
        return self.value


class ParamSource(str, Enum):
    """Where a param's value came from; a later one in this list wins over an earlier one."""

    COMMAND_LINE = "command line"
    CONFIG = "config file"
    DEFAULT = "default"
    GIVEN = "given"
    LOGGED = "logged"
    DECLARED = "declared"

    @property
    def guessed(self) -> bool:
        """Whether nobody said it outright, so that an explicit call may replace it."""
        return self not in {ParamSource.LOGGED, ParamSource.DECLARED}


class Param(Struct, frozen=True):
    """A named input of a run: any JSON value, and where it came from; `origin` names the parser or file."""

    value: Any
    source: ParamSource
    origin: str = ""


class MetricSource(str, Enum):
    """Where a metric's values came from: logged outright, seen in a library's call, read from a file, printed, sampled.

    A printed one is a guess.
    """

    LOGGED = "logged"
    LIBRARY = "library"
    FILE = "file"
    PRINTED = "printed"
    SYSTEM = "system"


class MetricPoint(Struct, frozen=True):
    """One value of a metric; `step` counts whatever the user counts, `at` is UTC."""

    metric: str
    value: float
    step: int
    at: datetime


class Metric(Struct, frozen=True, kw_only=True):
    """A metric's history in short: its last, least and greatest value, each with its step.

    `origin` says more of the source: the function and the line that called it, or the file.
    """

    last: float
    step: int
    at: datetime
    min: float
    min_step: int
    max: float
    max_step: int
    count: int
    source: MetricSource = MetricSource.LOGGED
    origin: str = ""


class PointsFile(Struct, frozen=True, kw_only=True):
    """The file with an ended run's metric history: its size in bytes and the CRC-32 of all of it, in hexadecimal."""

    size: int
    crc32: str


class Artifact(Struct, frozen=True, kw_only=True):
    """A file a run produced: its path below the run's artifacts, its size in bytes, the digest of its content."""

    path: str
    size: int
    digest: str


PACKAGED = ("site-packages/", "dist-packages/")


class Input(Struct, frozen=True, kw_only=True):
    """A file that a run was made from: its path relative to the workspace, its size in bytes and its digest.

    `kept` says that its content was kept as an object. A path outside the workspace is absolute. One that was not
    declared was `seen`: read by the command, `by` which function where that is known. `changed` says that it was
    written to after it was read; the digest is then of what was read, or '' where that is gone. `files` counts those of
    a directory that is one input, whose path ends with '/'.
    """

    path: str
    size: int
    digest: str
    kept: bool = False
    seen: bool = False
    by: str = ""
    changed: bool = False
    files: int = 0

    @property
    def packaged(self) -> bool:
        """Whether it came with a package, as scikit-learn's iris.csv: told from `site-packages/` on."""
        return self.seen and self.path.startswith(PACKAGED)


class Field(Struct, frozen=True, kw_only=True):
    """One column or tensor of a signature; a dimension of -1 is free."""

    name: str | None = None
    dtype: str
    shape: list[int] = []


class Signature(Struct, frozen=True, kw_only=True):
    """What a model takes and gives."""

    inputs: list[Field]
    outputs: list[Field] = []


class Model(Struct, frozen=True, kw_only=True):
    """An artifact that can be loaded and asked: where it lies and what is needed to load it again."""

    path: str
    flavor: str
    python_class: str
    digest: str
    file: str = ""
    libraries: dict[str, str] = {}
    python: str = ""
    params: dict[str, Any] = {}
    signature: Signature | None = None


class Scrub(Struct, frozen=True, kw_only=True):
    """That a value was taken out of what is kept of a run, and out of how many places.

    `objects` are the digests of content that held it and is gone.
    """

    at: datetime
    by: Person
    places: int
    objects: list[str] = []


class Run(Struct, frozen=True, kw_only=True):
    """One execution of training code."""

    id: str
    name: str
    name_given: bool = False
    experiment: str = "default"
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    command: Command
    git: GitState
    environment: Environment
    process: Process | None = None
    user: Person
    parent_id: str | None = None
    params: dict[str, Param] = {}
    metrics: dict[str, Metric] = {}
    points: PointsFile | None = None
    tags: dict[str, str] = {}
    note: str = ""
    inputs: list[Input] = []
    urls: list[str] = []
    outputs: list[Output] = []
    code: Code | None = None
    fits: list[Fit] = []
    capture: Capture | None = None
    usage: Usage | None = None
    reuse: Reuse | None = None
    artifacts: list[Artifact] = []
    models: list[Model] = []
    reproduces: Reproduction | None = None
    reproductions: list[Reproduction] = []
    scrubs: list[Scrub] = []

    @property
    def seconds(self) -> float | None:
        """How long it ran, None while it runs or where the clock was set back."""
        if self.ended_at is None or self.ended_at < self.started_at:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def marks(self) -> set[tuple[str, str]]:
        """What a run can be found by without its id: ("output" or "input", digest), ("command", a check sum of it).

        And ("commit", id) of its commit and its snapshot, ("parent", id), ("original", id) of the run it reproduces.
        """
        made = {artifact.digest for artifact in self.artifacts} | {output.digest for output in self.outputs}
        made |= {model.digest for model in self.models}
        found = {("output", digest) for digest in made if digest}
        found |= {("input", each.digest) for each in self.inputs if each.digest}
        found |= {("commit", each) for each in (self.git.commit, self.git.code) if each}
        if self.parent_id:
            found.add(("parent", self.parent_id))
        if self.reproduces:
            found.add(("original", self.reproduces.run_id))
        return found | {("command", self.command.check)}

    @property
    def scrubbed(self) -> set[str]:
        """The digests of content that went with a value that was taken out."""
        return {digest for scrub in self.scrubs for digest in scrub.objects}

    def files_of(self, path: str) -> list[Artifact]:
        """The artifact files at or below `path`."""
        return [file for file in self.artifacts if file.path == path or file.path.startswith(f"{path}/")]


if TYPE_CHECKING:  # for whoever checks types: defining a protocol costs a third of a millisecond

    class PointRecorder(Protocol):
        """Appends points to one run's metrics; each is in the kernel's hands when the call returns."""

        heads: dict[str, str]

        def know(self, metric: str) -> str:
            """Take up a metric whose name was checked."""

        def add(self, metric: str, value: float, step: int, nanoseconds: int | None = None) -> None:
            """Append one point of a known metric."""

        def add_many(self, values: Mapping[str, float], step: int, nanoseconds: int | None = None) -> None:
            """Append a point to each of several known metrics."""

        def close(self) -> None:
            """Make what was appended durable."""

    class Digests(Protocol):
        """Tells digests of files, within a `with`: each is read once as long as it stays as it is."""

        def of(self, path: str) -> str:
            """A file's digest; '' where it cannot be read."""

        def __enter__(self) -> Digests: ...
        def __exit__(self, *_: object) -> None: ...


Moment = Callable[[Any], datetime] | None


class FoundRuns(Struct, frozen=True):
    """The runs that match, newest first, and what could not be read on the way."""

    runs: list[Run]
    problems: list[MlcliError] = []


def summarised(metrics: Mapping[str, Metric], points: Iterable[MetricPoint]) -> dict[str, Metric]:
    """`metrics` after `points` were added, in the order they came. A NaN is never least or greatest."""
    grouped: dict[str, list[MetricPoint]] = {}
    for point in points:
        grouped.setdefault(point.metric, []).append(point)
    new = {
        metric: summary(
            [point.step for point in group], [point.value for point in group], [point.at for point in group]
        )
        for metric, group in grouped.items()
    }
    return joined(metrics, new)


def summary(steps: Sequence[int], values: Sequence[float], times: Sequence[Any], moment: Moment = None) -> Metric:
    """A metric's values in short; `moment` makes a datetime of one of its `times`.

    A training ends with this, and may have logged millions: what can be is done by whole lists.
    """
    latest = max(steps)
    last = len(steps) - 1
    if steps[-1] != latest or steps.count(latest) > 1:
        last = max(range(last, -1, -1), key=lambda at: (steps[at], times[at]))
    numbers = values
    if math.isnan(sum(values)):  # which it is for both infinities, too, where this takes nothing out
        numbers = [value for value in values if value == value] or values
    low, high = values.index(min(numbers)), values.index(max(numbers))
    return Metric(
        last=values[last], step=steps[last], at=moment(times[last]) if moment else times[last], count=len(steps),
        min=values[low], min_step=steps[low], max=values[high], max_step=steps[high],
    )  # fmt: skip


def joined(old: Mapping[str, Metric], new: Mapping[str, Metric]) -> dict[str, Metric]:
    """What is told of metrics after more of their values came."""
    return {**old, **{metric: _joined(old[metric], each) if metric in old else each for metric, each in new.items()}}


def _joined(old: Metric, new: Metric) -> Metric:
    latest = new if (new.step, new.at) >= (old.step, old.at) else old
    # A NaN gives way to a number, and to no other NaN: in how many parts points come makes no difference.
    lowest = new if new.min < old.min or math.isnan(old.min) > math.isnan(new.min) else old
    highest = new if new.max > old.max or math.isnan(old.max) > math.isnan(new.max) else old
    return Metric(
        last=latest.last, step=latest.step, at=latest.at, count=old.count + new.count,
        min=lowest.min, min_step=lowest.min_step, max=highest.max, max_step=highest.max_step,
    )  # fmt: skip


def is_number(value: Any) -> bool:
    """Whether a value can be set beside others: it is there, and is no NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


_LOWER_IS_BETTER = ("loss", "error", "err", "mse", "rmse", "mae", "mape", "perplexity", "latency", "time", "seconds")


def lower_is_better(metric: str) -> bool:
    """Whether less of this metric is better, told from its name: val_loss, rmse, latency_ms."""
    words = metric.lower().replace("/", "_").replace("-", "_").replace(".", "_").split("_")
    return any(word in words for word in _LOWER_IS_BETTER)
