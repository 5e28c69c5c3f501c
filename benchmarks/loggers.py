"""Loggers under measurement: mlcli and its peers, each in an environment of its own, asked by `peers/adapter.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from measuring import CACHE, CHECKOUT, Spent, environment, git, installed, spend

ADAPTER = Path(__file__).resolve().parent / "peers" / "adapter.py"
EXTRAS = ("setuptools<80",)  # aim and guild still import pkg_resources
# What would send a bench's runs to somebody's server.
OTHERS = ("MLFLOW_", "DATABRICKS_", "TRACKIO_", "HF_", "HUGGING", "AIM_", "__AIM", "DVC", "GUILD_")


@dataclass(frozen=True)
class Together:
    """Processes that made small runs at once: how many said so, how many are in the store, what one took."""

    made: int
    there: int
    rate: float
    cpu: float
    died: int


@dataclass(frozen=True)
class Logger:
    """One logger: what it is called, its `peers/with_ADAPTER.py`, the interpreter that has it, its variables."""

    name: str
    adapter: str
    python: Path
    env: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    def argv(self, verb: str, *arguments: object) -> list[str]:
        return [str(self.python), str(ADAPTER), self.adapter, verb, *map(str, arguments)]

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
        """So many processes, each waiting after a first run until the clock starts, then making so many more."""
        self.ask("prepare", at=at)
        children = [self.start("runs", each, seconds, at=at) for _ in range(processes)]
        try:
            ready = [child for child in children if _is_ready(child)]
            for child in ready:
                child.stdin.write("go\n")  # type: ignore[union-attr]
                child.stdin.flush()  # type: ignore[union-attr]
            answers = [answer(child.communicate()[0]) for child in ready]
        finally:
            for child in children:  # waited for, or one would still write into the directory that is being removed
                child.kill()
                child.wait()
        told = [each for each in answers if each]  # one that died has none
        made, timed = (sum(each[key] for each in told) for key in ("made", "timed"))
        there = self.ask("count", at=at)["count"]
        took = max([each["seconds"] for each in told], default=1.0)
        cpu = sum(each["cpu"] for each in told) / max(timed, 1)
        return Together(made, there, timed / took, cpu, died=processes - len(told))


def _is_ready(child: subprocess.Popen[str]) -> bool:
    """Wait until a process is ready; False where it ended before."""
    return any(line.strip() == "ready" for line in iter(child.stdout.readline, ""))  # type: ignore[union-attr]


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


def mlcli_itself(directory: Path) -> Logger:
    """This checkout's mlcli as it is now: what others change or measure meanwhile does not reach it."""
    made, wheel = CACHE / "mlcli", directory / "wheel"
    needs, known = (CHECKOUT / "pyproject.toml").read_text(), made / ".made"
    if not known.exists() or known.read_text() != needs:
        installed(made)
        known.write_text(needs)
    python = made / "bin" / "python"
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "install", "--no-deps"]
    env = environment(wheel / "bin", directory / "home")
    subprocess.run([*pip, "--target", str(wheel), str(CHECKOUT)], check=True, env=env)
    return Logger("mlcli", "mlcli", python, {**env, "PYTHONPATH": str(wheel)})


# Peers


@dataclass(frozen=True)
class Peer:
    """A package from the index, its adapter, and what it is told by its environment."""

    name: str
    package: str
    adapter: str
    variables: dict[str, str] = field(default_factory=dict)
    newest: tuple[int, int] = (3, 99)  # the newest Python that it starts on


PEERS = [
    Peer("mlflow", "mlflow", "mlflow", {"MLFLOW_DISABLE_TELEMETRY": "true"}),
    Peer(
        "mlflow, files", "mlflow", "mlflow",
        {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "file:./mlruns", "MLFLOW_ALLOW_FILE_STORE": "true"},
    ),
    Peer("trackio", "trackio", "trackio", {"HF_HUB_OFFLINE": "1"}),
    Peer("sacred", "sacred", "sacred"),
    Peer("aim", "aim", "aim", {"AIM_ANALYTICS": "0"}, newest=(3, 12)),
    Peer("dvclive", "dvclive", "dvclive", {"DVC_NO_ANALYTICS": "1"}),
    Peer("guild", "guildai", "guild", newest=(3, 11)),
]  # fmt: skip

REGISTRIES = [
    Peer("gto", "gto", "gto_registry"),
    Peer(
        "mlflow registry", "mlflow", "mlflow_registry",
        {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"},
    ),
]  # fmt: skip


def unsynced(mlcli: Logger) -> Logger:
    """The same without fsync."""
    return replace(mlcli, name="mlcli unsynced", variables={"MLCLI_DURABILITY": "none"})


def plain_files(mlcli: Logger) -> Logger:
    """The floor: a document and a copy, by the interpreter that mlcli has."""
    return replace(mlcli, name="plain files", adapter="files")


def peer(name: str, home: Path) -> tuple[Logger | None, str]:
    """A peer in an environment of its own, made once, and its version; else None, and why it is not there."""
    (told,) = (each for each in PEERS + REGISTRIES if each.name == name)
    directory = CACHE / told.package
    python = directory / "bin" / "python"
    if not (directory / ".made").exists():
        if sys.version_info[:2] > told.newest:
            return None, f"does not start on Python {sys.version_info.major}.{sys.version_info.minor}"
        print(f"bench: installing {told.package} into {directory}", file=sys.stderr)
        pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "install", *EXTRAS, told.package]
        for argv in ([sys.executable, "-m", "venv", "--clear", str(directory)], pip):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                return None, f"does not install: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}"
        (directory / ".made").touch()
    asked = ["-c", f"from importlib.metadata import version; print(version({told.package!r}))"]
    version = subprocess.run([str(python), *asked], capture_output=True, text=True).stdout.strip()
    env = environment(python.parent, home)
    env = {key: value for key, value in env.items() if not key.startswith(OTHERS)}
    return Logger(name, told.adapter, python, env, told.variables), version
