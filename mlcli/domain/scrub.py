"""A value taken out of what is kept of a run: how it may be spelled, and a run without it."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..errors import InvalidValue
from .model import ModelVersion
from .run import Run
from .secrets import MASK

SHORTEST = 4
# What names a thing: another value there would make another thing of it.
_FIXED = frozenset(
    ("id", "run_id", "parent_id", "path", "digest", "blob", "commit", "tree", "crc32", "boot_id", "process", "scrubs")
)


def spellings(value: str) -> list[str]:
    """The value, and how JSON and a URL spell it, longest first; InvalidValue where it is too short to look for."""
    if len(value) < SHORTEST or not value.strip("* \n"):
        raise InvalidValue(f"a value of less than {SHORTEST} characters would be found everywhere", "give all of it")
    from json import dumps
    from urllib.parse import quote, quote_plus

    found = {
        value,
        dumps(value)[1:-1],
        dumps(value, ensure_ascii=False)[1:-1],
        quote(value, safe=""),
        quote_plus(value),
    }
    return sorted(found, key=lambda text: (-len(text), text))


def run_without(run: Run, texts: list[str]) -> tuple[Run, Counter[str]]:
    """The run without these texts, and in how many places of each of its parts they were.

    A metric keeps its name, by which its history is found.
    """
    found: Counter[str] = Counter()
    fields = {
        name: _without(getattr(run, name), texts, name, found) for name in run.__struct_fields__ if name not in _FIXED
    }
    return replace(run, **fields), found


def version_without(version: ModelVersion, run: Run, texts: list[str]) -> tuple[ModelVersion, int]:
    """The version with `run` for its own and without these texts in its reason, and in how many places they were."""
    found: Counter[str] = Counter()
    why = _text_without(version.why, texts, "why", found)
    return replace(version, run=run, why=why), found.total()


def _without(value: Any, texts: list[str], part: str, found: Counter[str]) -> Any:
    if isinstance(value, Struct):
        names = [name for name in value.__struct_fields__ if name not in _FIXED]
        return replace(value, **{name: _without(getattr(value, name), texts, part, found) for name in names})
    if isinstance(value, dict):
        return {
            key if part == "metrics" else _text_without(key, texts, part, found): _without(inner, texts, part, found)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_without(inner, texts, part, found) for inner in value]
    if isinstance(value, str) and not isinstance(value, Enum):
        return _text_without(value, texts, part, found)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and part == "params" and str(value) in texts:
        found[part] += 1
        return MASK
    return value


def _text_without(text: str, texts: list[str], part: str, found: Counter[str]) -> str:
    cleaned = text
    for each in texts:
        cleaned = cleaned.replace(each, MASK)
    found[part] += cleaned != text
    return cleaned
