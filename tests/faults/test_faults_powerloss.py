"""The power goes: what was acknowledged is there, but for the last second of a live run's points."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask
from harness.workloads import WORKLOADS

CHANGING = [name for name in WORKLOADS if name != "reading"]


@pytest.mark.parametrize("workload", CHANGING)
def test_whatever_posix_allows_to_be_lost_is_lost(ask: Ask, workload: str):
    report = ask("lost", "11 power loss as POSIX allows", workload=workload, fault="", limit=0 if FULL else 40)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.points >= 40


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("other", ["", "other"], ids=["nothing else", "another file's fsync"])
@pytest.mark.parametrize("workload", [name for name in CHANGING if name != "mapped"])
def test_an_ext4_is_shut_down_after_any_call(ask: Ask, workload: str, other: str):
    report = ask("shut", "10 power loss on ext4", workload=workload, fault=other, limit=60)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points > 20
