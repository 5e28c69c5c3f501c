"""What is remembered of a long history answers as the documents do, whatever happens to either."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.domain.history import Action, Event
from mlcli.domain.source import Person
from mlcli.domain.stage import Stage
from mlcli.errors import Corrupt
from mlcli.store.disk import DiskStore

AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
LONG_AGO = 1_700_000_000


def told(store: DiskStore, parents: list[str], number: int, version: str = "", **said) -> Event:
    return store.add_event(
        Event(
            model="iris", version=version or f"sha256:{number}", from_stage=Stage.NONE, to_stage=Stage.PRODUCTION,
            parents=parents, at=AT + timedelta(seconds=number), by=Person(name="Ada"), **said,
        )
    )  # fmt: skip


def aged(store: DiskStore) -> None:
    """As if the last change had been long ago: what was written just now is not trusted to be the last."""
    os.utime(store.files.path("models/iris/events"), (LONG_AGO, LONG_AGO))


@pytest.fixture
def long(tmp_path: Path) -> DiskStore:
    """A history of sixty events, remembered."""
    store = DiskStore(str(tmp_path / ".mlruns"), sync=False)
    store.make()
    parents: list[str] = []
    for number in range(60):
        parents = [told(store, parents, number).digest]
    aged(store)
    store.standing("iris")
    return store


def reopened(store: DiskStore) -> DiskStore:
    return DiskStore(store.root, sync=False)


def same(store: DiskStore) -> bool:
    return replace(store.history("iris"), events=[]) == replace(reopened(store).standing("iris"), events=[])


def test_a_long_history_is_answered_without_reading_its_events_and_read_whole_where_it_is_checked(long: DiskStore):
    heads = long.history("iris").heads
    Path(long.files.path(f"models/iris/events/{heads[0].partition(':')[2]}.json")).write_bytes(b"")
    assert reopened(long).standing("iris").holders == {Stage.PRODUCTION: ("sha256:59", heads[0])}
    with pytest.raises(Corrupt):
        long.history("iris")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_events_that_came_since_are_added(long: DiskStore, count: int):
    parents = long.history("iris").heads
    for number in range(60, 60 + count):
        parents = [told(long, parents, number, action=Action.ALIASED, alias="best").digest]
    assert same(long)
    aged(long)
    assert same(long)
    assert reopened(long).standing("iris").aliases["best"][0] == f"sha256:{59 + count}"


def test_events_of_another_branch_are_added_up_anew(long: DiskStore):
    parents = [long.history("iris").events[30].digest]
    told(long, parents, 100, version="sha256:other")
    assert same(long)
    assert len(reopened(long).standing("iris").heads) == 2
    assert reopened(long).standing("iris").torn.keys() == {("stage", "production")}
    told(long, long.history("iris").heads, 101, version="sha256:other")
    assert same(long)
    assert reopened(long).standing("iris").torn == {}


def test_events_that_went_are_forgotten(long: DiskStore):
    last = long.history("iris").heads[0].partition(":")[2]
    os.unlink(long.files.path(f"models/iris/events/{last}.json"))
    assert same(long)
    assert reopened(long).standing("iris").stages.get("sha256:59") is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]\n[]", b'{"stamp": 3}', b"\x00" * 100, b'{"stamp":[1,2],"seen_ns":1}\n3']
)
def test_what_is_remembered_may_be_anything(long: DiskStore, content: bytes):
    Path(long.files.path(".cache/registry/iris-events.json")).write_bytes(content)
    assert same(long)


def test_what_is_remembered_may_be_gone_or_never_have_been_writable(long: DiskStore):
    shutil.rmtree(long.files.path(".cache"))
    os.symlink("/dev/null", long.files.path(".cache"))
    assert same(long)


def test_a_history_that_was_remembered_while_others_wrote_is_not_trusted(long: DiskStore):
    os.utime(long.files.path("models/iris/events"))
    reopened(long).standing("iris")
    now = os.stat(long.files.path("models/iris/events"))
    told(long, long.history("iris").heads, 60)
    os.utime(long.files.path("models/iris/events"), ns=(now.st_atime_ns, now.st_mtime_ns))
    assert same(long)
