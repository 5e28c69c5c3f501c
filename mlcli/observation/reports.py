"""Tables of metrics in what was printed: a head of names, and rows of numbers below it."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

_COUNTS = {"epoch", "epochs", "iter", "iteration", "step", "round", "#"}
_COLUMNS = re.compile(r"\s{2,}|\t|\s*[|│]\s*")
_RULE = re.compile(r"[\s|│+=:_─━-]*")
_NUMBER = re.compile(r"[-+]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][-+]?\d{1,3})?")
_REPORT = ["precision", "recall", "f1-score", "support"]


class Row(Struct, frozen=True):
    """The numbers of a row: name, value and decimals of each, and the step it is of."""

    step: int | None
    values: list[tuple[str, float, int]]


class Table(Struct, frozen=True):
    """A table whose head was read: the metric that each column holds, '' where it holds none.

    A `report` is scikit-learn's classification_report, whose rows have names.
    """

    names: list[str]
    report: bool = False

    @classmethod
    def begun(cls, line: str, is_metric: Callable[[str], bool]) -> Table | None:
        """The table whose head this line is; None where it is no head."""
        if line.split() == _REPORT:
            return cls([], report=True)
        first = line[:40].strip(" \t|│#").partition(" ")[0].partition("\t")[0].lower()
        if first not in _COUNTS:
            return None
        cells = _cells(line)
        if len(cells) < 2 or any(any(char.isdigit() for char in cell[:1]) or ":" in cell for cell in cells):
            return None
        names = [re.sub(r"\s+", "_", cell.lower()) if is_metric(cell) else "" for cell in cells]
        return cls(names) if any(names) else None

    def row(self, line: str) -> Row | None:
        """The metrics in a row of this table; None where the line is none."""
        return _reported(line) if self.report else self._counted(line)

    def goes_on(self, line: str) -> bool:
        """Whether the table can go on below a line that is no row of it: a rule, or nothing."""
        return _RULE.fullmatch(line) is not None or (self.report and bool(re.search(r"\s\d+$", line.rstrip())))

    def _counted(self, line: str) -> Row | None:
        cells = line.replace("|", " ").replace("│", " ").split()
        if len(cells) != len(self.names) or not cells[0].isdecimal() or len(cells[0]) > 15:
            return None
        held = [
            (name, float(cell), _decimals(cell))
            for name, cell in zip(self.names, cells, strict=True)
            if name and _NUMBER.fullmatch(cell)
        ]
        return Row(int(cells[0]), held)


def _cells(line: str) -> list[str]:
    cells = [cell for cell in _COLUMNS.split(line.strip(" \t|│")) if cell]
    return cells if len(cells) > 1 else line.split()


def _reported(line: str) -> Row | None:
    """A row of classification_report: that of the accuracy, or of an average; those of the classes are none."""
    words = line.split()
    if words[:1] == ["accuracy"] and len(words) == 3 and _NUMBER.fullmatch(words[1]):
        return Row(None, [("accuracy", float(words[1]), _decimals(words[1]))])
    if words[1:2] == ["avg"] and len(words) == 6 and all(_NUMBER.fullmatch(word) for word in words[2:5]):
        names = (f"{words[0]}_avg_{what}" for what in ("precision", "recall", "f1"))
        return Row(None, [(name, float(word), _decimals(word)) for name, word in zip(names, words[2:5], strict=True)])
    return None


def _decimals(text: str) -> int:
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa.partition(".")[2]) - (int(exponent) if exponent else 0)
