"""`mlcli run` and `check` in their plain use, without Typer: loading that takes as long as all else that a run costs.

Whatever is not plain (help, a fault, a spelling that these tables do not have) is left to Typer. A contract test holds
the tables against what Typer knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .failures import code_of

if TYPE_CHECKING:
    from . import checkup, running

TEXTS = {"--name": "name", "--experiment": "experiment", "-e": "experiment", "--note": "note", "--idfile": "idfile"}
LISTS = {
    "--param": "param", "-p": "param", "--tag": "tag", "--input": "inputs", "--output": "outputs",
    "--env": "variables", "--no-capture": "no_capture",
}  # fmt: skip
FLAGS = {
    "--cached": "cached", "--why": "why", "--keep-inputs": "keep_inputs", "--require-clean": "require_clean",
    "--system": "system", "--native": "native",
}  # fmt: skip
CHECK_TEXTS = {"--stage": "stage", "--format": "format_"}
CHECK_FLAGS = {
    "--staged": "staged", "--signed": "signed", "--strict": "strict", "--quiet": "quiet", "-q": "quiet",
    "--json": "as_json",
}  # fmt: skip
# They change what every command does, and are read by Typer.
_VARIABLES = ("MLCLI_DEBUG", "_MLCLI_COMPLETE")


def taken(argv: Sequence[str]) -> int | None:
    """Do what the command line asks if that is plain; the exit code, None where Typer is to be asked."""
    if argv[:1] not in (["run"], ["check"]) or any(os.environ.get(name) for name in _VARIABLES):
        return None
    do = _run(argv[1:]) if argv[0] == "run" else _check(argv[1:])
    if do is None:
        return None
    try:
        return do()
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return code_of(error)


def _run(argv: Sequence[str]) -> Callable[[], int] | None:
    from . import running

    asked = read(argv)
    return None if asked is None else lambda: running.run(asked)


def _check(argv: Sequence[str]) -> Callable[[], int] | None:
    from . import checkup

    asked = read_check(argv)
    return None if asked is None else lambda: checkup.check(asked)


def read_check(argv: Sequence[str]) -> checkup.Asked | None:
    """What `check` is asked, None where that is not plain."""
    from . import checkup
    from .findings import CheckFormat

    said: dict[str, Any] = {"refs": [word for word in argv if not word.startswith("-")]}
    if any(word.partition("=")[0] in CHECK_TEXTS and "=" not in word for word in argv):
        return None  # its value may be the next word
    for word in argv:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            continue
        if option in CHECK_FLAGS and not equals:
            said[CHECK_FLAGS[option]] = True
        elif option == "--stage":
            said["stage"] = value
        elif option == "--format" and value in CheckFormat.__members__:
            said["format_"] = CheckFormat(value)
        else:
            return None
    return checkup.Asked(**said)


def read(argv: Sequence[str]) -> running.Asked | None:
    """What `run` is asked, None where that is not plain."""
    from . import running

    said: dict[str, Any] = {}
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        option, equals, value = argv[at].partition("=")
        at += 1
        if option == "--" and not equals:
            break
        if option in FLAGS and not equals:
            said[FLAGS[option]] = True
            continue
        if (option not in TEXTS and option not in LISTS) or (equals and not option.startswith("--")):
            return None
        if not equals:
            if at == len(argv) or argv[at].startswith("-"):
                return None
            value, at = argv[at], at + 1
        if option in TEXTS:
            said[TEXTS[option]] = value
        else:
            said.setdefault(LISTS[option], []).append(value)
    command = list(argv[at:])
    return running.Asked(command=command, **said) if command else None
