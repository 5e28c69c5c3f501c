"""`K=V` arguments."""

from __future__ import annotations


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`K=V` arguments as a dictionary; the same key twice must say the same."""
    from ..domain.names import quoted
    from ..errors import UsageError

    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} wants KEY=VALUE, not {quoted(text)}", f"as {option} lr=0.1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"{option} says {quoted(key)} twice: {quoted(found[key])} and {quoted(value)}")
    return found
