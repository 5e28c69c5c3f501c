"""Many processes at once on one store: nothing lost, nothing twice, every history a single chain."""

from __future__ import annotations

import pytest
from harness.asking import FULL, Ask, Tell
from harness.sweep import Report

SEEDS = range(1, 21) if FULL else range(1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("writers", [8, 16, 32] if FULL else [16])
def test_writers_and_readers_at_once(ask: Ask, tell: Tell, writers: int, seed: int):
    report = ask("raced", "13 writers and readers at once", writers=writers, rounds=64 // writers, readers=2, seed=seed)
    tell("15 readers beside writers", Report(points=report.watched, fired=report.watched, failed=report.failed))
    assert report.failed == []
    assert report.watched > 0
    assert report.points == 6 * writers * (64 // writers)


@pytest.mark.parametrize("seed", SEEDS)
def test_version_numbers_without_the_registrys_lock(ask: Ask, seed: int):
    report = ask("raced", "13 version numbers, without a lock", writers=16, rounds=8, numbers=True, seed=seed)
    assert (report.failed, report.points) == ([], 128)


@pytest.mark.parametrize("seed", range(1, 5) if FULL else [1])
def test_writers_that_are_killed_at_any_call(ask: Ask, seed: int):
    kills = 100 if FULL else 40
    rounds = 60 if FULL else 3
    report = ask("raced", "14 and kill -9", writers=8, rounds=rounds, kills=kills, readers=1, seed=seed)
    assert (report.failed, report.fired) == ([], kills)


@pytest.mark.parametrize("seed", range(1, 11) if FULL else [1])
def test_sweeps_beside_writers(ask: Ask, seed: int):
    report = ask("raced", "25 gc beside writers", writers=8, rounds=20 if FULL else 4, sweepers=2, seed=seed)
    assert report.failed == []
    assert report.watched > 0


@pytest.mark.parametrize("seed", range(1, 11) if FULL else [1])
def test_sweeps_beside_writers_that_are_killed(ask: Ask, seed: int):
    kills = 40 if FULL else 10
    report = ask("raced", "25 gc beside writers", writers=8, rounds=4, sweepers=1, kills=kills, seed=seed)
    assert (report.failed, report.fired) == ([], kills)
