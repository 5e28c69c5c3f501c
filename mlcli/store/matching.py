"""The filter of runs as a TinyDB query over run documents: the one engine that decides what matches."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from tinydb import Query
from tinydb.queries import QueryInstance

from ..domain.query import Both, Compare, Either, Filter, Negated

_PATHS = {
    "id": ("id",), "name": ("name",), "status": ("status",), "experiment": ("experiment",), "started": ("started_at",),
    "ended": ("ended_at",), "note": ("note",), "exit_code": ("exit_code",), "parent": ("parent_id",),
}  # fmt: skip
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def compiled(filter_: Filter) -> QueryInstance:
    """The TinyDB query over run documents that `filter_` says. It never raises for what a document holds."""
    if isinstance(filter_, Both):
        return compiled(filter_.left) & compiled(filter_.right)
    if isinstance(filter_, Either):
        return compiled(filter_.left) | compiled(filter_.right)
    if isinstance(filter_, Negated):
        return ~compiled(filter_.inner)
    return _comparison(filter_)


def _comparison(compare: Compare) -> QueryInstance:
    field = compare.field
    value = Query().map(lambda document: _value(document, field))
    if compare.op == "isnull":
        return value.test(lambda found: found is None)
    return value.test(_matcher(compare.op, compare.value, any_case=field[0] == "status", spelled=field[0] == "params"))


def _value(document: Any, field: tuple[str, ...]) -> Any:
    """What a run document says of `field`; None where it says nothing."""
    try:
        if field[0] == "metrics":
            value = document["metrics"][field[1]]["last"]
            return _NUMBERS.get(value, value)
        if field[0] == "params":
            return document["params"][field[1]]["value"]
        if field[0] in {"tags", "git"}:
            return document[field[0]][field[1]]
        if field[0] in {"started", "ended"}:
            return datetime.fromisoformat(document[_PATHS[field[0]][0]].replace("Z", "+00:00"))
        return _ATTRIBUTES[field[0]](document) if field[0] in _ATTRIBUTES else document[_PATHS[field[0]][0]]
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return None


def _seconds(document: Any) -> float | None:
    begun, ended = (datetime.fromisoformat(document[key].replace("Z", "+00:00")) for key in ("started_at", "ended_at"))
    return (ended - begun).total_seconds() if ended >= begun else None  # the clock was set back


_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "user": lambda document: document["user"]["name"] or document["user"]["email"],
    "command": lambda document: " ".join(document["command"]["argv"]),
    "model": lambda document: document["models"][0]["python_class"],
    "reproduces": lambda document: document["reproduces"]["run_id"],
    "seconds": _seconds,
}


def _matcher(op: str, wanted: Any, *, any_case: bool, spelled: bool) -> Callable[[Any], bool]:
    if op in {"like", "ilike"}:
        flags = re.S | (re.I if op == "ilike" or any_case else 0)
        pattern = re.compile("".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in wanted), flags)
        return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None
    if op == "in":
        each = [_matcher("=", one, any_case=any_case, spelled=spelled) for one in wanted]
        return lambda value: any(matches(value) for matches in each)
    compare = _OPERATORS[op]
    if any_case and isinstance(wanted, str):
        wanted = wanted.lower()

    def matches(value: Any) -> bool:
        if any_case and isinstance(value, str):
            value = value.lower()
        if spelled and isinstance(wanted, str) and isinstance(value, bool | int | float):
            value = msgspec.json.encode(value).decode()  # MLflow keeps text only: params.depth = "5" finds 5
        return _comparable(value, wanted) and bool(compare(value, wanted))

    return matches


def _comparable(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(wanted, int | float):
        return isinstance(value, int | float)
    return value is not None and type(value) is type(wanted)
