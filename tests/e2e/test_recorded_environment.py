"""A run that was made with other packages than are here now is made again with those that it had."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from mlcli import environments
from mlcli.domain.source import Environment

NEEDED = ("msgspec", "tinydb", "filelock", "gitpython", "gitdb", "smmap")
SCRIPT = """\
import six

import mlcli as mlflow

with mlflow.start_run():
    mlflow.log_metric("hundredths", sum(int(part) * 100 ** (1 - at) for at, part in enumerate(six.__version__.split(".")[:2])))
    mlflow.log_text(six.__version__, "six.txt")
"""


@pytest.fixture
def made_with_six(repo: Path, machine: Path, git, mlcli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a Python that has six, which the one that is first on the PATH afterwards has not."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
    packages = {"six": "1.15.0", "mlcli": version("mlcli"), **{name: version(name) for name in NEEDED}}
    then = Environment(python=platform.python_version(), implementation="cpython", packages=packages)
    bin_ = environments.built(then, cache=str(machine / "then"), say=lambda line: None)
    (repo / "train.py").write_text(SCRIPT)
    git("commit", "-qam", "Train with six")
    done = mlcli("run", "--", "python", "train.py", env={"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    recorded = json.loads(mlcli("show", "@", "--json").stdout)["run"]["environment"]["packages"]
    recorded.pop("pip", None)
    assert recorded == packages


@pytest.mark.slow
def test_a_run_is_made_again_with_the_packages_it_had_and_not_without_them(made_with_six, mlcli, machine):
    told = {}
    for env in ("current", "recorded"):
        done = mlcli("reproduce", "@" if env == "current" else "@1", "--env", env, "--json")
        told[env] = (done.returncode, json.loads(done.stdout))
    code, without = told["current"]
    assert (code, without["verdict"]) == (1, "different")
    assert ("six", "1.15.0") in {(each["name"], each["recorded"]) for each in without["packages"]}
    code, again = told["recorded"]
    assert (code, again["verdict"], again["differences"]) == (0, "identical", [])
    assert [each for each in again["packages"] if each["name"] != "pip"] == []
    [built] = (machine / "home" / ".cache" / "mlcli" / environments.DIRECTORY).glob(f"*/{environments.STAMP}")
    assert json.loads(built.read_text())["packages"]["six"] == "1.15.0"


@pytest.mark.parametrize("argv", [["sh", "-c", "./train.py"], ["./train.py"]])
def test_a_command_of_which_no_python_is_known_has_no_environment_to_build(repo: Path, git, mlcli, argv: list[str]):
    (repo / "train.py").write_text("#!/bin/sh\nexit 0\n")
    (repo / "train.py").chmod(0o755)
    git("commit", "-qam", "Train")
    mlcli("run", "--", *argv)
    done = mlcli("reproduce", "@", "--env", "recorded")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no Python environment was recorded: the command was no python" in done.stderr.splitlines()[-2]
    assert done.stderr.splitlines()[-1] == ("hint: --env current runs it with what is here, and tells every difference")
