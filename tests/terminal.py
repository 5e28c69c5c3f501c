"""A terminal to run commands in: what a person at a screen of that width would see."""

from __future__ import annotations

import os
from typing import NamedTuple

import pexpect
import pyte


class Seen(NamedTuple):
    """What was written to the terminal, byte for byte with line ends as \\n, and the exit code (128+N for a signal)."""

    text: str
    exit_code: int


def in_terminal(
    command: str, *, columns: int = 100, lines: int = 50, cwd: str | None = None, env: dict[str, str] | None = None
) -> Seen:
    """Run a shell command with a terminal on stdin, stdout and stderr."""
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    child = pexpect.spawn(
        "sh", ["-c", command], dimensions=(lines, columns), cwd=cwd, env={**environ, **(env or {})}, encoding="utf-8",
        timeout=120, echo=False,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    code = child.exitstatus if child.exitstatus is not None else 128 + child.signalstatus
    return Seen(child.before.replace("\r\n", "\n"), code)


def screen(text: str, *, columns: int, lines: int = 50) -> list[str]:
    """The rows of a screen that `text` was written to, without those that stayed empty at the end."""
    shown = pyte.Screen(columns, lines)
    pyte.Stream(shown).feed(text.replace("\n", "\r\n"))
    rows = [row.rstrip() for row in shown.display]
    while rows and not rows[-1]:
        rows.pop()
    return rows
