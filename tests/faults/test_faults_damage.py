"""Bytes are changed behind the store's back: doctor tells of each change, and no other document suffers."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask


@pytest.mark.parametrize("seed", range(1, 5) if FULL else [1])
def test_a_flipped_bit_is_found(ask: Ask, seed: int):
    report = ask("harmed", "16 a bit flipped", how="flip", limit=5000 if FULL else 400, seed=seed)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.points == (5000 if FULL else 400)


@pytest.mark.parametrize("how", ["cut", "zero", "remove", "swap"])
def test_a_file_that_is_cut_zeroed_removed_or_swapped_is_found(ask: Ask, how: str):
    report = ask("harmed", "17 cut, zeroed, removed, swapped", how=how, limit=0 if FULL else 400)
    assert report.failed == [], "\n".join(report.failed[:10])
    assert report.points > 20
