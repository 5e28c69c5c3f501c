"""The one door to git: nothing else in mlcli runs git or imports GitPython.

`read_state` is what every run pays, so it runs git directly; `Repository` serves the commands that check and show, most
of it through GitPython's runner. Both take their command from `command.py`: no byte of a repository's configuration,
attributes or hooks may start a program, take a lock, reach the network or change what is read.
"""

from __future__ import annotations

from .command import find_root, hint_for, scrubbed
from .repository import CommitSummary, Repository
from .state import read_person, read_state

__all__ = ["CommitSummary", "Repository", "find_root", "hint_for", "read_person", "read_state", "scrubbed"]
