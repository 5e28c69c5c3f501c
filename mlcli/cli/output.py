"""What is said and how: stdout is the answer, stderr everything else; colour, tables, JSON, errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import IO, Any

import msgspec

from ..domain.names import escaped as escaped
from ..domain.numbers import finite
from ..domain.source import masked_argv
from ..errors import MlcliError, WriteFailed

_STYLES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "accent": "1;36",
}  # fmt: skip


class When(str, Enum):
    """Whether to colour."""

    auto = "auto"
    always = "always"
    never = "never"


class Format(str, Enum):
    """How a list is written."""

    auto = "auto"
    table = "table"
    plain = "plain"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    md = "md"


class _State:
    color: str | None = None
    debug: bool = False


state = _State()


def colored(stream: IO[str]) -> bool:
    """Whether to colour here: --color > NO_COLOR > CLICOLOR_FORCE, FORCE_COLOR > CLICOLOR=0, TERM=dumb > a terminal."""
    if state.color in {"always", "never"}:
        return state.color == "always"
    environ = os.environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0" or environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    if environ.get("CLICOLOR") == "0" or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, style: str, stream: IO[str] | None = None) -> str:
    """`text`, escaped, in a style where the stream is coloured."""
    shown = escaped(text)
    if not style or not shown or not colored(stream or sys.stdout):
        return shown
    return f"\x1b[{_STYLES[style]}m{shown}\x1b[0m"


def out(line: str = "") -> None:
    """A line of the answer, escaped already."""
    _write(sys.stdout, line + "\n")


def err(line: str) -> None:
    """A line that is not the answer, escaped already."""
    _write(sys.stderr, line + "\n")


def _write(stream: IO[str], text: str) -> None:
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise WriteFailed(f"cannot write the answer: {fault.strerror}") from None


def error(message: str, hint: str | None = None) -> None:
    """An expected error: what, and the next command."""
    err(f"{paint('mlcli: error:', 'red', sys.stderr)} {escaped(message)}")
    if hint:
        err(f"{paint('hint:', 'cyan', sys.stderr)} {escaped(hint)}")


def warning(message: str, hint: str | None = None) -> None:
    """Something to know that stopped nothing."""
    err(f"{paint('mlcli: warning:', 'yellow', sys.stderr)} {escaped(message)}")
    if hint:
        err(f"{paint('hint:', 'cyan', sys.stderr)} {escaped(hint)}")


def warn_of(problems: Sequence[MlcliError]) -> None:
    """What could not be read on the way to an answer."""
    for problem in problems[:5]:
        warning(problem.message)
    if len(problems) > 5:
        warning(f"{len(problems) - 5} more documents cannot be read")
    if problems:
        err(f"{paint('hint:', 'cyan', sys.stderr)} mlcli doctor")


def usage_error(fault: Any) -> None:
    """A misuse, in the words of whoever found it, and where to read on."""
    path = fault.ctx.command_path if getattr(fault, "ctx", None) else "mlcli"
    error(" ".join(fault.format_message().split()).rstrip("."), f"{path} --help")


def bug_report(bug: Exception) -> None:
    """A bug: what to paste where it is told of."""
    import platform
    import traceback

    from .. import __version__

    where = traceback.extract_tb(bug.__traceback__)[-1]
    error(f"this is a bug in mlcli: {type(bug).__name__}: {bug}")
    err(f"  at {os.path.basename(where.filename)}:{where.lineno} in {where.name}")
    err(f"  mlcli {__version__}, Python {platform.python_version()}, {platform.platform()}")
    err(f"  command: {escaped(' '.join(masked_argv(sys.argv)))}")
    err(f"{paint('hint:', 'cyan', sys.stderr)} mlcli --debug … shows the traceback; paste it with these lines")


def next_step(command: str) -> None:
    """The command that would come next, told to people only."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        err(f"  {paint('next:', 'dim', sys.stderr)} {escaped(command)}")


def emit_json(schema: str, **fields: Any) -> None:
    """One object with the name of its schema, on stdout."""
    value = {"schema": schema, **finite(msgspec.to_builtins(fields, enc_hook=_spoken))}
    out(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def json_line(value: Any) -> str:
    """A value as one line of JSON."""
    return msgspec.json.encode(finite(msgspec.to_builtins(value, enc_hook=_spoken))).decode()


def _spoken(value: Any) -> Any:
    if isinstance(value, MlcliError):
        return {"code": value.code, "message": value.message, "hint": value.hint}
    return str(value)


# Tables

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


def table(format_: Format, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, header: bool = False) -> None:
    """Rows as a table on a terminal, tab-separated and never cut on a pipe, as CSV or as Markdown."""
    writers: dict[Format, Callable[[], None]] = {
        Format.table: lambda: _rich_table(columns, rows),
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

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([escaped(cell.text) for cell in row] for row in rows)
    sys.stdout.flush()


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    out(line(columns))
    out(line(["---"] * len(columns)))
    for row in rows:
        out(line([escaped(cell.text) for cell in row]))


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(
        file=sys.stdout, no_color=not colored(sys.stdout), highlight=False, markup=False, emoji=False,
        force_terminal=colored(sys.stdout), legacy_windows=False,
    )  # fmt: skip
    drawn = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    cells = [[Text(escaped(column)) for column in columns]]
    cells += [[Text(escaped(cell.text), style=_rich_style(cell.style)) for cell in row] for row in rows]
    widths = _fitted(columns, [max(row[at].cell_len for row in cells) for at in range(len(columns))], console.width)
    for at, name in enumerate(cells[0]):
        numeric = bool(rows) and all(_is_number(row[at].text) for row in rows if row[at].text)
        side: Any = "right" if numeric else "left"
        drawn.add_column(name, justify=side, overflow="ellipsis", no_wrap=True, width=widths[at])
    for row in cells[1:]:
        drawn.add_row(*row)
    console.print(drawn)


_KEPT_WHOLE = {"", "run", "when", "status", "version", "staging", "production"}


def _fitted(columns: Sequence[str], widths: list[int], available: int) -> list[int]:
    """Column widths that fit: the widest is cut first, and what is of no use cut is not."""
    fitted = list(widths)
    while sum(fitted) + 2 * len(fitted) > available:
        widest = max((width for name, width in zip(columns, fitted, strict=True) if name not in _KEPT_WHOLE), default=0)
        if widest <= 4:
            break
        fitted[next(at for at, name in enumerate(columns) if fitted[at] == widest and name not in _KEPT_WHOLE)] -= 1
    return fitted


def _rich_style(style: str) -> str:
    return {"accent": "bold cyan"}.get(style, style)


def _is_number(text: str) -> bool:
    # One number, or one with its difference after it (0.97 +0.03); a date is none.
    try:
        return text == "-" or [float(word) for word in text.split(" ")] != []
    except ValueError:
        return False


# Words for values


def number(value: Any) -> str:
    """A number as people read it: 0.973, 1.2e-05, NaN."""
    if isinstance(value, bool) or not isinstance(value, float):
        return value if isinstance(value, str) else json_line(value)
    if value != value or value in {float("inf"), float("-inf")}:
        return str(finite(value))
    if value == int(value) and abs(value) < 1e15:
        return f"{value:.1f}" if abs(value) < 1e6 else f"{value:.6g}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.6g}"


def signed(value: float) -> str:
    """A change with its sign: +0.033."""
    return f"{value:+.3g}" if abs(value) < 1e4 else f"{value:+.6g}"


def size(count: int) -> str:
    """Bytes as people read them: 185 kB."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count_in = count / 1000 ** (("kB", "MB", "GB", "TB").index(unit) + 1)
        if count_in < 999.5 or unit == "TB":
            return f"{count_in:.0f} {unit}" if count_in >= 10 else f"{count_in:.1f} {unit}"
    return str(count)


def duration(seconds: float | None) -> str:
    """A duration as people read it: 3.2 s, 4m 10s, 2h 05m."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago: 4s, 12m, 3h, 5d, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return moment.strftime("%Y-%m-%d")
    for limit, unit, each in ((60, "s", 1), (3600, "m", 60), (86400, "h", 3600), (86400 * 14, "d", 86400)):
        if seconds < limit:
            return f"{int(seconds // each)}{unit}"
    return moment.strftime("%Y-%m-%d")


def stamp(moment: datetime) -> str:
    """A time as people read it, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M")


def sparkline(values: Sequence[float]) -> str:
    """A metric's course in up to eight signs; '' where there is none to see."""
    points = [value for value in values if value == value and abs(value) != float("inf")]
    if len(points) < 2:
        return ""
    if len(points) > 8:
        points = [points[round(at * (len(points) - 1) / 7)] for at in range(8)]
    low, high = min(points), max(points)
    if low == high:
        return ""
    return "".join("▁▂▃▄▅▆▇█"[min(7, int((point - low) / (high - low) * 7.999))] for point in points)


def short_digest(digest: str) -> str:
    """A digest's beginning: sha256:41c0b3f29a7e."""
    algorithm, _, rest = digest.partition(":")
    return f"{algorithm}:{rest[:12]}"


def told_value(value: Any) -> str:
    """A param's value as people read it."""
    return value if isinstance(value, str) else number(value)
