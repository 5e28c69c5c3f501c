"""What REFUSE, STORE and REPORT mean: the store by its bytes, an answer by its lines, a damaged file by all commands."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest


class Done(NamedTuple):
    """What a command answered."""

    returncode: int
    stdout: str
    stderr: str


def row(*ids: str) -> pytest.MarkDecorator:
    """One test for these rows of the list of bad inputs; each is its id, and given to the test as `row`."""
    return pytest.mark.parametrize("row", ids)


VICTIM = "3bd50c91" + "0" * 24


def document(store: Path, run_id: str = VICTIM) -> Path:
    """Where a run's document lies."""
    return store / "runs" / run_id[:2] / f"{run_id}.json"


def state(directory: Path) -> dict[str, str]:
    """Every file, directory and link below it but the derived ones in .cache, by its digest or what it is."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if ".cache" in Path(name).parts:
            continue
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "directory"
    return found


def controls(text: str) -> list[str]:
    """The characters in it that a terminal would obey, or that turn the order of a line."""
    return sorted({char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - set("\n\t"))


def refused(done: Done, code: int, message: str, hint: str | None) -> None:
    """It answered with one line, a hint, that exit code and nothing else."""
    expected = f"mlcli: error: {message}\n" + (f"hint: {hint}\n" if hint else "")
    assert (done.stderr, done.stdout, done.returncode) == (expected, "", code)


READ = (
    ("ls",), ("ls", "--json"), ("ls", "--format", "table"), ("show", "second"), ("compare", "first", "second"),
    ("models",), ("history", "wine"), ("lineage", "wine"), ("lineage", "second"), ("show", "wine@1"),
)  # fmt: skip
