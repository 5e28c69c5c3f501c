"""Metrics in the files that a run wrote: JSON, lines of JSON, tables with a column of steps, TensorBoard's events."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..domain.run import MetricSource
from .series import MAX_FLAT, Series, flattened, number, valid

MAX_FILE = 64 << 20
MAX_JSON = 1 << 20
MAX_POINTS = 1_000_000
_NAMED = re.compile(r"metric|score|result|eval|histor|trainer_state", re.I)
_STEPS = ("global_step", "step", "epoch", "iteration", "iter", "round", "_step")
_NO_METRICS = {*_STEPS, "timestamp", "time", "_timestamp", "_runtime", "wall_time", "created_at"}
Records = list[Mapping[str, Any]]


def is_metrics(path: str) -> bool:
    """Whether a file of this name is one that holds metrics."""
    name = os.path.basename(path)
    ending = os.path.splitext(name)[1].lower()
    return "tfevents" in name or (ending in {".json", ".jsonl", ".ndjson", ".csv"} and bool(_NAMED.search(name)))


def from_file(path: str, shown: str) -> list[Series]:
    """The metrics in a file that is `shown` by this name; none where it is no file of metrics or does not read."""
    if not is_metrics(path):
        return []
    try:
        size, written = os.path.getsize(path), os.path.getmtime(path)
        if "tfevents" in os.path.basename(path):
            return _from_events(path, shown)
        if size > (MAX_JSON if path.lower().endswith(".json") else MAX_FILE):
            return []
        with open(path, "rb") as file:
            return _from_text(file.read(MAX_FILE), path, written, shown)
    except (OSError, ValueError, RecursionError, msgspec.DecodeError):
        return []


def _from_text(content: bytes, path: str, written: float, shown: str) -> list[Series]:
    ending = os.path.splitext(path)[1].lower()
    if ending == ".csv":
        return _recorded(_rows(content), written, shown, strict=True)
    if ending != ".json":
        return _recorded(_lines(content), written, shown, strict=True)
    value = _decoded(content)
    if isinstance(value, list):
        return _recorded([each for each in value if isinstance(each, dict)], written, shown, strict=True)
    if not isinstance(value, dict):
        return []
    log = value.get("log_history")  # of a trainer_state.json
    if isinstance(log, list):
        return _recorded([each for each in log if isinstance(each, dict)], written, shown, strict=True)
    histories = _histories(value, written, shown) if "histor" in os.path.basename(path).lower() else []
    return histories or _recorded([value], written, shown, strict=False)


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        import json  # which knows NaN

        return json.loads(content)


def _lines(content: bytes) -> Records:
    records: Records = []
    for line in content.split(b"\n")[:MAX_POINTS]:
        try:
            record = _decoded(line) if line.strip() else None
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _rows(content: bytes) -> Records:
    import csv

    reader = csv.DictReader(content.decode("utf-8", "replace").splitlines())
    if len(reader.fieldnames or ()) > MAX_FLAT:
        return []
    return [{key.strip(): _cell(text) for key, text in row.items() if key and isinstance(text, str)} for row in reader]


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return None


def _recorded(records: Iterable[Mapping[str, Any]], written: float, shown: str, *, strict: bool) -> list[Series]:
    """The numbers in records, by their name; with `strict` only those of records that say their step."""
    points: dict[str, list[tuple[int | None, float]]] = {}
    for record in records:
        numbers = flattened(record)
        step = _step(numbers)
        if strict and step is None:
            continue
        for key, held in numbers.items():
            value = None if key in _NO_METRICS else number(held)
            if value is not None and (key in points or len(points) < MAX_FLAT):
                points.setdefault(key, []).append((step, value))
    return [_series(key, values, [written] * len(values), shown) for key, values in points.items() if valid(key)]


def _step(record: Mapping[str, Any]) -> int | None:
    """The step that a record tells, by the first of the words for it that holds a whole number."""
    for word in _STEPS:
        value = number(record.get(word))
        if value is not None and abs(value) < 2**53 and value == int(value):
            return int(value)
    return None


def _histories(value: Mapping[str, Any], written: float, shown: str) -> list[Series]:
    """Lists of numbers by their name, as Keras' history."""
    return [
        _series(key, [(step, one) for step, one in enumerate(numbers)], [written] * len(numbers), shown)
        for key, held in flattened(value).items()
        if isinstance(held, list) and valid(key) and key not in _NO_METRICS and (numbers := list(_numbers(held)))
    ]


def _numbers(values: Sequence[Any]) -> Iterator[float]:
    for value in values[:MAX_POINTS]:
        if (held := number(value)) is not None:
            yield held


def _from_events(path: str, shown: str) -> list[Series]:
    from .tensorboard import scalars

    points: dict[str, list[tuple[int | None, float]]] = {}
    times: dict[str, list[float]] = {}
    for count, (tag, step, wall, value) in enumerate(scalars(path)):
        if count >= MAX_POINTS:
            break
        if tag in points or len(points) < MAX_FLAT:
            points.setdefault(tag, []).append((step, value))
            times.setdefault(tag, []).append(wall)
    return [_series(tag, values, times[tag], shown) for tag, values in points.items() if valid(tag)]


def _series(name: str, points: list[tuple[int | None, float]], times: list[float], shown: str) -> Series:
    return Series(
        name=name, values=[value for _, value in points], times=times, source=MetricSource.FILE, origin=shown,
        steps=[at if step is None else step for at, (step, _) in enumerate(points)],
    )  # fmt: skip
