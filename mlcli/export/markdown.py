"""Words of users in YAML and Markdown: whatever they hold, they stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..domain.names import escaped

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&$=:@])")
_HARD = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: Any) -> str:
    """A value in YAML, on one line: a text between quotes, what cannot be seen as an escape."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        shown = repr(value)  # YAML 1.1 takes 1e-05 for a text
        return re.sub(r"^(-?\d+)e", r"\1.0e", shown)
    return '"' + "".join(_HARD.get(char) or _spelled(char) for char in value) + '"'


def _spelled(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def prose(text: str) -> str:
    """A text as the words that it is: nothing in it is a mark, a tag or a link."""
    return _MARKS.sub(r"\\\1", escaped(text))


def code(text: str) -> str:
    """A text in a code span, as it is."""
    shown = escaped(text) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if shown[0] == "`" or shown[-1] == "`" else f"{fence}{shown}{fence}"


def block(lines: Sequence[str], language: str = "") -> Iterator[str]:
    """Lines as a block of code."""
    shown = [escaped(line) for line in lines]
    fence = "`" * max(3, *(len(run) + 1 for line in shown for run in re.findall("`+", line)), 3)
    yield from (f"{fence}{language}", *shown, fence, "")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], more: str = "") -> Iterator[str]:
    """A table whose cells are Markdown; `more` is said below it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') if '`' not in cell else _piped(cell) for cell in row)} |"
    yield from ("", more, "") if more else ("",)


def _piped(cell: str) -> str:
    return cell.replace("|", r"\|")
