"""What is noted about a run without being asked; what of it must not be kept; and that it never stands in the way."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlcli import capture
from mlcli.capture import command, environment
from mlcli.domain.run import ParamSource
from mlcli.domain.source import Person

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)


def collected(root: Path, argv=("python", "train.py"), **environ: str):
    return capture.collect(list(argv), root=str(root), cwd=os.getcwd(), environ={**os.environ, **environ}, at=AT)


def test_a_source_says_what_was_run_where_by_whom_and_from_which_commit(repo: Path, git, monkeypatch):
    (repo / "jobs").mkdir()
    monkeypatch.chdir(repo / "jobs")
    source = collected(repo)
    assert (source.command.argv, source.command.cwd, source.at) == (["python", "train.py"], "jobs", AT)
    assert (source.git.commit, source.git.dirty) == (git("rev-parse", "HEAD"), False)
    assert (source.user, source.process.pid) == (Person(name="Ada Lovelace", email="ada@example.com"), os.getpid())


def test_without_a_repository_the_reason_is_noted_and_the_login_name(machine: Path):
    (machine / "home" / ".gitconfig").unlink()
    source = collected(machine / "work")
    assert (source.git.commit, source.git.reason, source.user) == (None, "not a git repository", Person(name="ada"))


def test_without_git_the_run_goes_on(repo: Path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert collected(repo).git.reason == "git is not installed"


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DB_PASSWORD", "DATABASE_URL", "HOME"])
def test_of_the_environment_only_what_is_allowed_is_kept(repo: Path, name: str, monkeypatch):
    [monkeypatch.delenv(allowed, raising=False) for allowed in environment.ALLOWED]
    source = collected(repo, **{name: "hunter2", "CUDA_VISIBLE_DEVICES": "0"})
    assert source.environment.variables == {"CUDA_VISIBLE_DEVICES": "0"}
    assert "hunter2" not in str(source)


def test_the_interpreter_of_the_command_is_noted_and_not_our_own(repo: Path, machine: Path):
    ours = environment.noted([sys.executable, "train.py"], os.environ)
    assert (ours.python, ours.packages["msgspec"]) == (
        ".".join(map(str, sys.version_info[:3])),
        __import__("msgspec").__version__,
    )
    other = machine / "venv"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "python").write_text("#!/bin/sh\n")
    (other / "bin" / "python").chmod(0o755)
    (other / "lib" / "python3.12" / "site-packages" / "Some_Thing-1.2.dist-info").mkdir(parents=True)
    (other / "pyvenv.cfg").write_text("home = /usr\nversion = 3.12.9\n")
    theirs = environment.noted([str(other / "bin" / "python")], os.environ)
    assert (theirs.python, theirs.packages) == ("3.12.9", {"some-thing": "1.2"})


def test_packages_of_the_user_and_of_the_python_below_an_environment_are_noted_where_it_finds_them(machine: Path):
    def package(*parts: str) -> None:
        machine.joinpath(*parts[:-1], "lib", "python3.12", "site-packages", f"{parts[-1]}.dist-info").mkdir(
            parents=True
        )

    def packages(prefix: str, **more: str) -> dict[str, str]:
        (machine / prefix / "bin").mkdir(exist_ok=True)
        (machine / prefix / "bin" / "python").touch(0o755)
        environ = {"HOME": str(machine / "home"), **more}
        return environment.noted([str(machine / prefix / "bin" / "python")], environ).packages

    package("base", "one-1")
    package("base", "two-1")
    package("home", ".local", "two-2")
    package("venv", "three-3")
    config = f"home = {machine}/base/bin\nversion_info = 3.12.4.final.0\ninclude-system-site-packages = "
    (machine / "venv" / "pyvenv.cfg").write_text(config + "false\n")
    assert packages("base") == {"one": "1", "two": "2"}
    assert packages("base", PYTHONNOUSERSITE="1") == {"one": "1", "two": "1"}
    assert packages("venv") == {"three": "3"}
    (machine / "venv" / "pyvenv.cfg").write_text(config + "true\n")
    assert packages("venv") == {"one": "1", "two": "2", "three": "3"}


@pytest.mark.parametrize("argv", [["sh", "train.sh"], ["./train"], ["/nowhere/python"], [""]])
def test_of_a_command_that_is_no_python_no_packages_are_noted(argv: list[str]):
    assert environment.noted(argv, os.environ).packages == {}


def test_a_command_line_of_thousands_of_arguments_is_cut_and_says_so():
    kept = command.noted(["python", *["x"] * 5000], ".").argv
    told = "… and 4001 more; sha256 of all: e7df664e72fd28268cde0ab470f019676215e58865a85ba6139505568927d6fa"
    assert (len(kept), kept[-1]) == (1001, told)


def test_an_argument_that_is_no_text_is_kept_as_escapes():
    assert command.noted(["a\udcff"], ".").argv == [r"a\udcff"]


@pytest.mark.parametrize(
    ("argv", "params"),
    [
        (["python", "t.py", "--lr", "0.1"], {"lr": 0.1}),
        (["python", "t.py", "--lr=0.1", "--max-depth=10"], {"lr": 0.1, "max_depth": 10}),
        (
            ["python", "t.py", "lr=0.1", "model.depth=3", "+new=x", "++force=y"],
            {"lr": 0.1, "model.depth": 3, "new": "x", "force": "y"},
        ),
        (
            ["python", "t.py", "--verbose", "--no-shuffle", "--lr", "-0.5"],
            {"verbose": True, "shuffle": False, "lr": -0.5},
        ),
        (["python", "t.py", "--seed", "1", "--seed", "2"], {"seed": [1, 2]}),
        (["python", "t.py", "-n", "5", "-v", "-x=3"], {"n": 5, "x": 3}),
        (["python", "t.py", "data.csv", "--", "-"], {}),
        (["python", "-m", "churn.train", "--lr", "1"], {"lr": 1}),
        (["python", "-W", "error", "-X", "dev", "t.py", "--lr", "1"], {"lr": 1}),
        (["python", "-c", "code", "--lr", "1"], {"lr": 1}),
        (["torchrun", "--nproc", "4", "t.py", "--lr", "1"], {"lr": 1}),
        (["sh", "-c", "exit 3"], {}),
        (["env", "A=b", "python"], {}),
        (["./train", "--name", "a=b=c"], {"name": True, "a": "b=c"}),
        (["./train", "--lr="], {"lr": ""}),
        (["python", "t.py", "--flag", "true"], {"flag": True}),
        (
            ["python", "t.py", "--api-key", "hunter2", "--url", "https://a:hunter2@h/x"],
            {"api_key": "***", "url": "https://***@h/x"},
        ),
        ([], {}),
    ],
)
def test_params_are_read_from_the_command_line(argv: list[str], params: dict):
    told = command.params(argv)
    assert {key: param.value for key, param in told.items()} == params
    assert {param.source for param in told.values()} <= {ParamSource.COMMAND_LINE}


def test_a_capture_that_is_cut_off_from_its_directory_tells_why(repo: Path):
    (repo / ".git" / "HEAD").write_bytes(b"\xff\xfe garbage")
    assert collected(repo).git.reason.startswith("git cannot read the repository: ")
