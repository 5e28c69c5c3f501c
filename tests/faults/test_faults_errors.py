"""A file call fails: the operation says so in a line, the store is as it was, and the next one works."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask
from harness.workloads import WORKLOADS

CHANGING = [name for name in WORKLOADS if name != "reading"]
ERRORS = ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES", "EMFILE", "EINTR"] if FULL else ["ENOSPC", "EIO"]
STICKY = ["ENOSPC", "EIO", "EROFS"] if FULL else ["ENOSPC"]
LIES = ["EEXIST", "EIO", "ENOENT"] if FULL else ["EEXIST"]
EACH = 0 if FULL else 6


def holds(report: object) -> bool:
    return report.failed == [] and report.fired == report.points  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("workload", list(WORKLOADS))
def test_a_call_fails_once(ask: Ask, workload: str, error: str):
    report = ask("swept", "5 an error once", workload=workload, fault=f"once {error}", limit=EACH)
    assert holds(report), "\n".join(report.failed[:10])


@pytest.mark.parametrize("error", STICKY)
@pytest.mark.parametrize("workload", CHANGING)
def test_calls_fail_from_one_on(ask: Ask, workload: str, error: str):
    report = ask("swept", "6 an error from a call on", workload=workload, fault=f"from {error}", limit=EACH // 2)
    assert holds(report), "\n".join(report.failed[:10])


@pytest.mark.parametrize("error", LIES)
@pytest.mark.parametrize(
    "workload", [name for name in CHANGING if name not in {"mapped", "outlived"}]
)  # twice is no lie
def test_a_call_is_done_and_told_as_failed(ask: Ask, workload: str, error: str):
    report = ask("swept", "8 done, and told as failed", workload=workload, fault=f"lie {error}", limit=EACH)
    assert holds(report), "\n".join(report.failed[:10])


@pytest.mark.parametrize("error", ["EPERM", "ENOLCK", "EXDEV"])
@pytest.mark.parametrize("workload", CHANGING)
def test_a_file_system_lacks_links_or_locks(ask: Ask, workload: str, error: str):
    if (workload, error) == ("outlived", "ENOLCK"):
        pytest.skip("without locks nobody can tell that a process still logs to a run that another ends")
    report = ask("swept", "9 no links, no locks, no rename", workload=workload, fault=f"from {error}", limit=EACH and 3)
    assert holds(report), "\n".join(report.failed[:10])


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("workload", CHANGING)
def test_an_fsync_fails_once(ask: Ask, workload: str):
    report = ask("swept", "22 an fsync fails once", workload=workload, fault="fsync EIO")
    assert holds(report), "\n".join(report.failed[:10])
