"""Which functions differ between two texts of a Python module; comments, layout and docstrings are no difference."""

from __future__ import annotations

import ast
import warnings

IMPORTS = "imports"
TOP = "top level"


def touched(before: bytes, after: bytes) -> list[str] | None:
    """What differs: functions as `Model.fit()`, classes, then names of the module, then the rest of it.

    None where one of the texts is no Python that this interpreter reads; nothing where both do the same.
    """
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        return None
    differ = [name for name in dict.fromkeys((*new, *old)) if old.get(name) != new.get(name)]
    return sorted(differ, key=_rank)


def _rank(name: str) -> int:
    return 3 if name == TOP else 2 if name == IMPORTS else 0 if name.endswith("()") else 1


def _parts(text: bytes) -> dict[str, str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is old in the text, which is not ours to tell
            body = ast.parse(text).body
        parts: dict[str, str] = {}
        for statement in _without_definitions(body, "", parts):
            for name in _names_of(statement):
                parts[name] = parts.get(name, "") + ast.dump(statement)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return parts


def _without_definitions(body: list[ast.stmt], prefix: str, parts: dict[str, str]) -> list[ast.stmt]:
    """What is left of a body when each definition was noted on its own."""
    rest = []
    for statement in body[1:] if body and _is_docstring(body[0]) else body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = prefix + statement.name
            statement.body = _without_definitions(statement.body, f"{name}.", parts)
            label = name if isinstance(statement, ast.ClassDef) else f"{name}()"
            parts[label] = parts.get(label, "") + ast.dump(statement)
        else:
            rest.append(statement)
    return rest


def _is_docstring(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _names_of(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [IMPORTS]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)] or [TOP]
