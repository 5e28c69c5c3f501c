"""What came out of a run that was made again, beside what was recorded of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from .reproduction import Verdict
from .run import Metric, Run, RunStatus
from .source import Environment

_EARLY = {"metrics", "models", "artifacts"}


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that did not come out as recorded; None where a side has no such thing.

    `group` is ending, metrics, steps, models or artifacts. What is `tolerated` makes a run equivalent, not different.
    """

    group: str
    key: str
    recorded: Any
    again: Any
    tolerated: bool = False


class Compared(Struct, frozen=True, kw_only=True):
    """How many metrics, models and other files both sides had, to be compared."""

    metrics: int = 0
    models: int = 0
    artifacts: int = 0


class PackageChange(Struct, frozen=True, kw_only=True):
    """A package, or python itself, whose version was not the recorded one; None where it was not installed."""

    name: str
    recorded: str | None
    again: str | None


def compare(recorded: Run, again: Run, tolerance: float) -> tuple[list[Difference], Compared]:
    """Each thing that differs between a run and its twin, and how many there were to be compared.

    Metrics are held to the relative tolerance; where there are some, files need not be the same byte for byte. Of a run
    that was registered before it ended, only what was known then is compared.
    """
    models = {model.path: model.digest for model in recorded.models}, {m.path: m.digest for m in again.models}
    files = _other_files(recorded), _other_files(again)
    common = recorded.metrics.keys() & again.metrics.keys()
    differences = [
        *_endings(recorded, again),
        *_metrics(recorded.metrics, again.metrics, tolerance),
        *_digests("models", *models, tolerated=bool(common)),
        *_digests("artifacts", *files, tolerated=bool(common)),
    ]
    both = Compared(
        metrics=len(common),
        models=len(models[0].keys() & models[1].keys()),
        artifacts=len(files[0].keys() & files[1].keys()),
    )
    if recorded.status is RunStatus.RUNNING:
        differences = [each for each in differences if each.recorded is not None and each.group in _EARLY]
    return differences, both


def verdict_of(differences: list[Difference]) -> Verdict:
    """Identical where nothing differs, equivalent where only what is tolerated does."""
    if not differences:
        return Verdict.IDENTICAL
    return Verdict.EQUIVALENT if all(each.tolerated for each in differences) else Verdict.DIFFERENT


def packages_changed(recorded: Environment, again: Environment) -> list[PackageChange]:
    """The packages whose versions differ, python first; none where they were not recorded."""
    found = []
    if recorded.python and again.python and recorded.python != again.python:
        found.append(PackageChange(name="python", recorded=recorded.python, again=again.python))
    if not recorded.packages:
        return found
    for name in sorted({*recorded.packages, *again.packages}):
        before, after = recorded.packages.get(name), again.packages.get(name)
        if before != after:
            found.append(PackageChange(name=name, recorded=before, again=after))
    return found


def _endings(recorded: Run, again: Run) -> Iterator[Difference]:
    before, after = _ending(recorded), _ending(again)
    if before != after:
        yield Difference(group="ending", key="command", recorded=before, again=after)


def _ending(run: Run) -> str:
    if run.signal:
        return f"{run.status} by signal {run.signal}"
    return f"{run.status} with exit code {run.exit_code}" if run.exit_code else str(run.status)


def _metrics(recorded: Mapping[str, Metric], again: Mapping[str, Metric], tolerance: float) -> Iterator[Difference]:
    for key in dict.fromkeys([*recorded, *again]):
        before, after = recorded.get(key), again.get(key)
        if before is None or after is None:
            values = before.last if before else None, after.last if after else None
            yield Difference(group="metrics", key=key, recorded=values[0], again=values[1])
            continue
        if not _same(before.last, after.last):
            close = _close(before.last, after.last, tolerance)
            yield Difference(group="metrics", key=key, recorded=before.last, again=after.last, tolerated=close)
        if before.count != after.count:
            yield Difference(group="steps", key=key, recorded=before.count, again=after.count)


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def _close(one: float, other: float, tolerance: float) -> bool:
    finite = math.isfinite(one) and math.isfinite(other)
    return finite and abs(one - other) <= tolerance * max(abs(one), abs(other))


def _digests(
    group: str, recorded: Mapping[str, str], again: Mapping[str, str], *, tolerated: bool
) -> Iterator[Difference]:
    for path in sorted({*recorded, *again}):
        before, after = recorded.get(path), again.get(path)
        if before != after:
            both = before is not None and after is not None
            yield Difference(group=group, key=path, recorded=before, again=after, tolerated=tolerated and both)


def _other_files(run: Run) -> dict[str, str]:
    """The artifacts that belong to no model, by their paths."""
    of_models = {file.path for model in run.models for file in run.files_of(model.path)}
    return {file.path: file.digest for file in run.artifacts if file.path not in of_models}
