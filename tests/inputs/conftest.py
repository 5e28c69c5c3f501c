"""A project with something in it, made once and copied; commands as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asking import Done

SERVER = Path(__file__).with_name("served.py")


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    """The process that commands are forked from."""
    process = subprocess.Popen([sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def cli(server, machine) -> Callable[..., Done]:
    """Run a command in a process of its own, in the current directory."""

    def run(*argv: str, at: Path | None = None, env: dict[str, str] | None = None, input: str = "") -> Done:
        asked = {"argv": argv, "cwd": str(at or Path.cwd()), "env": {**os.environ, **(env or {})}, "input": input}
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        return Done(answer["code"], answer["out"], answer["err"])

    return run


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the project that is copied lies."""
    return tmp_path_factory.mktemp("kept") / "project"


@pytest.fixture
def project(kept: Path, machine: Path, request, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository of `story` with a second model, wine, and one more run, 'victim', as the current directory."""
    here = machine / "work" / "project"
    if not kept.exists():
        from mlcli import registry

        story, record = request.getfixturevalue("story"), request.getfixturevalue("record")
        registry.register(request.getfixturevalue("workspace"), "wine", story["first"].id)
        record(params={"depth": 5}, metrics={"accuracy": [0.5, 0.6, 0.7]}, files={"notes.txt": "notes"}, name="victim")
        subprocess.run(["cp", "-a", str(here), str(kept)], check=True)
    elif not here.exists():
        subprocess.run(["cp", "-a", str(kept), str(here)], check=True)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def store(project: Path) -> Path:
    """The project's store."""
    return project / ".mlruns"


@pytest.fixture
def bound(kept: Path, project: Path) -> Iterator[tuple[Path, Callable[..., subprocess.CompletedProcess[str]]]]:
    """A project of a user whom modes bind, whoever runs the tests, and how that user runs a command there."""
    prefix, user = [], os.geteuid()
    if user == 0:
        # As nobody where nobody may read our interpreter, else as a root without its powers.
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        probe = [*nobody, "sh", "-c", '"$0" -c "import mlcli.cli.app, sqlite3"', sys.executable]
        reads = subprocess.run(probe, capture_output=True, check=False)
        prefix, user = (nobody, 65534) if reads.returncode == 0 else (["setpriv", "--bounding-set=-all"], 0)
    with tempfile.TemporaryDirectory(prefix="mlcli-tests-") as where:
        os.chmod(where, 0o755)
        subprocess.run(["cp", "-a", str(project), where], check=True)
        subprocess.run(["chown", "-R", str(user), where], check=True)
        place = Path(where) / project.name

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*prefix, *command], cwd=place, capture_output=True, text=True, check=False,
                env={**os.environ, "HOME": where},
            )  # fmt: skip

        yield place, run
        subprocess.run(["chmod", "-R", "u+rwX", where], check=True)
