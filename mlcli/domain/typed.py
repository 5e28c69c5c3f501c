"""Plain values as the domain's types, safely in many threads."""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_met: set[type] = set()
_meeting = allocate_lock()


def typed(value: Any, type_: type[T]) -> T:
    """`value` as a `type_`; msgspec.ValidationError, naming the field, where its shape is another.

    What msgspec knows of a type it learns when it first meets it, and another thread that takes up what is half known
    crashes the interpreter (msgspec 0.22): the first is alone.
    """
    if type_ in _met:
        return msgspec.convert(value, type_)
    with _meeting:
        made = msgspec.convert(value, type_)
        _met.add(type_)
        return made
