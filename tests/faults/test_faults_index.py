"""The index of runs is derived: whatever becomes of it, the answers are those that the documents give."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.asking import FULL, Tell
from harness.operations import Operation, Site, begin, finish, metrics, note, params, remove, restore, run_id, tags
from harness.sweep import Report, copied

from mlcli import tracking
from mlcli.store.search import INDEX

RUNS = 30
QUESTIONS: list[dict[str, Any]] = [
    {},
    {"filter_text": "metrics.loss < 0.3"},
    {"filter_text": "metrics.loss < 0.5 and params.depth = 3", "whole": False},
    {"filter_text": "tags.owner = 'ada' or status = 'running'"},
    {"filter_text": "name in ('r3', 'r7')"},
    {"sort": "metrics.loss:asc", "limit": 5, "whole": False},
    {"sort": "started", "limit": 3},
]


@pytest.fixture
def site(top: Path) -> Site:
    """A store with a few dozen runs, and an index of them."""
    (top / "site" / "project").mkdir(parents=True)
    made = Site(top / "site")
    for number in range(RUNS):
        for operation in logged(f"r{number}", number):
            operation.do(made)
    indexed(made)
    return made


def logged(name: str, number: int) -> list[Operation]:
    return [begin(name), params(name, depth=number % 5), metrics(name, 0, loss=number / RUNS), finish(name)]


def indexed(site: Site) -> Path:
    """Let the store have an index, as one of a thousand runs has."""
    path = site.root / INDEX
    path.parent.mkdir(exist_ok=True)
    path.touch()
    answers(site)
    assert path.stat().st_size > 4096
    return path


def answers(site: Site) -> list[Any]:
    """What each question gives: ids in order, in full where they were asked for in full, and what cannot be read."""
    fresh = Site(site.top).workspace
    told = []
    for question in QUESTIONS:
        found = tracking.find_runs(fresh, **question)
        runs = found.runs if question.get("whole", True) else [(run.id, run.params, run.metrics) for run in found.runs]
        told.append((runs, [problem.message for problem in found.problems]))
    return told


def from_documents(site: Site) -> list[Any]:
    """The same with no index in sight."""
    cache, away = site.root / ".cache", site.top / "away"
    cache.rename(away)
    told = answers(site)
    shutil.rmtree(cache, ignore_errors=True)
    away.rename(cache)
    return told


# What may become of the index between two commands


def deleted(site: Site, chance: random.Random) -> None:
    (site.root / INDEX).unlink()


def emptied(site: Site, chance: random.Random) -> None:
    (site.root / INDEX).write_bytes(b"")


def flipped(site: Site, chance: random.Random) -> None:
    path = site.root / INDEX
    data = bytearray(path.read_bytes())
    for _ in range(20):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(site: Site, chance: random.Random) -> None:
    os.truncate(site.root / INDEX, chance.randrange((site.root / INDEX).stat().st_size))


def of_another_store(site: Site, chance: random.Random) -> None:
    other = site.top.parent / "other"
    if not other.exists():
        (other / "project").mkdir(parents=True)
        made = Site(other)
        for operation in [*logged("r3", 9), *logged("elsewhere", 2)]:
            operation.do(made)
        indexed(made)
    shutil.copy2(other / "project" / ".mlruns" / INDEX, site.root / INDEX)


def stale(site: Site, chance: random.Random) -> None:
    kept = site.top / "stale"
    if kept.exists():
        shutil.copy2(kept, site.root / INDEX)
    else:
        shutil.copy2(site.root / INDEX, kept)


def a_directory(site: Site, chance: random.Random) -> None:
    (site.root / INDEX).unlink()
    (site.root / INDEX).mkdir()
    answers(site)
    (site.root / INDEX).rmdir()


MISCHIEF = [deleted, emptied, flipped, cut, of_another_store, stale, a_directory]


def changes(chance: random.Random) -> Iterator[Operation]:
    """Commands that change what the questions ask for."""
    there = [f"r{number}" for number in range(RUNS)]
    gone: list[str] = []
    for number in range(RUNS, 10_000):
        kind = chance.randrange(5)
        if kind == 0:
            yield from logged(f"r{number}", number % RUNS)
            there.append(f"r{number}")
        elif kind == 1 and there:
            gone.append(there.pop(chance.randrange(len(there))))
            yield remove(gone[-1])
        elif kind == 2 and gone:
            there.append(gone.pop(chance.randrange(len(gone))))
            yield restore(there[-1])
        elif there:
            yield chance.choice(
                [tags(there[-1], owner="ada"), note(there[-1], f"note {number}"), params(there[-1], late=1)]
            )


def test_whatever_becomes_of_the_index_the_answers_are_the_same(site: Site, tell: Tell):
    chance, report, began = random.Random(1), Report(), time.monotonic()
    commands = changes(chance)
    for _ in range(200 if FULL else 40):
        next(commands).do(site)
        mischief = chance.choice(MISCHIEF)
        if not (site.root / INDEX).is_file():
            indexed(site)
        mischief(site, chance)
        report.points += 1
        report.fired += 1
        expected = from_documents(site)
        for when in ("at once", "the next time"):
            if answers(site) != expected:
                report.failed.append(f"{mischief.__name__}, {when}")
    report.seconds = time.monotonic() - began
    assert tell("23 the index deleted, corrupt, stale", report).failed == []


@pytest.mark.skipif(not FULL, reason="make faults")
@pytest.mark.parametrize("lock", ["begin immediate", "begin exclusive"])
def test_an_index_that_another_process_holds_is_done_without(site: Site, tell: Tell, lock: str):
    started, told = os.pipe()
    ended, over = os.pipe()
    if os.fork() == 0:
        os.close(over)
        connection = sqlite3.connect(site.root / INDEX, isolation_level=None)
        connection.execute(lock)
        os.write(told, b".")
        os.read(ended, 1)
        os._exit(0)
    os.read(started, 1)
    tags("r3", owner="ada").do(site)
    expected = from_documents(site)
    found = answers(site)
    os.write(over, b".")
    os.wait()
    report = Report(points=1, fired=1, failed=[] if found == expected else [lock])
    assert tell("23 the index deleted, corrupt, stale", report).failed == []


def test_an_edit_that_leaves_size_and_times_as_they_were_is_seen(site: Site, tell: Tell):
    report, began = Report(), time.monotonic()
    for number in range(50 if FULL else 15):
        run = run_id(f"r{number % RUNS}", 0)
        shard = site.root / "runs" / run[:2]
        document = shard / f"{run}.json"
        tags(f"r{number % RUNS}", owner="ada").do(site)
        answers(site)
        times = [(path, path.stat().st_mtime_ns) for path in (document, shard)]
        size = document.stat().st_size
        tags(f"r{number % RUNS}", owner="eve").do(site)
        for path, moment in times:
            os.utime(path, ns=(moment, moment))
        assert document.stat().st_size == size
        report.points += 1
        report.fired += 1
        if answers(site) != from_documents(site):
            report.failed.append(f"edit {number}")
    report.seconds = time.monotonic() - began
    assert tell("24 an edit of the same size and time", report).failed == []


def test_a_store_that_is_copied_with_its_index_answers_as_its_documents_do(site: Site):
    copied(site.top, site.top.parent / "copy")
    other = Site(site.top.parent / "copy", site.ids)
    tags("r3", owner="ada").do(other)
    assert answers(other) == from_documents(other)
