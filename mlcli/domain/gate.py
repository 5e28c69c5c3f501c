"""Gates: what a version must meet to enter a stage, as `require = [...]` of that stage's settings says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from ..errors import InvalidValue, MlcliError
from .names import quoted
from .query import unquoted
from .stage import Stage
from .values import duration

KNOWN = (
    *("clean", "reachable", "reachable:BRANCH", "artifact", "inputs", "metrics.KEY >= NUMBER"),
    *(
        "metrics.KEY >= current",
        "reproduced",
        "approved:N",
        "signed",
        "stage:STAGE",
        "age:STAGE >= 1d",
        "command: TEXT",
    ),
)
_FORMS = f"gates are {', '.join(KNOWN)}"
_PLAIN = {"clean", "artifact", "inputs", "reproduced", "signed"}
_EXAMPLES = {
    "metrics": "as: metrics.accuracy >= 0.95, or metrics.latency <= 1.1 * current",
    "approved": "as: approved:2",
    "reachable": "as: reachable, or reachable:main",
    "stage": "as: stage:staging",
    "age": "as: age:staging >= 1d; units are s, m, h, d and w",
    "command": "as: command: python tests/smoke.py",
}
_WORDS = (*sorted(_PLAIN), "reachable", "approved", "metrics", "stage", "age", "command")


class Gate(Struct, frozen=True):
    """One rule. `text` is what was written, and names it wherever it is told."""

    text: str


class Plain(Gate, frozen=True):
    """A rule of one word: clean, artifact, inputs, reproduced or signed."""

    word: str


class Reachable(Gate, frozen=True):
    """The commit must be on that branch; None: on any branch or tag."""

    branch: str | None = None


class Bound(Gate, frozen=True):
    """A metric's last value must be above, at or below a number."""

    metric: str
    op: str
    value: float


class Compared(Gate, frozen=True):
    """The same, held against that metric of the version in place: times `factor`, plus `offset`."""

    metric: str
    op: str
    factor: float = 1.0
    offset: float = 0.0


class Approved(Gate, frozen=True):
    """So many people, others than whoever registered it, must have approved it."""

    count: int = 1


class Stood(Gate, frozen=True):
    """It must stand or have stood in a stage."""

    stage: Stage


class Aged(Gate, frozen=True):
    """It must have stood in a stage for so long, without a break."""

    stage: Stage
    least: timedelta


class Ran(Gate, frozen=True):
    """A shell command must give 0."""

    command: str


class StageRules(Struct, frozen=True, kw_only=True):
    """What the settings say of a stage: its gates, whether --force may override them, the seconds a command has."""

    require: tuple[Gate, ...] = ()
    force: bool = False
    timeout: float = 600.0

    @property
    def signed(self) -> bool:
        """Whether what enters the stage must be signed."""
        return any(isinstance(gate, Plain) and gate.word == "signed" for gate in self.require)


def parse(text: str) -> Gate:
    """The gate that `text` says; InvalidValue names the column where it cannot be read, and what is allowed."""
    text = text.strip()
    reader = _Reader(text)
    word = reader.take(r"[A-Za-z_-]+") or ""
    reader.example = _EXAMPLES.get(word, _FORMS)
    if word in _PLAIN:
        return reader.end(Plain(text, word))
    if word in {"metrics", "metric"}:
        return _of_metric(reader)
    if word in {"reachable", "approved"} and reader.ended:
        return Reachable(text) if word == "reachable" else Approved(text)
    if (read := _WITH_COLON.get(word)) is not None:
        reader.expect(r":", f"':' after {word}")
        return read(reader)
    raise _unknown(text, word)


def _unknown(text: str, word: str) -> MlcliError:
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), _WORDS, n=1, cutoff=0.6)
    meant = f"did you mean {close[0]}? " if close else ""
    return InvalidValue(f"{quoted(text)} is no gate", f"{meant}{_FORMS}")


_KEY_PART = r"""(?:"(?:[^"\\]|\\.|"")*"|'(?:[^'\\]|\\.|'')*'|`[^`]*`|[^\W\d][\w/-]*|\d+(?![\w]))"""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])"
_UNSIGNED = _NUMBER.removeprefix("[-+]?")


class _Reader:
    """Reads a gate from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.example = text, 0, _FORMS

    @property
    def ended(self) -> bool:
        return not self.text[self.at :].strip()

    def take(self, pattern: str) -> str | None:
        """What matches here, behind spaces, or None."""
        found = re.compile(r"\s*(" + pattern + ")", re.S).match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        return found[1]

    def expect(self, pattern: str, expected: str) -> str:
        found = self.take(pattern)
        if found is None:
            raise self.fault(expected)
        return found

    def end(self, gate: Gate) -> Gate:
        """`gate`, where nothing comes after it."""
        if not self.ended:
            raise self.fault("the end")
        return gate

    def fault(self, expected: str, hint: str | None = None) -> InvalidValue:
        rest = self.text[self.at :].lstrip()
        column = len(self.text) - len(rest) + 1
        found = quoted(rest[:12]) if rest else "the end"
        return InvalidValue(
            f"{quoted(self.text)}, column {column}: expected {expected}, found {found}", hint or self.example
        )


def _of_metric(reader: _Reader) -> Gate:
    reader.expect(r"\.", "'.' and the name of a metric")
    parts = [reader.expect(_KEY_PART, "the name of a metric, in quotes where it holds spaces or signs")]
    while reader.take(r"\."):
        parts.append(reader.expect(_KEY_PART, "a name, in quotes where it holds spaces or signs"))
    metric = ".".join(unquoted(part) if part[0] in "\"'`" else part for part in parts)
    op = {"==": "="}.get(said := reader.expect(r">=|<=|==|=(?![=>])|[<>](?![<>=])", "one of > >= < <= ="), said)
    if (number := reader.take(_NUMBER)) is None:
        return _of_current(reader, metric, op)
    if reader.take(r"\*") is None:
        return reader.end(Bound(reader.text, metric, op, _number(reader, number)))
    reader.expect(r"current\b", "'current'")
    return reader.end(Compared(reader.text, metric, op, factor=_factor(reader, number)))


def _of_current(reader: _Reader, metric: str, op: str) -> Gate:
    reader.expect(r"current\b", "a number or 'current'")
    sign = reader.take(r"[-+*]")
    if sign is None:
        return reader.end(Compared(reader.text, metric, op))
    number = reader.expect(_UNSIGNED, "a number")
    if sign == "*":
        return reader.end(Compared(reader.text, metric, op, factor=_factor(reader, number)))
    offset = _number(reader, number)
    return reader.end(Compared(reader.text, metric, op, offset=-offset if sign == "-" else offset))


def _number(reader: _Reader, digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        reader.at -= len(digits)
        raise reader.fault("a number that fits into 64 bits")
    return number


def _factor(reader: _Reader, digits: str) -> float:
    factor = _number(reader, digits)
    if factor <= 0:
        raise InvalidValue(f"{quoted(reader.text)}: a factor must be above 0", "as: metrics.latency <= 1.1 * current")
    return factor


def _reachable(reader: _Reader) -> Gate:
    branch = reader.expect(r"[^\s~^:?*\[\\\x00-\x1f\x7f]+(?=\s*\Z)", "the name of a branch")
    return Reachable(reader.text, branch)


def _approved(reader: _Reader) -> Gate:
    count = int(reader.expect(r"[0-9]{1,4}(?![\w.])", "how many people, as approved:2"))
    if count < 1:
        raise InvalidValue(f"{quoted(reader.text)}: at least 1 person can be asked for", "as: approved:2")
    return reader.end(Approved(reader.text, count))


def _stage(reader: _Reader) -> Stage:
    before = reader.at
    name = reader.expect(r"\w+", "staging, production or archived")
    if name.lower() not in {stage.value for stage in Stage if stage is not Stage.NONE}:
        reader.at = before
        raise reader.fault("staging, production or archived")
    return Stage.parse(name)


def _aged(reader: _Reader) -> Gate:
    stage = _stage(reader)
    reader.expect(r">=", "'>=' and a time, as age:staging >= 1d")
    try:
        least = duration(reader.text[reader.at :])
    except InvalidValue:
        raise reader.fault("a time") from None
    return Aged(reader.text, stage, least)


def _command(reader: _Reader) -> Gate:
    command = reader.text[reader.at :].strip()
    if not command or "\0" in command:
        raise reader.fault("a shell command")
    return Ran(reader.text, command)


_WITH_COLON: dict[str, Callable[[_Reader], Gate]] = {
    "reachable": _reachable,
    "approved": _approved,
    "stage": lambda reader: reader.end(Stood(reader.text, _stage(reader))),
    "age": _aged,
    "command": _command,
}
