"""A judge that reads what was exported, by the tools that read it in earnest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

JUDGES = Path(sys.prefix) / "standards" / "bin" / "python"
Judge = Callable[[str, str], list[Any]]


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """Judge a text as a form: judge("slsa", text) gives the faults."""
    if not JUDGES.exists():
        pytest.skip("the judges of standards are not installed: make test")
    asked = [str(JUDGES), str(Path(__file__).parent / "judge.py")]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:

        def faults(form: str, text: str) -> list[Any]:
            print(json.dumps({"form": form, "text": text}), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield faults
        process.stdin.close()
