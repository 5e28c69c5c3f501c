"""Numbers where JSON has none, as "NaN", "Infinity" or "-Infinity"; and sizes as people write them, as 10 MB."""

from __future__ import annotations

import math
import re
from typing import Any

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def finite(value: Any) -> Any:
    """`value` with each non-finite number in it, however deep, as its name."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return value


def parsed_size(text: str) -> int | None:
    """The bytes that '10 MB', '500kB', '1.5 GiB' or '4096' say; None where that is no size."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]i?)?(b|bytes)?", text.strip().lower(), re.A)
    return int(float(found[1]) * _UNITS[found[2] or ""]) if found else None
