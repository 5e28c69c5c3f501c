"""Programs that run with the bootstrap, as `mlcli run` gives it to them, and what they told."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlcli.capture import hook
from mlcli.domain.observed import Kind
from mlcli.observation import events
from mlcli.observation.events import Event, Opened, Stream


class Done(NamedTuple):
    """How a program ended, and what its processes told."""

    code: int
    out: str
    err: str
    streams: list[Stream]

    def told(self, kind: type[events.T]) -> list[events.T]:
        return [event for stream in self.streams for event in stream.of(kind)]

    def files(self, mode: str) -> list[str]:
        """The names of the files that were told of as opened so."""
        return [os.path.basename(event.p) for event in self.told(Opened) if event.m == mode]

    def all(self) -> list[Event]:
        return [event for stream in self.streams for event in stream.events]


@pytest.fixture(scope="session")
def hook_directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hook.installed(str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def watched(machine: Path, hook_directory: str) -> Callable[..., Done]:
    """Run Python with the bootstrap: a program's text, or `arguments`; with `bare` the same without it."""
    count = 0

    def run(
        program: str = "",
        *arguments: str,
        argv: tuple[str, ...] | None = None,
        bare: bool = False,
        kinds: tuple[Kind, ...] = tuple(Kind),
        **given: Any,
    ) -> Done:
        nonlocal count
        count += 1
        directory = machine / f"events-{count}"
        directory.mkdir()
        environ = {**os.environ, **given.pop("environ", {})}
        if not bare:
            environ |= hook.variables(environ, given.pop("hook", hook_directory), str(directory), kinds)
            environ |= {"MLCLI_ROOT": given.pop("root", os.getcwd()), "MLCLI_STORE": f"{os.getcwd()}/.mlruns"}
        if program:
            Path("program.py").write_text(textwrap.dedent(program))
            argv = ("program.py", *arguments)
        done = subprocess.run(
            [sys.executable, *(argv or ())], capture_output=True, text=True, env=environ, timeout=120, **given
        )
        return Done(done.returncode, done.stdout, done.stderr, events.read(str(directory)))

    return run
