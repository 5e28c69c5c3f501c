"""What a machine runs out of, for real: room, inodes, file size, descriptors; a store that may only be read; the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.asking import FULL, Ask
from harness.workloads import WORKLOADS

CHANGING = [name for name in WORKLOADS if name != "reading"] if FULL else ["registry", "recorder"]
YEAR = 365 * 86400


@pytest.mark.parametrize("what", ["blocks", "inodes", "ext4"])
@pytest.mark.parametrize(
    "workload", [name for name in CHANGING if name not in {"remove", "collect"}]
)  # which need none
def test_a_disk_has_no_room_left(ask: Ask, workload: str, what: str):
    report = ask("cramped", "18 no room, no inodes", mounts=True, workload=workload, fault=what)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points > 1


@pytest.mark.parametrize("what", ["bytes", "descriptors"])
@pytest.mark.parametrize("workload", CHANGING)
def test_a_process_may_open_no_more_or_write_no_more(ask: Ask, workload: str, what: str):
    report = ask("cramped", "19 limits of a process", workload=workload, fault=what)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points > 0


@pytest.mark.parametrize("whose", ["", "nobody"], ids=["read-only mount", "another user's"])
@pytest.mark.parametrize("workload", CHANGING)
def test_a_store_that_may_only_be_read_is_read(ask: Ask, workload: str, whose: str):
    report = ask("only_read", "20 only to be read", mounts=whose == "", workload=workload, fault=whose)
    assert report.failed == []


@pytest.mark.parametrize("workload", [name for name in CHANGING if name != "collect"])  # which goes by the clock
def test_the_clock_jumps(ask: Ask, workload: str):
    report = ask("off", "21 a clock that jumps", workload=workload, fault="")
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points == 4


@pytest.mark.parametrize("years", [-10, 12])
def test_the_commands_work_whatever_the_clock_says(injector: Path, repo: Path, years: int):
    code = "import mlcli\nwith mlcli.start_run(run_name='timely'):\n    mlcli.log_metric('loss', 0.5)\n"
    (repo / "train.py").write_text(code)
    environment = {**os.environ, "LD_PRELOAD": str(injector)}
    for number, command in enumerate(
        ("run -- {python} train.py", "ls", "show @", "doctor", "rm @", "restore @", "check")
    ):
        words = [word.format(python=sys.executable) for word in command.split()]
        seconds = years * YEAR * (-1 if number % 2 else 1)
        done = subprocess.run(
            [sys.executable, "-m", "mlcli", *words],
            env={**environment, "FAULT_CLOCK_SECONDS": str(seconds)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, f"{command}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
