"""Metrics in what a run printed: guessed, from the words before a number.

A number is looked for first, and then the words before it: that takes time linear in the length of a line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from ..domain.run import MetricSource
from .reports import Table
from .series import Series, valid
from .words import may_be, named

MAX_LINE = 2000
MAX_LOG = 8 << 20
MAX_NAMES = 200
MAX_CACHED = 10_000
_BEFORE = 80  # characters in which the words for a number are looked for
_SIGNS = ("->", "→", ":", "=", "|", "│", "┃", " is", " of", " was")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_=>])")
_NUMBER = re.compile(
    r"(?<![\w.@^+-])([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|NaN|inf)"
    r"(?:/\d+ \((\d+(?:\.\d*)?)%\)|(?![\w:/]|[.,-]\d))[ ]?(%)?"
)
_UNIT = re.compile(r"\s?(?:[mun]?s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|[kmgt]i?b|bytes|it|px)\b", re.I)
_EXPLICIT = re.compile(r"(?:[:=|│┃]|->|→|\b(?:is|of|was))\s*\[?$")
_OVERALL = re.compile(r"Accuracy (?:of the (?:network|model)|on the)\b[^%]{0,60}?: *(\d+(?:\.\d+)?) ?%", re.I)
_STEP = re.compile(
    r"(?<![\w.])['\"]?(?:global_step|epoch|step|iter(?:ation)?|round)['\"]?\s{0,4}[:=#]?\s{0,4}\[?\s{0,4}(\d{1,15})"
    r"(?!\d)(?:\.0*(?!\d)|(?!\.\d))",
    re.I,
)
_NUMBERED = re.compile(r"\[(\d{1,15})\]|(\d{1,15}):\s+(?=learn:)")


class _Value(Struct, frozen=True):
    """A number with a name, in a line; `decimals` is with how many it was printed."""

    name: str
    value: float
    decimals: int


class _History(Struct):
    """The values printed by one name, each with its step where the line told one."""

    values: list[float]
    steps: list[int | None]
    decimals: int = 0


def from_text(data: bytes, limit_lines: int = 10_000) -> list[Series]:
    """The metrics printed in a log, each a guess; of a log of more lines the first and last of them are read.

    No `times` are known. A line of more than 2,000 characters holds nothing.
    """
    reader = _Reader()
    for line in _lines(data, limit_lines):
        reader.read(line)
    return [_series(name, history) for name, history in reader.found.items()]


def from_log(descriptor: int, limit: int = MAX_LOG) -> list[Series]:
    """The metrics in an open log; of one that is larger than `limit`, in its beginning and its end."""
    size = os.fstat(descriptor).st_size
    if size <= limit:
        return from_text(os.pread(descriptor, limit, 0))
    head, tail = os.pread(descriptor, limit // 2, 0), os.pread(descriptor, limit // 2, size - limit // 2)
    return from_text(head[: head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :])


class _Reader:
    """Reads a log line by line: what it found so far, and at which step it is."""

    def __init__(self) -> None:
        self.found: dict[str, _History] = {}
        self._names: dict[str, str] = {}
        self._step: int | None = None
        self._table: Table | None = None

    def read(self, line: str) -> None:
        # A candidate of a search, whose score is none of the model; mlcli's own word of a run within this one.
        if line.startswith(("[CV", "mlcli ")):
            return
        if self._table is not None:
            row = self._table.row(line)
            if row is not None:
                for cell in row.values:
                    self._add(_Value(*cell), row.step)
                return
            if not self._table.goes_on(line):
                self._table = None
        if (table := Table.begun(line, lambda word: bool(named(word)))) is not None:
            self._table = table
            return
        step = _step(line)
        values = list(self._values(line))
        for value in values:
            self._add(value, self._step if step is None else step)
        if step is not None and not values:
            self._step = step  # as "Epoch 3/10", above what it tells of the epoch

    def _add(self, value: _Value, step: int | None) -> None:
        history = self.found.get(value.name)
        if history is None:
            if len(self.found) >= MAX_NAMES or not valid(value.name):
                return
            history = self.found[value.name] = _History([], [])
        history.values.append(value.value)
        history.steps.append(step)
        history.decimals = value.decimals

    def _values(self, line: str) -> Iterator[_Value]:
        if line[:9].lower() == "accuracy " and (overall := _OVERALL.match(line)):
            yield _Value("accuracy", float(f"{overall[1]}e-2"), _decimals(overall[1]) + 2)
            return
        end = 0
        for match in _NUMBER.finditer(line):
            text, share, percent = match.groups()
            before = line[max(end, match.start() - _BEFORE) : match.start()]
            end = match.end()
            if not before or (share is None and _UNIT.match(line, match.end(1))):
                continue
            explicit = bool(_EXPLICIT.search(before))
            name = self._named(before) or (_learnt(before) if "learn:" in line else "")
            if not name or not (explicit or "." in text):
                continue
            if not (percent or share or may_be(name, text, explicit=explicit)):
                continue
            shown = share or text
            scale = 2 if percent or share else 0
            yield _Value(name, float(f"{shown}e-{scale}" if scale else shown), _decimals(shown) + scale)

    def _named(self, before: str) -> str:
        """What the words before a number call it, where they are those of a metric; else nothing."""
        words = _without_sign(before)
        name = self._names.get(words)
        if name is None:
            if len(self._names) > MAX_CACHED:
                self._names.clear()
            name = self._names[words] = named(words)
        return name


def _without_sign(before: str) -> str:
    words = before.rstrip(" \t[")
    for sign in _SIGNS:
        words = words.removesuffix(sign)
    return words.rstrip(" \t'\"|│┃")


def _learnt(before: str) -> str:
    """The name of a number in one of CatBoost's lines, which call the loss by its data."""
    word = _without_sign(before).split()[-1:]
    return word[0] if word in (["learn"], ["test"]) else ""


def _decimals(text: str) -> int:
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa.partition(".")[2]) - (int(exponent) if exponent else 0)


def _step(line: str) -> int | None:
    found = _NUMBERED.match(line) or _STEP.search(line)
    return int(next(group for group in found.groups() if group)) if found else None


def _series(name: str, history: _History) -> Series:
    return Series(
        name=name, values=history.values, steps=_whole(history.steps), times=[], source=MetricSource.PRINTED,
        origin="the output", decimals=history.decimals,
    )  # fmt: skip


def _whole(steps: list[int | None]) -> list[int]:
    """The steps as told, where every line told one and they went up; else they count the lines."""
    told = [step for step in steps if step is not None]
    if len(told) == len(steps) and all(left < right for left, right in pairwise(told)):
        return told
    return list(range(len(steps)))


def _lines(data: bytes, limit: int) -> Iterator[str]:
    """The lines, without escapes and as they were last painted; the first half of the limit and the last half."""
    at, end = 0, len(data) - data.endswith(b"\n")
    half = limit // 2
    for _ in range(half):
        if at >= end:
            return
        stop = data.find(b"\n", at)
        stop = end if stop < 0 else stop
        yield from _painted(data, at, stop)
        at = stop + 1
    later = end
    for _ in range(half):
        if later <= at:
            break
        later = max(data.rfind(b"\n", at, later), at - 1)
    for line in data[max(later + 1, at) : end].split(b"\n") if at < end else ():
        yield from _painted(line, 0, len(line))


def _painted(data: bytes, start: int, stop: int) -> Iterator[str]:
    """The line between, as it was last painted over after a carriage return or backspaces."""
    while stop > start and data[stop - 1] in b"\r\n\x08 ":
        stop -= 1
    start = max(start, data.rfind(b"\r", start, stop) + 1, data.rfind(b"\x08", start, stop) + 1)
    if start < stop <= start + MAX_LINE:
        line = data[start:stop].decode("utf-8", "replace")
        yield _ESCAPE.sub("", line) if "\x1b" in line else line
