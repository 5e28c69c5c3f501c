"""A tree as lines: what hangs below what, folded to the width of a terminal."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence

from . import output

# A line, escaped and painted already, and what hangs below it.
Branch = tuple[str, "list[Branch]"]

FEW = 20
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_NARROW = 30


def lines(roots: Sequence[Branch]) -> Iterator[str]:
    """The lines of trees, one below the other. They are folded on a terminal and left whole on a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for head, below in roots:
        yield from _folded(head, width, "", "│  " if below else "   ")
        yield from _below(below, "", width)


def cut(branches: Sequence[Branch], what: str = "") -> list[Branch]:
    """The first of many branches, and how many more there are."""
    if len(branches) <= FEW:
        return list(branches)
    more = f"… and {len(branches) - FEW:,} more{f' {what}' if what else ''}"
    return [*branches[:FEW], (output.paint(more, "dim"), [])]


def _below(branches: Sequence[Branch], indent: str, width: int) -> Iterator[str]:
    for at, (head, below) in enumerate(branches):
        last = at == len(branches) - 1
        inner = indent + ("   " if last else "│  ")
        yield from _folded(head, width, indent + ("└─ " if last else "├─ "), inner + ("│  " if below else "   "))
        yield from _below(below, inner, width)


def _folded(text: str, width: int, first: str, next_: str) -> Iterator[str]:
    """A line with what goes before it; where it is too long, more of them, broken at spaces."""
    room = max(width - len(next_), _NARROW) if width else 0
    line, before = "", first
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if room and line.strip() and len(_PAINT.sub("", longer)) > room:
            yield f"{before}{line}".rstrip()
            line, before = word, next_
        else:
            line = longer
    yield f"{before}{line}".rstrip()
