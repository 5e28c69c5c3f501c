"""Rows: a table on a terminal, tab-separated lines on a pipe, CSV, Markdown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import Enum

from ..domain.names import escaped
from .output import colored, out, paint


class Format(str, Enum):
    """How a list is written."""

    auto = "auto"
    table = "table"
    plain = "plain"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    md = "md"


_GAP = 2


class Cell:
    """A text with a style."""

    __slots__ = ("style", "text")

    def __init__(self, text: object, style: str = "") -> None:
        self.text = "" if text is None else text if isinstance(text, str) else str(text)
        self.style = style


def chosen(format_: Format, *, as_json: bool = False) -> Format:
    """The format in force: what was asked for, else a table on a terminal and plain lines on a pipe."""
    if as_json:
        return Format.json
    if format_ is not Format.auto:
        return format_
    return Format.table if sys.stdout.isatty() else Format.plain


def table(
    format_: Format,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    header: bool = False,
    spare: Sequence[int] = (),
) -> None:
    """Rows as a table on a terminal, tab-separated and never cut on a pipe, as CSV or as Markdown.

    `spare` numbers the columns that a narrow terminal does without, the first of them first.
    """
    columns = [escaped(column) for column in columns]
    writers: dict[Format, Callable[[], None]] = {
        Format.table: lambda: _rich_table(columns, rows, spare),
        Format.csv: lambda: _csv(columns, rows),
        Format.md: lambda: _markdown(columns, rows),
    }
    writers.get(format_, lambda: _plain(columns, rows, header=header))()


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, header: bool) -> None:
    lines = ["\t".join(columns)] if header else []
    lines += ["\t".join(escaped(cell.text) for cell in row) for row in rows]
    if lines:
        out("\n".join(lines))


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    import csv
    import io

    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([escaped(cell.text) for cell in row] for row in rows)
    out(lines.getvalue().removesuffix("\n"))


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    out(line(columns))
    out(line(["---"] * len(columns)))
    for row in rows:
        out(line([escaped(cell.text) for cell in row]))


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], spare: Sequence[int]) -> None:
    # Its Table measures and wraps every cell several times over, which for a hundred rows costs as much as all else.
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=sys.stdout, no_color=not colored(sys.stdout), highlight=False, markup=False, emoji=False,
        force_terminal=colored(sys.stdout), legacy_windows=False,
    )  # fmt: skip
    cells = [[Text(column, style="dim") for column in columns]]
    cells += [[Text(escaped(cell.text), style=_rich_style(cell.style)) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(_is_number(row[at].text) for row in rows if row[at].text) for at in range(len(columns))
    ]
    wide = [max([row[at].cell_len for row in cells[1:]], default=0) for at in range(len(columns))]
    widths = {at: max(wide[at], cells[0][at].cell_len) for at in range(len(columns))}
    least = {
        at: max(wide[at], 4) if numeric[at] or columns[at] in _KEPT_WHOLE else min(width, 8)
        for at, width in widths.items()
    }
    shown = _fitted(widths, least, spare, console.width)
    lines = []
    for row in cells:
        line = Text()
        for at, width in shown.items():
            row[at].truncate(width, overflow="ellipsis")
            row[at].align("right" if numeric[at] else "left", width)
            line.append_text(row[at]).append(" " * _GAP)
        line.rstrip()
        lines.append(line)
    with console.capture() as written:  # rich knows no stream that cannot take every letter
        console.print(Text("\n").join(lines), soft_wrap=True)
    out(written.get().removesuffix("\n"))
    left_out = [column for at, column in enumerate(columns) if at not in shown and column]
    if left_out:
        told = f"(no room for {', '.join(left_out)})"
        out(paint(told if len(told) <= console.width else f"(no room for {len(left_out)} more)", "dim"))


_KEPT_WHOLE = {"", "run", "when", "status", "version", "staging", "production"}


def _fitted(widths: dict[int, int], least: dict[int, int], spare: Sequence[int], available: int) -> dict[int, int]:
    """The columns that have room and their widths: numbers and ids stay whole, spare columns go, the widest is cut."""
    fitted = dict(widths)
    for at in [*spare, *sorted(set(widths) - set(spare), reverse=True)[:-1]]:
        if sum(least[kept] for kept in fitted) + _GAP * len(fitted) <= available:
            break
        del fitted[at]
    while sum(fitted.values()) + _GAP * len(fitted) > available:
        widest = max(fitted, key=lambda at: fitted[at] - least[at])
        if fitted[widest] <= least[widest]:
            break
        fitted[widest] -= 1
    return fitted


def _rich_style(style: str) -> str:
    return {"accent": "bold cyan"}.get(style, style)


def _is_number(text: str) -> bool:
    # One number, or one with its difference after it (0.97 +0.03); a date is none.
    try:
        return text == "-" or [float(word) for word in text.split(" ")] != []
    except ValueError:
        return False
