"""What may be logged: params, metrics, steps, tags and notes, checked and without secrets before they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import json
from msgspec.structs import replace

from ..errors import InvalidValue
from .names import check_key, quoted, storable
from .run import Param
from .secrets import masked_text, masked_value

if TYPE_CHECKING:
    from datetime import timedelta

MAX_STEP = 2**63 - 1
MAX_TIMESTAMP = 62_135_596_800_000  # as far from 1970 as the year 1, and before the year 9999
MAX_PARAMS = 10_000
MAX_VALUE = 500_000
MAX_NOTE = 100_000
MAX_DEPTH = 32


def json_value(value: Any, key: str) -> Any:
    """`value` as JSON keeps it: numbers, texts, true, false, null, lists and maps; anything else by its text."""
    kept = _json_value(value, key, 0)
    size = len(kept) if isinstance(kept, str) else len(json.encode(kept)) if isinstance(kept, list | dict) else 0
    if size > MAX_VALUE:
        raise InvalidValue(f"param {quoted(key)} has {size} characters and at most {MAX_VALUE} fit")
    return kept


def _json_value(value: Any, key: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidValue(f"param {quoted(key)} has lists or maps nested more than {MAX_DEPTH} deep")
    if hasattr(value, "item") and callable(value.item) and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy or torch scalar
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple):
        return [_json_value(inner, key, depth + 1) for inner in value]
    if isinstance(value, dict):
        return {storable(str(name)): _json_value(inner, key, depth + 1) for name, inner in value.items()}
    return storable(value if isinstance(value, str) else str(value))


def metric_value(key: str, value: Any) -> float:
    """`value` as a metric's number; NaN and infinities are numbers too. InvalidValue names the metric."""
    if not isinstance(value, str | bytes | complex) and value is not None:
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise InvalidValue(f"metric {quoted(key)} must be a number, not {quoted(value)}", "log a text as a param or a tag")


def checked_step(step: Any) -> int:
    """`step` as a whole number of 64 bits; none is 0."""
    if step is None:
        return 0
    number = step.item() if hasattr(step, "item") else step
    if isinstance(number, bool) or not isinstance(number, int) or not -MAX_STEP - 1 <= number <= MAX_STEP:
        raise InvalidValue(f"a step must be a whole number of 64 bits, not {quoted(step)}")
    return number


def checked_timestamp(milliseconds: Any) -> int:
    """A time in milliseconds since 1970, that a calendar knows; InvalidValue otherwise."""
    try:
        number = int(milliseconds)
    except (TypeError, ValueError, OverflowError):
        number = MAX_TIMESTAMP + 1
    if abs(number) > MAX_TIMESTAMP:
        raise InvalidValue(f"a timestamp must be milliseconds since 1970, not {quoted(milliseconds)}")
    return number


def same_value(old: Any, new: Any) -> bool:
    """Whether a param is logged again with the value it has."""
    both_nan = isinstance(old, float | str) and isinstance(new, float) and math.isnan(new) and str(old).lower() == "nan"
    return both_nan or (old == new and isinstance(old, bool) == isinstance(new, bool))


def checked_params(params: Mapping[str, Param]) -> dict[str, Param]:
    """Params with keys that may name them, not too many, and with secrets masked."""
    if len(params) > MAX_PARAMS:
        raise InvalidValue(f"a run has at most {MAX_PARAMS} params, and these are {len(params)}")
    return {check_key(key, "param"): _masked(key, param) for key, param in params.items()}


def _masked(key: str, param: Param) -> Param:
    value = masked_value(key, param.value)
    return param if value == param.value else replace(param, value=value)


def checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags as texts, with keys that may name them and with secrets masked."""
    checked = {check_key(key, "tag"): storable(masked_value(key, str(value))) for key, value in tags.items()}
    for key, value in checked.items():
        if len(value) > MAX_VALUE:
            raise InvalidValue(f"tag {quoted(key)} has {len(value)} characters and at most {MAX_VALUE} fit")
    return checked


def checked_note(note: str) -> str:
    """A note that is not too long, with secrets masked."""
    if len(note) > MAX_NOTE:
        raise InvalidValue(f"a note has at most {MAX_NOTE} characters, and this one {len(note)}")
    return storable(masked_text(note))


def kept_reason(why: str) -> str:
    """Why something was done, with secrets masked: the registry is shared."""
    return storable(masked_text(why))


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """How long '12h', '30 days' or '4w' is; a bare 0 is no time. InvalidValue otherwise."""
    import re
    from datetime import timedelta

    found = re.fullmatch(r"(\d{1,6})\s*(s|m|h|d|w|(?:second|minute|hour|day|week)s?)", text.strip().lower(), re.A)
    if found:
        return timedelta(**{_UNITS[found[2][0]]: int(found[1])})
    if text.strip() == "0":
        return timedelta(0)
    raise InvalidValue(f"{quoted(text)} is no time", "as 12h, '30 days', 4w, or 0")
