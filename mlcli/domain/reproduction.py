"""How a run came out when it was made again."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from msgspec import Struct


class Verdict(str, Enum):
    """Whether making a run again gave the same."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    IMPOSSIBLE = "impossible"

    def __str__(self) -> str:
        return self.value


class Reproduction(Struct, frozen=True, kw_only=True):
    """The other run of a reproduction: in the run that was made again its twin, in the twin that run.

    `verdict` is None while the twin runs; `tolerance` is the relative one that metrics were held to.
    """

    run_id: str
    at: datetime
    verdict: Verdict | None = None
    tolerance: float = 0.0
