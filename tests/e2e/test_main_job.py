"""Runs through real processes: how a command ends is how its run ended; a store that cannot be written stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

Mlcli = Callable[..., "subprocess.CompletedProcess[str]"]
WAITS = "import pathlib, time; pathlib.Path('ready').touch(); time.sleep(60)"


def newest(mlcli: Mlcli) -> dict[str, Any]:
    (run,) = json.loads(mlcli("ls", "--json", "--limit", "1").stdout)["runs"]
    return run


def ended(mlcli: Mlcli) -> tuple[str, int | None, int | None]:
    run = newest(mlcli)
    return run["status"], run["exit_code"], run["signal"]


def until(there: Path) -> None:
    deadline = time.monotonic() + 20
    while not there.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert there.exists()


def state(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("command", "code", "run"),
    [
        (["true"], 0, ("finished", 0, None)),
        (["sh", "-c", "exit 7"], 7, ("failed", 7, None)),
        (["sh", "-c", "kill -TERM $$"], 143, ("killed", 143, 15)),
        (["sh", "-c", "kill -SEGV $$"], 139, ("killed", 139, 11)),
        (["./no-such-program"], 127, ("failed", 127, None)),
        (["./train.py"], 126, ("failed", 126, None)),
    ],
)
def test_the_exit_code_is_the_command_s_own_and_the_run_s_status_says_it(repo, mlcli, command, code, run):
    assert mlcli("run", "--", *command).returncode == code
    assert ended(mlcli) == run


@pytest.mark.terminal
def test_ctrl_c_ends_the_command_and_its_run_as_killed(repo, mlcli):
    child = pexpect.spawn("mlcli", ["run", "--", sys.executable, "-c", WAITS], timeout=20)
    until(repo / "ready")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == (130, None)
    assert ended(mlcli) == ("killed", 130, 2)


def test_a_command_that_ends_well_after_ctrl_c_has_finished(repo, mlcli):
    catches = f"import signal, sys; signal.signal(2, lambda *_: sys.exit(0)); {WAITS}"
    process = subprocess.Popen(["mlcli", "run", "--", sys.executable, "-c", catches])
    until(repo / "ready")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert ended(mlcli) == ("finished", 0, None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_sent_to_mlcli_ends_the_command_and_its_run_as_killed(repo, mlcli, number, code):
    process = subprocess.Popen(["mlcli", "run", "--", "sh", "-c", "touch ready; exec sleep 60"])
    until(repo / "ready")
    process.send_signal(number)
    assert process.wait(20) == code
    assert ended(mlcli) == ("killed", code, int(number))


def test_a_run_whose_wrapper_was_killed_outright_is_listed_as_killed_and_doctor_ends_it(repo, mlcli):
    script = "echo $$ > pid; mlcli log metric loss=0.5; touch ready; exec sleep 60"
    process = subprocess.Popen(["mlcli", "run", "--", "sh", "-c", script])
    until(repo / "ready")
    running = newest(mlcli)["status"]
    process.kill()
    process.wait(20)
    goes_on = newest(mlcli)["status"]
    os.kill(int((repo / "pid").read_text()), signal.SIGTERM)
    while (run := newest(mlcli))["status"] == "running":
        pass
    fixed = mlcli("doctor", "--fix")
    assert (running, goes_on) == ("running", "running")
    told = "its wrapper was killed; the command did not come to its end, or nobody could tell"
    assert (run["status"], run["reason"]) == ("killed", told)
    assert run["metrics"]["loss"]["last"] == 0.5
    assert fixed.returncode == 0, fixed.stdout
    assert (newest(mlcli)["status"], newest(mlcli)["ended_at"] is None) == ("killed", False)


def test_what_the_command_printed_is_kept_and_passed_on(repo, mlcli):
    done = mlcli("run", "--", "sh", "-c", "echo out; echo err >&2; cat", input="in\n")
    run = newest(mlcli)
    log = (repo / ".mlruns" / "runs" / run["id"][:2] / run["id"] / "output.log").read_text()
    assert done.stdout == "out\nin\n"
    assert done.stderr.splitlines()[1] == "err"
    assert sorted(log.splitlines()) == ["err", "in", "out"]


# A store that cannot be written

WRITES = [
    (["run", "--", "touch", "ran"], 125),
    (["tag", "@", "team=vision"], 3),
    (["note", "@", "A thought"], 3),
    (["register", "iris", "@"], 3),
    (["promote", "iris@1", "staging"], 3),
    (["rm", "@"], 3),
]


@pytest.fixture
def shipped(repo: Path, ship, mlcli: Mlcli) -> Path:
    """A repository with iris@1 in production and a run after it."""
    ship()
    (repo / "weights.txt").write_text("1 2 3\n")
    assert mlcli("run", "--name", "later", "--", "mlcli", "log", "artifact", "weights.txt").returncode == 0
    return repo


@pytest.mark.parametrize(("arguments", "code"), WRITES, ids=[each[0][0] for each in WRITES])
def test_a_store_made_read_only_is_told_in_a_line_and_stays_as_it_was(shipped, read_only, arguments, code):
    before = state(shipped / ".mlruns")
    done = read_only(shipped / ".mlruns", "mlcli", *arguments, at=shipped)
    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (code, "")
    assert error.startswith("mlcli: error: cannot write .mlruns/")
    assert error.endswith((": the file system is read-only", ": permission denied"))
    assert hint == "hint: reading commands still work; to write, make the directory writable"
    assert state(shipped / ".mlruns") == before
    assert not (shipped / "ran").exists()


@pytest.mark.parametrize(
    "arguments",
    [["ls"], ["show", "@"], ["compare", "@", "@1"], ["models"], ["history", "iris"], ["lineage", "iris@production"], ["check"], ["doctor"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_store_made_read_only_is_read_as_ever(shipped, mlcli, read_only, arguments):
    ever = mlcli(*arguments)
    done = read_only(shipped / ".mlruns", "mlcli", *arguments, at=shipped)
    assert (done.returncode, done.stdout, done.stderr) == (ever.returncode, ever.stdout, ever.stderr)


@pytest.mark.parametrize(("arguments", "code"), WRITES[:-1], ids=[each[0][0] for each in WRITES[:-1]])
def test_a_full_disk_is_told_in_a_line_and_the_store_stays_as_it_was(shipped, full_disk, arguments, code):
    words = " ".join(f"'{word}'" for word in arguments)
    done = full_disk(shipped / ".mlruns", f"fill; mlcli {words}")
    error, hint = done.stderr.splitlines()
    assert (done.code, done.stdout) == (code, "")
    assert error.startswith("mlcli: error: cannot write .mlruns")
    assert error.endswith(": the disk is full")
    assert hint == "hint: free some space and run the command again; the store is as it was"
    assert done.after == done.before
    assert not (shipped / "ran").exists()


def test_a_disk_that_fills_during_a_run_costs_its_record_and_not_its_work(shipped, full_disk):
    lines = "export store; mlcli run -- sh -c 'head -c 9m /dev/zero > \"$store/.cache/filler\" 2>/dev/null; echo done; exit 5'"
    done = full_disk(shipped / ".mlruns", lines)
    assert (done.code, done.stdout) == (5, "done\n")
    assert re.search(r"^mlcli: error: the end of run \w{8} was not recorded: .*: the disk is full$", done.stderr, re.M)
    assert set(done.before.splitlines()) <= set(done.after.splitlines())
