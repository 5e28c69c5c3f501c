"""Words of users in YAML and Markdown: whatever they hold, they stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..domain.names import escaped

_MARKS = re.compile(r"[\\`*\[\]<~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_BEGINNING = re.compile(r"^(\s*)([#+\-=|:>]|\d+[.)])")
_HARD = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: str | float) -> str:
    """A number or text in YAML, on one line: a text between quotes, what cannot be seen as an escape."""
    if isinstance(value, float):
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))  # without a point YAML 1.1 takes it for a text
    return '"' + "".join(_HARD.get(char) or _spelled(char) for char in value) + '"'


def _spelled(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def prose(text: str) -> str:
    """A text on one line as the words that it is: nothing in it is a mark, a tag or a heading."""
    return _BEGINNING.sub(_harmless, _MARKS.sub(r"\\\g<0>", escaped(text)))


def _harmless(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"


def paragraphs(text: str) -> Iterator[str]:
    """A text of several lines, whose empty ones part paragraphs."""
    yield from (prose(line.strip()) for line in text.splitlines())
    yield ""


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
    """A table whose cells are Markdown, but for '|'; `more` is said below it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield from ("", more, "") if more else ("",)
