"""What a workload did, step by step, in a file outside the store that no fault touches."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .injector import is_loaded, note

STARTED, DONE, FAILED, RAISED = "started", "done", "failed", "raised"


class Line(msgspec.Struct, frozen=True):
    """One line: what became of the operation of that number, at which attempt; `at` is the time of day it saw."""

    number: int
    attempt: int
    what: str
    at: float
    message: str = ""


class Journal:
    """Lines in the order they came, each by one write."""

    def __init__(self, path: Path | None, descriptor: int = -1) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600) if path else descriptor
        self._traced = is_loaded()

    def add(self, line: Line) -> None:
        """Append a line, in the trace too."""
        encoded = msgspec.json.encode(line)
        os.write(self._descriptor, encoded + b"\n")
        if self._traced:
            note(encoded.decode())


def lines_of(path: Path) -> list[Line]:
    """The lines of a journal; none where it was not begun."""
    return msgspec.json.Decoder(Line).decode_lines(path.read_bytes()) if path.exists() else []
