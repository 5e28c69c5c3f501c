"""Whatever the machine is like: no home, no locale, odd time zones, odd directories. One line or it works."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}


def sh(command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=env, cwd=cwd, check=False, errors="replace"
    )


def test_home_and_user_may_be_unset(repo) -> None:
    env = without("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL")
    done = sh("mlcli run -- true && mlcli ls -q && mlcli show @", env)
    assert (done.returncode, "Traceback" not in done.stderr) == (0, True)


def test_a_deleted_directory_is_one_error(repo, machine) -> None:
    done = sh('mkdir "$0"; cd gone && rmdir ../gone && mlcli ls'.replace("$0", "gone"), cwd=machine)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-2:] == [
        "mlcli: error: the current directory was deleted", "hint: cd to a directory that exists",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}],
)
def test_names_beyond_ascii_work_in_any_locale(workspace, record, mlcli, locale: dict[str, str]) -> None:
    record(name="été-日本", params={"größe": "ü"}, model="x")

    commands = (
        "ls",
        "show @",
        "ls --format table",
        "ls --format csv",
        "register modèle",
        "lineage modèle",
        "show naïve",
    )
    answers = [sh(f"mlcli {command}", {**os.environ, **locale}) for command in commands]

    assert [done.returncode for done in answers] == [0, 0, 0, 0, 0, 0, 3]
    assert [done.stderr for done in answers if "Traceback" in done.stderr or "bug" in done.stderr] == []
    listed = json.loads(mlcli("ls", "--json").stdout)
    assert listed["runs"][0]["name"] == "été-日本"


def test_a_name_that_is_no_unicode_is_refused_in_one_line(repo) -> None:
    done = subprocess.run([b"mlcli", b"run", b"--name", b"\xff\xfe", b"--", b"true"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.startswith(b"mlcli: error: ")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "garbage"])
def test_times_are_utc_in_any_time_zone(repo, mlcli, zone: str) -> None:
    from datetime import datetime, timedelta, timezone

    mlcli("run", "--", "true", env={"TZ": zone})

    started = json.loads(mlcli("ls", "--json", env={"TZ": zone}).stdout)["runs"][0]["started_at"]
    assert started.endswith("Z")
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(started.replace("Z", "+00:00"))) < timedelta(
        minutes=2
    )


def test_modules_of_the_project_are_not_imported_by_mlcli(repo, mlcli) -> None:
    for name in ("json", "typer", "tinydb", "rich", "sitecustomize"):
        (repo / f"{name}.py").write_text(f"open('imported-{name}', 'w')\n")
    mlcli("run", "--", "true")
    mlcli("ls", "--format", "table")
    assert list(repo.glob("imported-*")) == []


def test_the_path_of_a_project_may_hold_anything(machine, git, mlcli, monkeypatch) -> None:
    path = machine / "work" / "a b'c\n\u00e9$(x)"
    path.mkdir()
    monkeypatch.chdir(path)
    git("init", "-q")
    (path / "train.sh").write_text("mlcli log metric x=1\n")
    git("add", "-A")
    git("commit", "-qm", "x")

    assert [
        mlcli(*command).returncode for command in (["run", "--", "sh", "train.sh"], ["ls"], ["doctor"], ["check"])
    ] == [0] * 4
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["metrics"]["x"]["last"] == 1.0


def test_a_command_works_from_a_directory_below(story, mlcli, repo) -> None:
    (repo / "deep" / "er").mkdir(parents=True)
    assert mlcli("ls", "-q", at=repo / "deep" / "er").stdout == mlcli("ls", "-q").stdout


def test_another_store_is_read_by_option_and_by_variable(story, mlcli, repo, machine) -> None:
    elsewhere, store = machine / "elsewhere", str(repo / ".mlruns")
    elsewhere.mkdir()
    ids = mlcli("ls", "-q").stdout
    assert mlcli("--store", store, "ls", "-q", at=elsewhere).stdout == ids
    assert mlcli("ls", "-q", at=elsewhere, env={"MLCLI_STORE": store}).stdout == ids
    assert mlcli("--store", store, "lineage", "iris@production", at=elsewhere).returncode == 0
    assert list(elsewhere.iterdir()) == []


def test_settings_come_from_file_variable_and_option_in_that_order(repo, mlcli) -> None:
    (repo / "pyproject.toml").write_text('[tool.mlcli]\nexperiment = "filed"\n')
    mlcli("run", "--", "true")
    mlcli("run", "--", "true", env={"MLCLI_EXPERIMENT": "told"})
    mlcli("run", "-e", "asked", "--", "true", env={"MLCLI_EXPERIMENT": "told"})
    assert mlcli("ls", "--columns", "experiment").stdout.split() == ["asked", "told", "filed"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.mlcli\n", "is not valid TOML"),
        ("[tool.mlcli]\nexperiment = 3\n", "must be a text"),
        ("[tool.mlcli]\ndurability = 'most'\n", "durability in "),
    ],
)
def test_a_setting_that_cannot_be_used_names_its_file(repo, mlcli, text: str, message: str) -> None:
    (repo / "pyproject.toml").write_text(text)
    done = mlcli("ls", env={"MLCLI_DURABILITY": ""})
    assert (done.returncode, done.stdout, "pyproject.toml" in done.stderr, message in done.stderr) == (
        2,
        "",
        True,
        True,
    )
