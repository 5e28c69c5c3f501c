"""A metric's history as it was seen, and what of nested values is a number with a name."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct

from ..domain.names import MAX_KEY, escaped
from ..domain.run import MetricSource

MAX_FLAT = 400
_SPELLED = {"nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}


class Series(Struct, frozen=True, kw_only=True):
    """A metric's history: its values, each with its step and its time in seconds since 1970.

    There are no `times` where they are not known. `decimals` is with how many the last value was printed, where it was.
    """

    name: str
    values: list[float]
    steps: list[int]
    times: list[float]
    source: MetricSource
    origin: str
    decimals: int | None = None


def valid(name: str) -> bool:
    """Whether this can name a metric or param."""
    return bool(name) and name == name.strip() and len(name) <= MAX_KEY and "=" not in name and escaped(name) == name


def number(value: Any) -> float | None:
    """`value` as a number, also where it is spelled as JSON cannot: NaN, Infinity; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e308 or isinstance(value, float) else None
    return _SPELLED.get(value.lower()) if isinstance(value, str) else None


def flattened(value: Any, limit: int = MAX_FLAT, joint: str = ".") -> dict[str, Any]:
    """The leaves of nested maps, by their keys joined; a list is a leaf, '' the key of a value that is no map."""
    found: dict[str, Any] = {}
    _flatten(value, "", joint, limit, found, 0)
    return found


def _flatten(value: Any, key: str, joint: str, limit: int, found: dict[str, Any], depth: int) -> None:
    if isinstance(value, dict) and depth < 16:
        for inner, held in value.items():
            if len(found) >= limit:
                return
            _flatten(held, f"{key}{joint}{inner}" if key else str(inner), joint, limit, found, depth + 1)
    elif len(found) < limit:
        found[key] = value
