"""The filter of runs: one grammar, a superset of MLflow's filter strings.

metrics.accuracy > 0.9 and params.max_depth = 10 and tags.team like 'a%' and git.dirty = false
started > '2 days ago' and (status in ('failed', 'killed') or not name = 'x') and params."my key" is not null
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from msgspec import Struct

from ..errors import InvalidFilter
from .names import quoted


class Compare(Struct, frozen=True):
    """One comparison: `field` as ('metrics', 'accuracy') or ('status',); ops = != > >= < <= like ilike in isnull."""

    field: tuple[str, ...]
    op: str
    value: Any


class Both(Struct, frozen=True):
    """left and right."""

    left: Filter
    right: Filter


class Either(Struct, frozen=True):
    """left or right."""

    left: Filter
    right: Filter


class Negated(Struct, frozen=True):
    """not inner."""

    inner: Filter


Filter = Compare | Both | Either | Negated

GROUPS = {
    "metrics": "metrics", "metric": "metrics", "params": "params", "param": "params", "parameter": "params",
    "parameters": "params", "tags": "tags", "tag": "tags", "git": "git",
}  # fmt: skip
ATTRIBUTES = {
    "id": "id", "run_id": "id", "name": "name", "run_name": "name", "status": "status", "experiment": "experiment",
    "started": "started", "start_time": "started", "ended": "ended", "end_time": "ended", "seconds": "seconds",
    "duration": "seconds", "user": "user", "user_id": "user", "note": "note", "model": "model", "command": "command",
    "exit_code": "exit_code", "parent": "parent", "reproduces": "reproduces",
}  # fmt: skip
# Each is a call within a call for whoever reads the filter or matches by it.
MAX_DEPTH = 50
MAX_COMPARISONS = 200
GIT_FIELDS = ("commit", "tree", "branch", "upstream", "remote", "dirty", "ahead", "behind")


@cache
def _token() -> re.Pattern[str]:
    return re.compile(
        r"""\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`)
    |(?P<op>==|!=|<>|>=|<=|[=<>(),.])
    |(?P<word>[^\W\d][\w/-]*(?:-[\w/]+)*))""",
        re.X,
    )


@cache
def _ago() -> re.Pattern[str]:
    return re.compile(r"(?:(\d+)|an?)\s*(second|minute|hour|day|week|month|year)s?\s+ago", re.I)


_UNIT_SECONDS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600,
}  # fmt: skip


def parse(text: str, now: datetime) -> Filter:
    """The filter that `text` says; times as '2 days ago' count from `now`. InvalidFilter says where it breaks."""
    return _Parser(text, now).whole()


class _Parser:
    def __init__(self, text: str, now: datetime) -> None:
        self.text, self.now = text, now
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            match = _token().match(text, at)
            if not match or match.end() == at:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.fault("a field, an operator or a value", (text[at : at + 12], at))
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        self.next = self.depth = self.comparisons = 0

    def fault(self, expected: str, found: tuple[str, int] | None = None) -> InvalidFilter:
        if found is None:
            found = self.tokens[self.next][1:] if self.next < len(self.tokens) else ("the end", len(self.text))
        what = found[0] if found[0] == "the end" else quoted(found[0])
        return InvalidFilter(
            f"filter, column {found[1] + 1}: expected {expected}, found {what}",
            "as: metrics.accuracy > 0.9 and params.max_depth = 10 and status = 'finished'",
        )

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.next][:2] if self.next < len(self.tokens) else ("end", "")

    def word(self, *words: str) -> bool:
        kind, text = self.peek()
        if kind == "word" and text.lower() in words:
            self.next += 1
            return True
        return False

    def sign(self, sign: str) -> bool:
        if self.peek() == ("op", sign):
            self.next += 1
            return True
        return False

    def whole(self) -> Filter:
        if not self.tokens:
            raise self.fault("a comparison")
        found = self.either()
        if self.next < len(self.tokens):
            raise self.fault("'and', 'or' or the end")
        return found

    def either(self) -> Filter:
        found = self.both()
        while self.word("or"):
            found = Either(found, self.both())
        return found

    def both(self) -> Filter:
        found = self.negated()
        while self.word("and"):
            found = Both(found, self.negated())
        return found

    def negated(self) -> Filter:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(f"no more than {MAX_DEPTH} levels of 'not' and parentheses")
        if self.word("not"):
            found: Filter = Negated(self.negated())
        elif self.sign("("):
            found = self.either()
            if not self.sign(")"):
                raise self.fault("')'")
        else:
            found = self.comparison()
        self.depth -= 1
        return found

    def comparison(self) -> Filter:
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise self.fault(f"no more than {MAX_COMPARISONS} comparisons: put the values of one field into in (…)")
        field = self.field()
        if self.word("is"):
            absent = not self.word("not")
            if not self.word("null"):
                raise self.fault("'null' or 'not null'")
            found: Filter = Compare(field, "isnull", None)
            return found if absent else Negated(found)
        if self.word("not"):
            if self.peek() not in {("word", "in"), ("word", "like"), ("word", "IN"), ("word", "LIKE")}:
                raise self.fault("'in' or 'like' after 'not'")
            return Negated(self.membership(field))
        return self.membership(field)

    def membership(self, field: tuple[str, ...]) -> Filter:
        if self.word("in"):
            if not self.sign("("):
                raise self.fault("'(' and a list of values")
            values = [self.value(field)]
            while self.sign(","):
                values.append(self.value(field))
            if not self.sign(")"):
                raise self.fault("',' or ')'")
            return Compare(field, "in", tuple(values))
        for word in ("like", "ilike"):
            if self.word(word):
                kind, _ = self.peek()
                if kind != "string":
                    raise self.fault("a pattern in quotes, as 'a%'")
                return Compare(field, word, self.value(field))
        kind, op = self.peek()
        if kind != "op" or op in {"(", ")", ",", "."}:
            raise self.fault("an operator (= != > >= < <= like in is)")
        self.next += 1
        return Compare(field, {"==": "=", "<>": "!="}.get(op, op), self.value(field))

    def field(self) -> tuple[str, ...]:
        kind, name = self.peek()
        if kind != "word":
            raise self.fault("a field, as metrics.accuracy or status")
        start = self.next
        self.next += 1
        if name.lower() in {"attributes", "attribute", "attr", "run"} and self.sign("."):
            kind, name = self.peek()
            start, self.next = self.next, self.next + 1
        group = GROUPS.get(name.lower())
        if group and self.sign("."):
            return self.keyed(group)
        if kind == "word" and name.lower() in ATTRIBUTES and not group:
            return (ATTRIBUTES[name.lower()],)
        self.next = start
        known = ", ".join(sorted({*ATTRIBUTES.values()}))
        raise self.fault(f"metrics.…, params.…, tags.…, git.… or one of {known}")

    def keyed(self, group: str) -> tuple[str, ...]:
        parts = []
        while True:
            kind, text = self.peek()
            if kind not in {"word", "string", "number"}:
                raise self.fault("a name, in quotes where it holds spaces or signs")
            parts.append(unquoted(text) if kind == "string" else text)
            self.next += 1
            if not self.sign("."):
                break
        key = ".".join(parts)
        if group == "git" and key not in GIT_FIELDS:
            self.next -= 1
            raise self.fault(f"one of {', '.join(GIT_FIELDS)}")
        return (group, key)

    def value(self, field: tuple[str, ...]) -> Any:
        kind, text = self.peek()
        value: Any
        if kind == "number":
            value = float(text) if set(text) & set(".eE") else int(text)
        elif kind == "string":
            value = unquoted(text)
        elif kind == "word" and text.lower() in _LITERALS:
            value = _LITERALS[text.lower()]
        else:
            raise self.fault("a number, true, false or a text in quotes")
        if field[0] in {"started", "ended"}:
            value = self.moment(value)
        self.next += 1
        return value

    def moment(self, value: Any) -> datetime:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return datetime.fromtimestamp(value / 1000, timezone.utc)  # MLflow counts milliseconds
            except (ValueError, OverflowError, OSError):
                raise self.fault("a time in milliseconds since 1970") from None
        moment = point_in_time(value, self.now) if isinstance(value, str) else None
        if moment is None:
            raise self.fault("a time, as '2026-11-21', '2026-11-21 06:40' or '2 days ago'")
        return moment


_LITERALS = {"true": True, "false": False, "nan": float("nan"), "inf": float("inf"), "infinity": float("inf")}


def point_in_time(text: str, now: datetime) -> datetime | None:
    """The time `text` says: ISO 8601 (UTC where it names no zone), 'now', 'today', 'yesterday', '3 hours ago'."""
    words = text.strip().lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if words in named:
        return named[words]
    if match := _ago().fullmatch(words):
        try:
            return now - timedelta(seconds=int(match[1] or 1) * _UNIT_SECONDS[match[2].lower()])
        except OverflowError:
            return None
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def unquoted(text: str) -> str:
    """A text in quotes without them; a mark is doubled or behind a backslash."""
    mark = text[0]
    inner = text[1:-1]
    if mark == "`":
        return inner
    return re.sub(r"\\(.)", r"\1", inner.replace(mark * 2, mark), flags=re.S)
