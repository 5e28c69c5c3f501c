"""Loggers under measurement: mlcli and its peers, each in an environment of its own, asked by `peers/adapter.py`."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import CACHE, Spent, environment, git, installed, spend

ADAPTER = Path(__file__).resolve().parent / "peers" / "adapter.py"


@dataclass(frozen=True)
class Together:
    """Processes that made small runs at once."""

    made: int
    there: int
    rate: float
    cpu: float


@dataclass(frozen=True)
class Logger:
    """One logger: the adapter's name for it, the interpreter that has it, and its environment variables."""

    name: str
    python: Path
    env: dict[str, str]
    version: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def argv(self, verb: str, *arguments: object) -> list[str]:
        return [str(self.python), str(ADAPTER), self.name, verb, *map(str, arguments)]

    def spend(self, verb: str, *arguments: object, at: Path) -> Spent:
        return spend(self.argv(verb, *arguments), at=at, env={**self.env, **self.variables})

    def ask(self, verb: str, *arguments: object, at: Path) -> dict[str, Any]:
        return answer(self.spend(verb, *arguments, at=at).out)

    def start(self, verb: str, *arguments: object, at: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(verb, *arguments), cwd=at, env={**self.env, **self.variables}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def together(self, at: Path, processes: int, each: int, seconds: float = 600) -> Together:
        """So many processes, all imported and waiting before the clock starts, each making so many small runs."""
        self.ask("prepare", at=at)
        children = [self.start("runs", each, seconds, at=at) for _ in range(processes)]
        try:
            for child in children:
                _wait_until_ready(child)
            began = time.perf_counter()
            for child in children:
                child.stdin.write("go\n")  # type: ignore[union-attr]
                child.stdin.flush()  # type: ignore[union-attr]
            answers = [answer(child.communicate()[0]) for child in children]
            took = time.perf_counter() - began
        finally:
            for child in children:
                child.kill()
        told = [each for each in answers if each]  # one that died has no answer
        made = sum(each["made"] for each in told)
        there = self.ask("count", at=at)["count"]
        return Together(made, there, made / took, sum(each["cpu"] for each in told) / max(made, 1))


def _wait_until_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout
    for line in child.stdout:
        if line.strip() == "ready":
            return
    raise SystemExit(f"bench: {' '.join(map(str, child.args))} ended before it was ready")  # type: ignore[arg-type]


def answer(out: str) -> dict[str, Any]:
    """The JSON on the last line; {} where there is none."""
    lines = out.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}


def project(at: Path) -> Path:
    """A new directory with a git repository."""
    at.mkdir()
    git(at, "init", "-q", "-b", "main")
    git(at, "commit", "-q", "--allow-empty", "-m", "Begin")
    return at


def mlcli_itself(home: Path) -> Logger:
    """This checkout's mlcli, as a wheel."""
    bin_ = installed(CACHE / "mlcli")
    return Logger("mlcli", bin_ / "python", environment(bin_, home))
