"""Values as a document may keep them: JSON, without secrets, and not too large."""

from __future__ import annotations

from typing import Any

from ..domain.secrets import masked_value
from ..domain.values import json_value
from ..errors import MlcliError

MAX_TEXT = 5000
MAX_ITEMS = 1000
_DEEPEST = 30


def kept(value: Any, key: str) -> Any:
    """`value` as it may be kept: secrets masked, texts of more than 5,000 characters and lists of a thousand cut."""
    try:
        return json_value(masked_value(key, _cut(value, 0)), key)
    except MlcliError as error:
        return f"({error.message})"


def kept_params(params: dict[str, Any]) -> dict[str, Any]:
    """Each of these as it may be kept."""
    return {key: kept(value, key) for key, value in params.items()}


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
        return text if len(value) <= MAX_TEXT else f"{text}… ({len(value)} characters)"
    if isinstance(value, list | tuple | dict) and depth > _DEEPEST:
        return "…"
    if isinstance(value, list | tuple):
        items = [_cut(item, depth + 1) for item in value[:MAX_ITEMS]]
        return items if len(value) <= MAX_ITEMS else [*items, f"… and {len(value) - MAX_ITEMS} more"]
    if isinstance(value, dict):
        return {str(name): _cut(held, depth + 1) for name, held in list(value.items())[:MAX_ITEMS]}
    return value
