"""What a command loads: nothing that it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "sklearn",
    "joblib",
    "numpy",
    "pandas",
    "scipy",
    "matplotlib",
    "git",
    "rich",
    "filelock",
    "pydantic",
    "sqlite3",
}


def loaded_by(*arguments: str) -> set[str]:
    """The top-level packages that a fresh interpreter imports; the command must succeed."""
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    told = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in told}


@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "ls", "ls -q", "ls --json", "show @", "show iris@production", "lineage iris@production", "models",
     "history iris", "diff first dirty", "why first second", "card iris@1", "lineage iris --format mermaid", "lineage @ --down",
     "history iris --at 2026-11-22"],
)  # fmt: skip
def test_a_reading_command_loads_nothing_heavy(story, command: str):
    loaded = loaded_by("-m", "mlcli", *command.split())
    assert loaded & HEAVY == set()
    assert "mlcli" in loaded


def test_importing_the_package_loads_nothing_but_itself(machine):
    assert loaded_by("-c", "import mlcli") & {*HEAVY, "msgspec", "typer", "tinydb", "click"} == set()


def test_recording_a_run_loads_no_model_library(workspace):
    loaded = loaded_by("-m", "mlcli", "run", "--", sys.executable, "-c", "pass")
    assert loaded & HEAVY == set()


def test_the_python_api_loads_no_terminal_face(workspace):
    code = "import mlcli\nwith mlcli.start_run():\n    mlcli.log_metric('x', 1)\n    mlcli.log_param('y', 2)"
    assert loaded_by("-c", code) & {*HEAVY, "typer", "click"} == set()
