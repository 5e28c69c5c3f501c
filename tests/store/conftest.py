"""What the store's tests share: files in a directory of their own, made-up runs, and processes that die or hold on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.domain.run import Run, RunStatus
from mlcli.domain.source import Command, Environment, GitState, Person
from mlcli.store.files import Files

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
RUN = Run(
    id="3f2a9c1d" + "0" * 24,
    name="able-adder",
    experiment="default",
    status=RunStatus.FINISHED,
    started_at=AT,
    ended_at=AT,
    command=Command(argv=["python", "train.py"]),
    git=GitState(commit="c" * 40, branch="main"),
    environment=Environment(),
    user=Person(name="Ada Lovelace", email="ada@example.com"),
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files in a new store's directory; nothing is synced, as no test pulls the plug."""
    made = Files(str(tmp_path / "store"), sync=False, lock_seconds=0.2)
    made.make_directory("")
    return made


@pytest.fixture
def a_run() -> Callable[..., Run]:
    """A run as the store keeps it, with what is given in place of the ordinary."""
    return lambda **given: replace(RUN, **given)


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a piece of Python in a process of its own, its arguments in sys.argv."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env={**os.environ}
        )

    return run


@pytest.fixture
def at_once() -> Callable[..., list[str]]:
    """Run the same piece of Python in so many processes at once; the last argument is each one's number."""

    def run(count: int, code: str, *arguments: str) -> list[str]:
        # Each waits for a line, so that all have imported what they need before any begins.
        waiting = f"import sys; sys.stdin.readline()\n{code}"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", waiting, *arguments, str(number)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number in range(count)
        ]  # fmt: skip
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate() for process in processes]
        assert [err for _, err in told if err] == []
        return [out.strip() for out, _ in told]

    return run
