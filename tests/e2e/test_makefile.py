"""The Makefile recipes that we document, run by make itself: the second time nothing is done."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Git = Callable[..., str]


def make(*targets: str) -> str:
    done = subprocess.run(["make", *targets], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def registry() -> dict[str, str]:
    models = Path(".mlruns/models")
    files = sorted(path for path in models.rglob("*") if path.is_file())
    return {str(path.relative_to(models)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def project(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the script that the demo trains with, everything that make and it leave behind ignored."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)  # of the make that runs the tests
    (repo / "train.py").write_text((CHECKOUT / "docs" / "demo" / "train.py").read_text())
    (repo / ".gitignore").write_text(".run\n")
    return repo


@pytest.mark.slow
def test_the_recipe_of_the_readme_trains_registers_promotes_and_checks_and_then_has_nothing_to_do(project, git, mlcli):
    (recipe,) = re.findall(r"^```make\n(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.M | re.S)
    (project / "Makefile").write_text(recipe)
    git("add", "-A")
    git("commit", "-qm", "A forest")
    make("register", "check")
    git("add", ".mlruns")
    git("commit", "-qm", "The first model")
    first, runs = registry(), mlcli("ls", "-q").stdout
    again = make("train", "register", "check")
    assert "Nothing to be done for 'train'." in again
    assert (registry(), mlcli("ls", "-q").stdout) == (first, runs)
    assert mlcli("check", "--stage", "staging", "--strict").stdout == (
        "1 version in Staging: it leads to its run, commit and files\n"
    )


@pytest.mark.slow
def test_the_lines_of_init_makefile_train_register_and_check(project, git, mlcli):
    mlcli("init", "--makefile")
    git("add", "-A")
    git("commit", "-qm", "A forest")
    make("register", "check")
    assert mlcli("models", "--format", "plain").stdout.startswith("model\t1\t")


@pytest.mark.slow
def test_a_training_that_fails_stops_make_and_is_tried_again(project, git, mlcli):
    (recipe,) = re.findall(r"^```make\n(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.M | re.S)
    (project / "Makefile").write_text(recipe.replace("--max-depth 10", "--data irises"))
    failed = subprocess.run(["make", "register"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert not (project / ".run").exists()
    assert mlcli("ls", "--columns", "status").stdout == "failed\n"
    assert registry() == {}
