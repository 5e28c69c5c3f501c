"""The one door to git: nothing else in mlcli runs git or imports GitPython.

`read_state` is what every run pays, so it runs git directly; `Repository` serves the commands that check and show, most
of it through GitPython's runner. Both take their command from `command.py`: no byte of a repository's configuration,
attributes or hooks may start a program, take a lock, reach the network or change what is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .branches import refs_of_branch
from .command import find_root, hint_for, scrubbed
from .commits import blobs_at
from .refs import KEPT, TRASHED, keep_commits, kept_commits, move_commits, place_of
from .state import read_person, read_state

if TYPE_CHECKING:
    from .repository import CommitSummary, Repository

__all__ = [
    "KEPT",
    "TRASHED",
    "CommitSummary",
    "Repository",
    "blobs_at",
    "find_root",
    "hint_for",
    "keep_commits",
    "kept_commits",
    "move_commits",
    "place_of",
    "read_person",
    "read_state",
    "refs_of_branch",
    "scrubbed",
]


def __getattr__(name: str) -> Any:
    # What a run does not ask is not loaded for it.
    if name not in {"CommitSummary", "Repository"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import repository

    return getattr(repository, name)
