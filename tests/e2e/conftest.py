"""Fixtures of the end-to-end tests: a model brought to production by real processes, a clone of this repository."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Mlcli = Callable[..., "subprocess.CompletedProcess[str]"]
Ship = Callable[..., None]


@pytest.fixture
def ship(machine: Path, mlcli: Mlcli) -> Ship:
    """Run, register as `iris` and promote to production, from the tree as it stands, in the directory `at`."""
    numbers = itertools.count(1)
    model = machine / "model.bin"

    def make(at: Path | None = None) -> None:
        model.write_text(f"model {next(numbers)}\n")
        for line in (
            ["run", "--", "mlcli", "log", "artifact", str(model)],
            ["register", "iris", "@"],
            ["promote", "iris", "production"],
        ):
            done = mlcli(*line, at=at)
            assert done.returncode == 0, done.stderr

    return make


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository at HEAD, as a user would have it; shared, and only to be read."""
    path = tmp_path_factory.mktemp("clone") / "mlcli"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    made = ["git", "clone", "--quiet", str(CHECKOUT), str(path)]
    if subprocess.run(made, env=environ, capture_output=True, check=False).returncode:
        pytest.skip("the tests do not lie in a git repository that can be cloned")
    return path
