"""What was removed and can be brought back, and what became of it for good."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from .model import ModelVersion
from .run import Run


class Removed(Struct, frozen=True):
    """A run or a version that lies in the trash, and since when."""

    what: Run | ModelVersion
    at: datetime


class Swept(Struct, frozen=True, kw_only=True):
    """What a sweep took for good, and the bytes of content among it; of commits it is the refs that led to them.

    `left` runs and versions were removed lately, and `waiting` objects are cited by nothing since lately: they stay.
    """

    runs: list[str] = []
    versions: list[str] = []
    objects: int = 0
    bytes: int = 0
    commits: int = 0
    left: int = 0
    waiting: int = 0
