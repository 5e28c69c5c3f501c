"""The process is killed at any file call: what was acknowledged stays, and nothing is half there."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask
from harness.workloads import WORKLOADS

CHANGING = [name for name in WORKLOADS if name != "reading"]
EACH = 0 if FULL else 40


@pytest.mark.parametrize("workload", CHANGING)
def test_killed_before_any_call(ask: Ask, workload: str):
    report = ask("swept", "1 killed before each call", workload=workload, fault="kill", limit=EACH)
    assert (report.failed, report.fired) == ([], report.points)
    assert report.points > 20


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("workload", CHANGING)
def test_killed_after_any_call(ask: Ask, workload: str):
    report = ask("swept", "2 killed after each call", workload=workload, fault="after")
    assert (report.failed, report.fired) == ([], report.points)
    assert report.points > 20


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("fault", ["kill", "torn", "once ENOSPC"])
def test_more_points_than_a_segment_of_memory_holds(ask: Ask, fault: str):
    row = {"kill": "1 killed before each call", "torn": "3 killed half-way through each write"}.get(fault)
    report = ask("swept", row or "5 an error once", workload="segments", fault=fault, limit=100)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points > 20
