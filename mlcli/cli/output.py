"""What is said and how: stdout is the answer, stderr everything else; colour, tables, JSON, errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum
from typing import IO, Any

import msgspec

from ..domain.names import escaped as escaped
from ..domain.names import escaped_in_json
from ..domain.numbers import finite
from ..domain.secrets import masked_argv
from ..errors import MlcliError, WriteFailed

_STYLES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "accent": "1;36",
}  # fmt: skip


class When(str, Enum):
    """Whether to colour."""

    auto = "auto"
    always = "always"
    never = "never"


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


def mark() -> str:
    """What mlcli's own lines begin with, where a command's output stands between them."""
    return paint("mlcli", "dim", sys.stderr)


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


def error(message: str, hint: str | None = None, details: Sequence[str] = ()) -> None:
    """An expected error: what, in detail, and the next command."""
    err(f"{paint('mlcli: error:', 'red', sys.stderr)} {escaped(message)}")
    for detail in details:
        err(f"  {escaped(detail)}")
    if hint:
        err(f"{paint('hint:', 'cyan', sys.stderr)} {escaped(hint)}")


def warning(message: str, hint: str | None = None) -> None:
    """Something to know that stopped nothing."""
    err(f"{paint('mlcli: warning:', 'yellow', sys.stderr)} {escaped(message)}")
    if hint:
        err(f"{paint('hint:', 'cyan', sys.stderr)} {escaped(hint)}")


def warn_of(problems: Sequence[MlcliError]) -> None:
    """What could not be read on the way to an answer."""
    hints = {problem.message: problem.hint or "mlcli doctor" for problem in problems}
    for message in list(hints)[:5]:
        warning(message)
    if len(hints) > 5:
        warning(f"{len(hints) - 5} more documents cannot be read")
    for hint in dict.fromkeys(list(hints.values())[:5]):
        err(f"{paint('hint:', 'cyan', sys.stderr)} {escaped(hint)}")


def usage_error(fault: Any) -> None:
    """A misuse, in the words of whoever found it, and where to read on."""
    path = fault.ctx.command_path if getattr(fault, "ctx", None) else "mlcli"
    told = " ".join(fault.format_message().split()).rstrip(".")
    if path == "mlcli run" and told.startswith("No such option"):
        error(told.partition(" (")[0], "the command's own options come after --: mlcli run -- python train.py --lr 0.1")
    else:
        error(told, f"{path} --help")


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
    out(json_text(schema, **fields))


def json_text(schema: str, **fields: Any) -> str:
    """One object with the name of its schema, as text."""
    value = {"schema": schema, **finite(msgspec.to_builtins(fields, enc_hook=_spoken))}
    return escaped_in_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def json_line(value: Any) -> str:
    """A value as one line of JSON."""
    return escaped_in_json(msgspec.json.encode(finite(msgspec.to_builtins(value, enc_hook=_spoken))).decode())


def _spoken(value: Any) -> Any:
    if isinstance(value, MlcliError):
        return {"code": value.code, "message": value.message, "hint": value.hint}
    return str(value)
