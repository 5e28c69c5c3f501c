"""A long answer, a screen at a time: where somebody looks, and only where it does not fit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from . import output

_PAINT = re.compile(r"\x1b\[[0-9;]*m")
_DEFAULT = "less -FIRX"
_NOT_FOUND = 127  # as a shell says it


def show_paged(lines: Sequence[str], *, paged: bool = True) -> None:
    """Lines of the answer, escaped already: through the pager where they are more than the terminal shows at once.

    MLCLI_PAGER > PAGER > less; with one that is empty or `cat`, on a pipe, or not `paged`, they are just written.
    """
    pager = _pager() if paged and _is_watched() and _is_taller(lines) else None
    if not pager or not _page(pager, lines):
        output.out("\n".join(lines))


def _pager() -> str | None:
    for name in ("MLCLI_PAGER", "PAGER"):
        if name in os.environ:
            told = os.environ[name].strip()
            return told if told != "cat" else None
    return _DEFAULT if shutil.which("less") else None


def _is_watched() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _is_taller(lines: Sequence[str]) -> bool:
    columns, height = shutil.get_terminal_size()
    rows = 0
    for line in lines:
        rows += 1 + max(0, len(_PAINT.sub("", line).expandtabs()) - 1) // max(1, columns)
        if rows >= height:  # the prompt wants a row, too
            return True
    return False


def _page(pager: str, lines: Sequence[str]) -> bool:
    """Whether the pager took the lines; to quit it early is to have read enough."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", pager], stdin=subprocess.PIPE, env={"LESS": "FRX", "LV": "-c", **os.environ}
        )
    except OSError:
        return False
    # Ctrl-C is for the pager: in less it ends a search.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if child.stdin is not None:
            with suppress(BrokenPipeError), child.stdin as stream:
                for line in lines:
                    stream.write(f"{line}\n".encode(encoding, "backslashreplace"))
        return child.wait() != _NOT_FOUND
    finally:
        signal.signal(signal.SIGINT, before)
