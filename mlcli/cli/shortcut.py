"""`mlcli run` in its plain use, without Typer: loading that takes as long as all else that a run costs.

Whatever is not plain (help, a fault, a spelling that these tables do not have) is left to Typer. A contract test holds
the tables against what Typer knows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from . import running
from .failures import code_of

TEXTS = {"--name": "name", "--experiment": "experiment", "-e": "experiment", "--note": "note", "--idfile": "idfile"}
LISTS = {
    "--param": "param", "-p": "param", "--tag": "tag", "--input": "inputs", "--output": "outputs",
    "--env": "variables", "--no-capture": "no_capture",
}  # fmt: skip
FLAGS = {
    "--cached": "cached", "--why": "why", "--keep-inputs": "keep_inputs", "--require-clean": "require_clean",
    "--system": "system", "--native": "native",
}  # fmt: skip
# They change what every command does, and are read by Typer.
_VARIABLES = ("MLCLI_DEBUG", "_MLCLI_COMPLETE")


def taken(argv: Sequence[str]) -> int | None:
    """Do what the command line asks if it is `run` in its plain use; the exit code, None where Typer is to be asked."""
    if argv[:1] != ["run"] or any(os.environ.get(name) for name in _VARIABLES):
        return None
    asked = read(argv[1:])
    if asked is None:
        return None
    try:
        return running.run(asked)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return code_of(error)


def read(argv: Sequence[str]) -> running.Asked | None:
    """What is asked, None where that is not plain."""
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
