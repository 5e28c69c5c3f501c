"""Where a command works, and by which settings."""

from __future__ import annotations

import subprocess

import pytest


def test_a_name_that_is_no_unicode_is_refused_in_one_line(repo) -> None:
    done = subprocess.run([b"mlcli", b"run", b"--name", b"\xff\xfe", b"--", b"true"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.startswith(b"mlcli: error: ")


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


@pytest.mark.parametrize(
    ("words", "stdout", "code"),
    [("ls -q 2>&-", True, 0), ("ls -q >&-", False, 0), ("nope 2>&-", False, 2), ("run -- echo hi 2>&-", True, 0)],
)
def test_a_stream_that_is_closed_is_done_without(story, words: str, stdout: bool, code: int) -> None:
    done = subprocess.run(f"mlcli {words}", shell=True, capture_output=True, check=False)
    assert (bool(done.stdout), done.returncode, done.stderr) == (stdout, code, b"")
