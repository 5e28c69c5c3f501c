"""What the command line says: argv as it may be kept, and the params that can be read from it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from ..domain.names import MAX_KEY, escaped, is_python
from ..domain.run import Param, ParamSource
from ..domain.secrets import MASK, is_secret, masked_argv, masked_text
from ..domain.source import Command, parsed_scalar

MAX_ARGUMENTS = 1000
_ASSIGNMENT = re.compile(r"\+{0,2}([A-Za-z_][\w./-]*)=(.*)", re.S)
_NUMBER = re.compile(r"-(\d|\.\d)")
_TAKES_VALUE = {"-W", "-X", "--check-hash-based-pycs"}


def noted(argv: Sequence[str], cwd: str) -> Command:
    """The command as it may be kept: secrets masked, at most a thousand arguments and the digest of all, valid text."""
    masked = masked_argv(list(argv))
    changed = sum(1 for kept, given in zip(masked, argv, strict=True) if kept != given)
    if len(masked) > MAX_ARGUMENTS:
        from hashlib import sha256

        digest = sha256("\0".join(masked).encode("utf-8", "surrogateescape")).hexdigest()
        masked = [*masked[:MAX_ARGUMENTS], f"… and {len(masked) - MAX_ARGUMENTS} more; sha256 of all: {digest}"]
    return Command(argv=[_text(arg) for arg in masked], cwd=_text(cwd), masked=changed)


def _text(raw: str) -> str:
    return raw.encode("utf-8", "backslashreplace").decode()


def params(argv: Sequence[str]) -> dict[str, Param]:
    """Params as the command line spells them: `--lr 0.1`, `--lr=0.1`, `lr=0.1`, `--flag`, `--no-flag`.

    A guess, as the program alone knows what its options mean: what it logs itself wins.
    """
    values: dict[str, Any] = {}
    arguments = list(_own_arguments(argv))
    at = 0
    while at < len(arguments):
        name, value, used = _one(arguments, at)
        at += used
        key = name.strip("-+").replace("-", "_")
        if not key or len(key) > MAX_KEY or escaped(key) != key or "=" in key:
            continue
        value = MASK if is_secret(key) else masked_text(value) if isinstance(value, str) else value
        if isinstance(value, str):
            value = parsed_scalar(_text(value[:5000]))
        values[key] = [*_listed(values[key]), value] if key in values else value
    return {key: Param(value, ParamSource.COMMAND_LINE) for key, value in values.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _own_arguments(argv: Sequence[str]) -> Sequence[str]:
    """The arguments of the training program itself, not of the interpreter or launcher before it."""
    for at, arg in enumerate(argv[1:], 1):
        if arg.endswith((".py", ".ipynb", ".R", ".jl", ".sh")) and not arg.startswith("-"):
            return argv[at + 1 :]
    program = os.path.basename(argv[0]) if argv else ""
    at = 1
    if is_python(program):
        while at < len(argv) and argv[at].startswith("-"):
            if argv[at] in {"-m", "-c"}:
                return argv[at + 2 :]
            at += 2 if argv[at] in _TAKES_VALUE else 1
        return argv[at:]
    if program in {"sh", "bash", "zsh", "dash", "fish", "env"}:
        return ()
    return argv[1:]


def _one(arguments: Sequence[str], at: int) -> tuple[str, Any, int]:
    """The param that begins at `at`: its name ('' where there is none), its value, how many arguments it took."""
    arg = arguments[at]
    if assigned := _ASSIGNMENT.fullmatch(arg):
        return assigned[1], assigned[2], 1
    if not arg.startswith("-") or _NUMBER.match(arg) or arg in {"-", "--"}:
        return "", None, 1
    name, equals, value = arg.partition("=")
    if equals:
        return name, value, 1
    following = arguments[at + 1] if at + 1 < len(arguments) else None
    number = following is not None and (following[:1].isdigit() or bool(_NUMBER.match(following)))
    if not arg.startswith("--"):
        return (name, following, 2) if number else ("", None, 1)
    is_value = (
        following is not None and (number or not following.startswith("-")) and not _ASSIGNMENT.fullmatch(following)
    )
    if is_value:
        return name, following, 2
    if name.startswith("--no-") and len(name) > 5:
        return name[5:], False, 1
    return name, True, 1
