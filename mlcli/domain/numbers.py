"""Numbers where JSON has none: a non-finite one is written as "NaN", "Infinity" or "-Infinity"."""

from __future__ import annotations

import math
from typing import Any


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
