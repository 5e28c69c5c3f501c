"""A write is cut in the middle: by a kill, by a call that takes half, by a disk that is full from there on."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask
from harness.workloads import WORKLOADS

CHANGING = [name for name in WORKLOADS if name != "reading"]
ROWS = {
    "torn": "3 killed half-way through each write",
    "short": "7 a short write, and a full disk",
    "full": "7 a short write, and a full disk",
}
LIMITS = {"torn": 0, "short": 0, "full": 0} if FULL else {"torn": 12, "short": 4, "full": 4}


@pytest.mark.parametrize("fault", list(ROWS))
@pytest.mark.parametrize("workload", CHANGING)
def test_a_write_is_cut(ask: Ask, workload: str, fault: str):
    report = ask("swept", ROWS[fault], workload=workload, fault=fault, limit=LIMITS[fault])
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.fired == report.points > 0
