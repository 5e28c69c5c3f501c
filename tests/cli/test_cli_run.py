"""mlcli run: the command works as if mlcli were not there, and what it did is kept."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import in_terminal


def shown(mlcli, ref: str = "@") -> dict:
    run: dict = json.loads(mlcli("show", ref, "--json").stdout)["run"]
    return run


def stored(store: Path) -> bytes:
    """Every byte of every file of the store."""
    return b"".join(path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    ("command", "code", "status", "signal_number"),
    [
        ("true", 0, "finished", None),
        ("exit 3", 3, "failed", None),
        ("exit 1", 1, "failed", None),
        ("exit 255", 255, "failed", None),
        ("kill -9 $$", 137, "killed", 9),
        ("kill -15 $$", 143, "killed", 15),
    ],
)
def test_the_exit_code_is_the_commands_own(repo, mlcli, command: str, code: int, status: str, signal_number) -> None:
    done = mlcli("run", "--", "sh", "-c", command)
    run = shown(mlcli)
    assert (done.returncode, run["status"], run["exit_code"], run["signal"]) == (code, status, code, signal_number)


def test_a_command_that_is_not_there_exits_127_and_is_recorded(repo, mlcli) -> None:
    done = mlcli("run", "--", "./does-not-exist")
    run = shown(mlcli)
    assert (done.returncode, run["status"], run["exit_code"], run["reason"]) == (
        127,
        "failed",
        127,
        "no such command: './does-not-exist'",
    )
    assert done.stderr.splitlines()[-1] == "mlcli: error: no such command: './does-not-exist'"


def test_a_command_that_cannot_be_executed_exits_126(repo, mlcli) -> None:
    (repo / "data.txt").write_text("x")
    done = mlcli("run", "--", "./data.txt")
    assert (done.returncode, shown(mlcli)["status"], done.stdout, "Traceback" in done.stderr) == (
        126,
        "failed",
        "",
        False,
    )


def test_a_store_that_cannot_be_written_exits_125_and_starts_nothing(repo, mlcli) -> None:
    (repo / ".mlruns").write_text("a file, not a store")
    done = mlcli("run", "--", "touch", "started")
    assert (done.returncode, done.stdout, (repo / "started").exists(), len(done.stderr.splitlines())) == (
        125,
        "",
        False,
        2,
    )
    assert done.stderr.startswith("mlcli: error: ")


def test_its_own_two_lines_go_to_stderr(repo, mlcli, git) -> None:
    done = mlcli("run", "--name", "hello", "--", "sh", "-c", "echo out; echo err >&2")
    head = git("rev-parse", "--short=7", "HEAD")
    run = shown(mlcli)
    assert done.stdout == "out\n"
    begun, err, ended = done.stderr.splitlines()
    assert (begun, err) == (
        f"mlcli run {run['id'][:8]} hello · commit {head} on main (no remote) · new store .mlruns/",
        "err",
    )
    assert re.fullmatch(r"mlcli finished in \d+\.\d s", ended)


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_001])
def test_stdout_is_the_commands_byte_for_byte(repo, machine, size: int) -> None:
    content = os.urandom(size)
    (machine / "content").write_bytes(content)

    done = subprocess.run(["mlcli", "run", "--", "cat", str(machine / "content")], capture_output=True, check=False)

    assert (done.returncode, done.stdout == content) == (0, True)
    log = next((repo / ".mlruns" / "runs").glob("*/*/output.log"), None)
    assert (log.read_bytes() if log else b"") == content


def test_stdin_is_the_commands(repo) -> None:
    done = subprocess.run(["mlcli", "run", "--", "cat"], input=b"a\0b\xff\n", capture_output=True, check=False)
    assert done.stdout == b"a\0b\xff\n"


@pytest.mark.terminal
def test_the_command_has_the_terminal(repo) -> None:
    seen = in_terminal("mlcli run -- sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size'", columns=72, lines=31)
    assert (seen.exit_code, "31 72" in seen.text) == (0, True)


def test_params_come_from_the_command_line_and_from_p(repo, mlcli) -> None:
    mlcli("run", "-p", "seed=7", "-p", "name=x=y", "-p", "empty=", "--", "true", "--lr", "0.1", "--depth=10", "alpha=1e-3", "--no-shuffle", "--verbose")  # fmt: skip
    assert {key: (param["value"], param["source"]) for key, param in shown(mlcli)["params"].items()} == {
        "lr": (0.1, "command line"), "depth": (10, "command line"), "alpha": (0.001, "command line"),
        "shuffle": (False, "command line"), "verbose": (True, "command line"), "seed": (7, "declared"),
        "name": ("x=y", "declared"), "empty": ("", "declared"),
    }  # fmt: skip


def test_the_same_param_twice_is_taken_once(repo, mlcli) -> None:
    done = mlcli("run", "-p", "lr=0.1", "-p", "lr=0.1", "--", "true")
    assert (done.returncode, shown(mlcli)["params"]["lr"]["value"]) == (0, 0.1)


def test_options_after_the_command_are_the_commands_own(repo, mlcli) -> None:
    done = mlcli("run", "echo", "--name", "x", "--json", "-h")
    assert (done.stdout, shown(mlcli)["command"]["argv"]) == (
        "--name x --json -h\n",
        ["echo", "--name", "x", "--json", "-h"],
    )


def test_name_experiment_tags_and_note_are_kept(repo, mlcli) -> None:
    mlcli("run", "--name", "first", "-e", "trees", "--tag", "team=vision", "--note", "hello", "--", "true")
    run = shown(mlcli)
    assert (run["name"], run["experiment"], run["tags"], run["note"]) == ("first", "trees", {"team": "vision"}, "hello")


def test_commit_branch_and_clean_tree_are_recorded(repo, mlcli, git) -> None:
    git("remote", "add", "origin", "https://ada:hunter2@example.com/iris.git?token=hunter2")
    mlcli("run", "--", "true")
    found = shown(mlcli)["git"]
    assert {key: found[key] for key in ("commit", "branch", "subject", "dirty", "changed", "untracked", "remote")} == {
        "commit": git("rev-parse", "HEAD"), "branch": "main", "subject": "Start", "dirty": False, "changed": [],
        "untracked": [], "remote": "https://example.com/iris.git",
    }  # fmt: skip


def test_uncommitted_and_untracked_files_are_told_and_recorded(repo, mlcli) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "new.py").write_text("")
    done = mlcli("run", "--", "true")
    found = shown(mlcli)["git"]
    assert (found["dirty"], found["changed"], found["untracked"]) == (True, ["train.py"], ["new.py"])
    assert ", 2 files not committed" in done.stderr


def test_the_store_itself_does_not_make_a_run_dirty(repo, mlcli) -> None:
    mlcli("run", "--", "true")
    mlcli("run", "--", "true")
    assert shown(mlcli)["git"]["dirty"] is False


def test_require_clean_refuses_uncommitted_code(repo, mlcli) -> None:
    (repo / "new.py").write_text("")
    done = mlcli("run", "--require-clean", "--", "touch", "started")
    assert (done.returncode, done.stdout, (repo / "started").exists(), (repo / ".mlruns").exists()) == (
        125,
        "",
        False,
        False,
    )
    assert done.stderr == (
        "mlcli: error: --require-clean: new.py not committed\nhint: git add -A && git commit, then run again\n"
    )


def test_require_clean_runs_what_is_committed(repo, mlcli) -> None:
    assert mlcli("run", "--require-clean", "--", "true").returncode == 0


def test_without_a_repository_it_says_so_and_runs(machine, mlcli) -> None:
    done = mlcli("run", "--", "echo", "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n")
    assert "mlcli: warning: the code of this run cannot be found again\nhint: git init" in done.stderr
    assert (shown(mlcli)["git"]["commit"], bool(shown(mlcli)["git"]["reason"])) == (None, True)


def test_before_the_first_commit_it_says_so_and_runs(machine, mlcli, git) -> None:
    git("init", "-q")
    done = mlcli("run", "--", "echo", "hi")
    assert (done.returncode, done.stdout, "hint: git " in done.stderr) == (0, "hi\n", True)
    assert shown(mlcli)["git"]["reason"] == "no commit yet"


def test_idfile_holds_the_id_while_the_command_runs(repo, mlcli, machine) -> None:
    done = mlcli("run", "--idfile", str(machine / "id"), "--", "cat", str(machine / "id"))
    assert done.stdout == mlcli("ls", "-q").stdout == (machine / "id").read_text()


def test_an_idfile_that_cannot_be_written_starts_no_run(repo, mlcli) -> None:
    done = mlcli("run", "--idfile", "nowhere/id", "--", "touch", "started")
    assert (done.returncode, done.stderr, (repo / "started").exists(), (repo / ".mlruns").exists()) == (
        125, "mlcli: error: cannot write --idfile 'nowhere/id': no such directory, or not writable\n", False, False,
    )  # fmt: skip


def test_the_command_sees_its_run_and_no_variable_of_git(repo, mlcli, git) -> None:
    names = git("rev-parse", "--local-env-vars").split()
    given = {"GIT_DIR": str(repo / ".git"), "GIT_INDEX_FILE": str(repo / ".git" / "index"), "GIT_PREFIX": ""}
    done = mlcli("run", "--", "env", env=given)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert sorted(set(names) & set(seen)) == []
    assert {key: seen[key] for key in seen if key in {"MLCLI_RUN_ID", "MLCLI_ROOT", "MLCLI_STORE"}} == {
        "MLCLI_RUN_ID": mlcli("ls", "-q").stdout.strip(), "MLCLI_ROOT": str(repo), "MLCLI_STORE": str(repo / ".mlruns"),
    }  # fmt: skip


def test_a_run_within_a_run_is_its_child(repo, mlcli) -> None:
    mlcli("run", "--name", "outer", "--", "mlcli", "run", "--name", "inner", "--", "true")
    assert shown(mlcli, "inner")["parent_id"] == shown(mlcli, "outer")["id"]


def test_the_second_run_tells_the_difference_to_the_first(repo, mlcli, git) -> None:
    (repo / "train.sh").write_text('mlcli log metric "accuracy=$1" "loss=$2"\n')
    git("add", "-A")
    git("commit", "-qm", "x")
    mlcli("run", "--name", "first", "--", "sh", "train.sh", "0.9", "0.3")
    done = mlcli("run", "--", "sh", "train.sh", "0.875", "0.5")
    assert done.stderr.splitlines()[-1].endswith("accuracy 0.875 -0.025  loss 0.5 +0.2 (against first)")


def test_a_param_that_the_program_logs_wins_over_the_command_line(repo, mlcli) -> None:
    (repo / "train.py").write_text("import mlcli\nmlcli.log_param('lr', 0.5)\n")
    done = mlcli("run", "--", sys.executable, "train.py", "--lr", "0.1")
    assert (done.returncode, shown(mlcli)["params"]["lr"]) == (0, {"value": 0.5, "source": "logged", "origin": ""})


def test_what_the_store_keeps_is_for_its_owner_to_read_like_any_file(repo, mlcli) -> None:
    mlcli("run", "--", "true")
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o022 for path in (repo / ".mlruns").rglob("*")}
    assert modes == {0}
