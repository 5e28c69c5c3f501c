"""What the user called the value of a metric's call: read from the source line that made it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import ast

MAX_SOURCE = 2_000_000
MAX_ARGUMENT = 60
_SAME_VALUE = {"round", "float", "mean", "item", "tolist", "list", "asarray", "array", "str", "format"}
_SHOWN_BY = {"print", "info", "debug", "warning", "write", "echo", "log", "success"}
_LABEL = re.compile(r"[A-Za-z][\w@/.' ()-]{0,40}")


class Named(Struct, frozen=True):
    """What the source says of one call: the variable or the key that its value went to, and its arguments.

    `key` is that of a dict or a subscript, the keyword or the label (as in `print("acc", ...)`) it was handed on with.
    """

    target: str | None = None
    key: str | None = None
    arguments: list[str] = []

    @property
    def name(self) -> str | None:
        """The user's own word for the value, None where there is none."""
        return self.key or self.target


class Calls:
    """The calls in files of source, each file read once. A file that is gone or no Python names nothing."""

    def __init__(self) -> None:
        self._files: dict[str, _Source] = {}

    def named(self, file: str, line: int, function: str, nth: int = 0) -> Named:
        """The call of `function` at this line; the one that is evaluated as the `nth`, in turns, where there are more.

        A line on which another name stands names nothing.
        """
        source = self._files.get(file)
        if source is None:
            source = self._files[file] = _Source(file)
        calls = source.at(line, function)
        return source.named(calls[nth % len(calls)]) if calls else Named()

    def many(self, file: str, line: int, function: str) -> int:
        """How many calls of `function` this line has."""
        return len(self._files[file].at(line, function)) if file in self._files else 0


class _Source:
    """One file's calls by the name of their function, and what each expression stands in."""

    def __init__(self, file: str) -> None:
        self.calls: dict[str, list[ast.Call]] = {}
        self.parents: dict[int, ast.AST] = {}
        self._named: dict[int, Named] = {}
        self._at: dict[tuple[int, str], list[ast.Call]] = {}
        self.tree = _parsed(file)  # kept, as the parents go by the id() of its nodes
        if self.tree is not None:
            self._read(self.tree)

    def _read(self, tree: ast.AST) -> None:
        import ast

        aliases: dict[str, str] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[id(child)] = node
            if isinstance(node, ast.ImportFrom):
                aliases.update((each.asname, each.name) for each in node.names if each.asname)
            elif isinstance(node, ast.Call):
                called = function_name(node)
                self.calls.setdefault(aliases.get(called, called), []).append(node)

    def at(self, line: int, function: str) -> list[ast.Call]:
        """The calls that this line lies in, in the order they are evaluated; those of the fewest lines only."""
        known = self._at.get((line, function))
        if known is None:
            known = self._at[line, function] = self._found(line, function)
        return known

    def _found(self, line: int, function: str) -> list[ast.Call]:
        over = [call for call in self.calls.get(function, ()) if call.lineno <= line <= (call.end_lineno or 0)]
        least = min(((call.end_lineno or 0) - call.lineno for call in over), default=0)
        near = [call for call in over if (call.end_lineno or 0) - call.lineno == least]
        return sorted(near, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))

    def named(self, call: ast.Call) -> Named:
        known = self._named.get(id(call))
        if known is None:
            known = self._named[id(call)] = Named(*self._went_to(call), _arguments(call))
        return known

    def _went_to(self, node: ast.expr) -> tuple[str | None, str | None]:
        """The variable, or the key, that takes this value as it is: `2 * accuracy_score(...)` is another value."""
        import ast

        while True:
            parent = self.parents.get(id(node))
            if isinstance(parent, ast.Call) and _gives_on(parent, node):
                node = parent
            elif isinstance(parent, ast.Attribute) and parent.attr in _SAME_VALUE:
                call = self.parents.get(id(parent))
                if not isinstance(call, ast.Call):
                    return None, None
                node = call
            elif isinstance(parent, ast.IfExp) and node is not parent.test:
                node = parent
            else:
                return _name_in(parent, node, self.parents)


def _parsed(file: str) -> ast.AST | None:
    import ast
    import warnings

    with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open(file, "rb") as opened:
            source = opened.read(MAX_SOURCE + 1)
        return ast.parse(source) if len(source) <= MAX_SOURCE else None
    return None


def _arguments(call: ast.Call) -> list[str]:
    """The first two arguments as they are written."""
    import ast

    data = {"y_true", "y_pred", "y_score", "X", "y"}
    shown = [*call.args, *(word.value for word in call.keywords if word.arg in data)]
    return [" ".join(ast.unparse(argument).split())[:MAX_ARGUMENT] for argument in shown[:2]]


def function_name(call: ast.Call) -> str:
    """The last word of what is called: `score` for `model.score(X, y)`."""
    return str(getattr(call.func, "attr", "") or getattr(call.func, "id", ""))


def _gives_on(call: ast.Call, node: ast.expr) -> bool:
    """Whether `call` gives its first argument on as it is: `round(x, 3)`, `float(x)`, `np.mean(x)`."""
    return call.args[:1] == [node] and function_name(call) in _SAME_VALUE


def _name_in(parent: ast.AST | None, node: ast.expr, parents: dict[int, ast.AST]) -> tuple[str | None, str | None]:
    import ast

    if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        places = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        return _place(places[0]) if parent.value is node else (None, None)
    if isinstance(parent, ast.Dict):
        at = next((at for at, value in enumerate(parent.values) if value is node), 0)
        return None, _constant(parent.keys[at])
    if isinstance(parent, ast.keyword):
        return None, parent.arg if parent.arg not in {"end", "value", "score", None} else None
    if isinstance(parent, ast.Tuple):
        return _unpacked(parent, node, parents.get(id(parent)))
    if isinstance(parent, ast.Call):
        return None, _handed_on(parent, node)
    if isinstance(parent, ast.FormattedValue):
        return None, _before(parents.get(id(parent)), parent)
    return None, None


def _place(place: ast.expr) -> tuple[str | None, str | None]:
    import ast

    if isinstance(place, ast.Name):
        return (None if place.id.strip("_") == "" else place.id), None
    if isinstance(place, ast.Attribute):
        return place.attr, None
    if isinstance(place, ast.Subscript):
        return None, _constant(place.slice)
    return None, None


def _unpacked(values: ast.Tuple, node: ast.expr, parent: ast.AST | None) -> tuple[str | None, str | None]:
    """The variable that this one of several values goes to: `a, b = f(), g()`."""
    import ast

    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple | ast.List):
        places = parent.targets[0].elts
        if len(places) == len(values.elts):
            return _place(places[values.elts.index(node)])
    return None, None


def _constant(node: ast.expr | None) -> str | None:
    value = getattr(node, "value", None)
    return value[:MAX_ARGUMENT] if isinstance(value, str) and value.strip() and value.isprintable() else None


def _handed_on(call: ast.Call, node: ast.expr) -> str | None:
    """The text before this argument: a name as in `log_metric("auc", x)`, or a label as in `print("AUC:", x)`."""
    if node not in call.args or (at := call.args.index(node)) == 0:
        return None
    text = _constant(call.args[at - 1])
    return label(text) if text and (function_name(call) in _SHOWN_BY or ":" in text) else text


def _before(text: ast.AST | None, node: ast.FormattedValue) -> str | None:
    import ast

    if not isinstance(text, ast.JoinedStr) or (at := text.values.index(node)) == 0:
        return None
    said = _constant(text.values[at - 1])
    return label(said) if said else None


def label(text: str) -> str | None:
    """What a text before a number calls it: 'Test accuracy: ' is test_accuracy, '; AUC = ' is auc."""
    words = re.split(r"[,;|\n\t]|\s-\s", text.strip().rstrip(":= >(").strip())[-1].strip()
    if not _LABEL.fullmatch(words) or len(words.split()) > 4:
        return None
    return re.sub(r"[\s()]+", "_", words.lower().replace("'s ", "-")).strip("_")
