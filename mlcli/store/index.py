"""A derived index of run documents, so that searching 100,000 runs reads a handful of them.

It may be deleted, stale or locked at any moment without changing an answer: documents are the truth. What
changed is found by the times of the 256 directories that run documents lie in, as every writer renames; the index only
narrows what is looked at, TinyDB's query decides; and each document that is answered is looked at once more.
The only module that knows SQLite.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..domain import digest
from ..domain.order import Sort
from ..domain.query import Both, Compare, Either, Filter
from ..errors import Corrupt, MlcliError
from .entries import EXACT, RACY_NS, Known, ShardEntries, ShardReader, pairs_of
from .schema import Document

if TYPE_CHECKING:
    from .directory import DocumentDir

VERSION = 3
_TABLES = """
create table shard (name text primary key, mtime_ns int, ino int, seen_ns int) without rowid;
create table run (n integer primary key, id text unique, started text, name text, live int, mtime_ns int, size int,
                  ino int, crc int, doc blob, problem text);
create table key (k integer primary key, name text unique);
create table value (k int, v, n int);
create index run_started on run (started, id);
create index run_name on run (name);
create index run_live on run (id) where live;
create index run_problem on run (id) where problem is not null;
"""
_VALUE_INDEX = "create index value_kvn on value (k, v, n)"
_OPERATORS = {"=": "=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


class Unusable(Exception):
    """The index cannot be used now; the documents themselves can. A damaged one is of no use later either."""

    def __init__(self, why: str, *, damaged: bool = True) -> None:
        super().__init__(why)
        self.damaged = damaged


class Entry(msgspec.Struct, frozen=True):
    """One run as the index knows it: its document without bulky parts, and the stamp of the file it was read from."""

    run_id: str
    document: Document
    stamp: tuple[int, int, int]


class Index:
    """The index file of one store's runs."""

    def __init__(self, path: str, runs: DocumentDir, top: str) -> None:
        import sqlite3

        self.path, self.runs, self.top = path, runs, top
        self.errors, self.passing = sqlite3.Error, sqlite3.OperationalError
        self.connection = self._opened(sqlite3)

    def fault(self, error: Exception) -> Unusable:
        """What an error of SQLite says of the index: locked and read-only pass, all else is damage."""
        return Unusable(str(error), damaged=not isinstance(error, self.passing))

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def search(self, filter_: Filter | None, sort: Sort, matches: Callable[[Document], bool]) -> Iterator[Entry]:
        """The runs that match, in order, read as far as they are asked for. Runs that still run are left to `live`."""
        narrow, values = _narrowed(filter_, self._key) if filter_ else ("", [])
        for statement, arguments in self._in_order(sort, f"and r.n in ({narrow})" if narrow else "", values):
            for n, run_id, mtime_ns, size, ino, crc, blob in self.connection.execute(statement, arguments):
                if zlib.crc32(blob) != crc:
                    raise Unusable(f"entry {n} is damaged")
                document = msgspec.msgpack.decode(blob)
                if matches(document):
                    yield Entry(run_id, document, (mtime_ns, size, ino))

    def marked(
        self, mark: str, values: Iterable[str], before: datetime | None = None, each: int | None = None
    ) -> list[str]:
        """The ids of the runs that had one of these marks when they were read; of each the newest run first."""
        key = self._key(f"is:{mark}")
        found: list[str] = []
        until = f"{before:%Y-%m-%dT%H:%M:%S.%fZ}" if before else "~"
        for value in values:
            rows = self.connection.execute(
                "select r.id from value v join run r on r.n = v.n where v.k = ? and v.v = ? and r.started <= ?"
                " order by r.started desc limit ?",
                (key, value, until, -1 if each is None else each),
            )
            found += [row[0] for row in rows]
        return found

    def values_from(self, marks: Iterable[str], prefix: str) -> set[str]:
        """What these marks say of runs that begins with `prefix`."""
        keys = [self._key(f"is:{mark}") for mark in marks]
        statement = "select distinct v from value where k = ? and v >= ? and v < ?"
        return {row[0] for key in keys for row in self.connection.execute(statement, (key, prefix, f"{prefix}~"))}

    def live(self) -> list[str]:
        """The ids of runs that had not ended when they were read."""
        return [
            row[0]
            for row in self.connection.execute("select id from run indexed by run_live where live and problem is null")
        ]

    def problems(self) -> list[MlcliError]:
        """What could not be read."""
        rows = self.connection.execute(
            "select problem from run indexed by run_problem where problem is not null order by id"
        )
        return [Corrupt(row[0], "mlcli doctor") for row in rows]

    def can_sort(self, sort: Sort) -> bool:
        """Whether the index knows this order."""
        return sort.field[0] in {"started", "metrics"}

    def _in_order(self, sort: Sort, narrowed: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
        columns = "select r.n, r.id, r.mtime_ns, r.size, r.ino, r.crc, r.doc from"
        usable = f"not r.live and r.problem is null {narrowed}"
        direction = "desc" if sort.descending else "asc"
        if sort.field[0] != "metrics":
            by = direction if sort.field[0] == "started" else "desc"
            yield f"{columns} run r where {usable} order by r.started {by}, r.id desc", values
            return
        key = self._key(f"m:{sort.field[1]}")
        with_value = f"value v cross join run r on r.n = v.n where v.k = ? and typeof(v.v) != 'text' and {usable}"
        yield f"{columns} {with_value} order by v.v {direction}, r.started desc, r.id desc", [key, *values]
        without = f"run r where r.n not in (select n from value where k = ? and typeof(v) != 'text') and {usable}"
        yield f"{columns} {without} order by r.started desc, r.id desc", [key, *values]

    def _key(self, name: str) -> int:
        row = self.connection.execute("select k from key where name = ?", (name,)).fetchone()
        return row[0] if row else -1

    # Keeping up

    def refresh(self) -> None:
        """Take in what was written since; reads only documents in directories whose time has changed."""
        now = time.time_ns()
        found = {name: (stamp.st_mtime_ns, stamp.st_ino) for name, stamp in self._shards()}
        rows = self.connection.execute("select name, mtime_ns, ino, seen_ns from shard")
        known = {name: (mtime_ns, ino, seen_ns) for name, mtime_ns, ino, seen_ns in rows}
        changed = [
            name
            for name, stamp in found.items()
            if name not in known or known[name][:2] != stamp or known[name][2] - stamp[0] < RACY_NS
        ]
        gone = [name for name in known if name not in found]
        if not changed and not gone:
            return
        self.connection.execute("begin immediate")
        try:
            bulk = self._prepare_bulk(len(changed))
            reader = ShardReader(self.runs, self.top)
            for entries in reader.read_all(changed) if bulk else ():
                self._take(entries, {})
            for name in () if bulk else changed:
                runs = self._known_of(name)
                self._take(reader.read(name, runs, seen=known[name][2] if name in known else 0), runs)
            stamps = [(name, *found[name], now) for name in changed]
            self.connection.executemany("insert or replace into shard values (?, ?, ?, ?)", stamps)
            for name in gone:
                self._forget(n for n, *_ in self._known_of(name).values())
                self.connection.execute("delete from shard where name = ?", (name,))
            if bulk:
                self.connection.execute(_VALUE_INDEX)
            self.connection.execute("commit")
        except BaseException:
            self.connection.execute("rollback")
            raise

    def _prepare_bulk(self, changed: int) -> bool:
        """Before a great many rows are added to an empty index: its largest index is made afterwards, in one go."""
        if changed < 64 or self.connection.execute("select 1 from run limit 1").fetchone():
            return False
        digest.expect_many()
        self.connection.execute("drop index if exists value_kvn")
        return True

    def _shards(self) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(self.top) as entries:
                for entry in entries:
                    if len(entry.name) == self.runs.shard:
                        yield entry.name, os.stat(entry.path)
        except FileNotFoundError:
            return

    def _take(self, found: ShardEntries, known: dict[str, Known]) -> None:
        """Put what was read of one shard in place of what was known of it."""
        rows: list[tuple[Any, ...]] = []
        values: list[tuple[int, Any, int]] = []
        keys: dict[str, int] = dict(self.connection.execute("select name, k from key"))
        number = (self.connection.execute("select max(n) from run").fetchone()[0] or 0) + 1
        for entry in found.changed:
            run_id, stamp, started, name, live, crc, blob, problem, pairs = entry
            if run_id in known:
                self._forget([known[run_id][0]])
            rows.append((number, run_id, started, name, live, *stamp, crc, blob, problem))
            for field, value in pairs:
                key = keys.get(field)
                if key is None:
                    key = keys[field] = len(keys) + 1
                values.append((key, value, number))
            number += 1
        self._forget(known[run_id][0] for run_id in found.gone)
        self.connection.executemany("insert into run values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.connection.executemany("insert or ignore into key values (?, ?)", [(k, name) for name, k in keys.items()])
        self.connection.executemany("insert into value values (?, ?, ?)", values)

    def _known_of(self, shard: str) -> dict[str, Known]:
        rows = self.connection.execute(
            "select n, id, crc, mtime_ns, size, ino from run where id >= ? and id < ?", (shard, f"{shard}~")
        )
        return {run_id: (n, crc, (mtime_ns, size, ino)) for n, run_id, crc, mtime_ns, size, ino in rows}

    def _forget(self, numbers: Any) -> None:
        for n in list(numbers):
            row = self.connection.execute("select doc from run where n = ?", (n,)).fetchone()
            if row and row[0]:
                for name, value in pairs_of(msgspec.msgpack.decode(row[0])):
                    self.connection.execute(
                        "delete from value where k = ? and v = ? and n = ?", (self._key(name), value, n)
                    )
            self.connection.execute("delete from run where n = ?", (n,))

    def _opened(self, sqlite3: Any) -> Any:
        if os.path.islink(self.path):
            raise Unusable("it is a symbolic link")
        try:
            connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None)
        except sqlite3.Error as error:
            raise self.fault(error) from None
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self.fault(error) from None
        except Unusable:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Any) -> None:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=off")
        connection.execute("pragma cache_size=-32768")
        (version,) = connection.execute("pragma user_version").fetchone()
        if version != VERSION:
            if connection.execute("select 1 from sqlite_master").fetchone():
                raise Unusable("it is of another version")
            connection.executescript(
                f"begin immediate; {_TABLES} {_VALUE_INDEX}; pragma user_version={VERSION}; commit;"
            )


def _narrowed(filter_: Filter, key: Callable[[str], int]) -> tuple[str, list[Any]]:
    """A query for the numbers of all runs that may match, and its arguments; '' where it cannot be narrowed."""
    if isinstance(filter_, Compare):
        return _narrowed_by(filter_, key)
    if not isinstance(filter_, Both | Either):
        return "", []
    (left, with_left), (right, with_right) = _narrowed(filter_.left, key), _narrowed(filter_.right, key)
    if left and right:
        word = "intersect" if isinstance(filter_, Both) else "union"
        return f"select n from ({left}) {word} select n from ({right})", with_left + with_right
    if isinstance(filter_, Either):
        return "", []
    return (left, with_left) if left else (right, with_right)


def _narrowed_by(compare: Compare, key: Callable[[str], int]) -> tuple[str, list[Any]]:
    group = compare.field[0]
    wanted = list(compare.value) if compare.op == "in" else [compare.value]
    if group == "metrics" and all(isinstance(value, int | float) and not isinstance(value, bool) for value in wanted):
        name = f"m:{compare.field[1]}"
    elif group == "params" and (compare.op in {"=", "in"} or isinstance(compare.value, int | float)):
        name, wanted = f"p:{compare.field[1]}", [each for value in wanted for each in _spellings(value)]
    elif group == "name" and compare.op in {"=", "in"}:
        return f"select n from run where name in ({', '.join('?' * len(wanted))})", wanted
    else:
        return "", []
    if any(isinstance(value, int | float) and abs(value) > EXACT for value in wanted):
        return "", []  # as the index rounds what is greater
    number = key(name)
    if compare.op in {"=", "in"}:
        return f"select n from value where k = ? and v in ({', '.join('?' * len(wanted))})", [number, *wanted]
    if compare.op not in _OPERATORS or len(wanted) != 1:
        return "", []
    return f"select n from value where k = ? and v {_OPERATORS[compare.op]} ?", [number, *wanted]


def _spellings(value: Any) -> list[Any]:
    """A param's literal, and the number that a quoted one may spell: params.depth = "5" finds 5."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if not isinstance(value, str):
        return [value]
    try:
        return [value, float(value)]
    except ValueError:
        return [value]
