"""TinyDB over a directory of documents: it behaves as TinyDB, and writes only what changed."""

from __future__ import annotations

import importlib.metadata
import os
import pwd
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pytest
from tinydb import Query, operations, where
from tinydb.table import Document

from mlcli.errors import Corrupt
from mlcli.store.directory import DocumentDir
from mlcli.store.documents import DocumentDB, NamedDB
from mlcli.store.files import Files


class Plain:
    """Documents as plain JSON, without seal."""

    def encode(self, document):
        return msgspec.json.encode(document)

    def decode(self, data, where):
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise Corrupt(f"{where} is not readable") from None


def over(files: Files, kind=DocumentDB):
    """A database over directories below `tables/`."""
    made: dict[str, DocumentDir] = {}

    def table(name: str) -> DocumentDir:
        return made.setdefault(name, DocumentDir(files, f"tables/{name}", Plain()))

    return kind(table, lambda: sorted(name for name in files.names("tables") if files.names(f"tables/{name}")))


@pytest.fixture
def db(files: Files) -> DocumentDB:
    made = over(files)
    made.insert_multiple({"int": 1, "char": char} for char in "abc")
    return made


@pytest.fixture
def named(files: Files):
    table = over(files, NamedDB).table("runs")
    table.keep("3f2a", {"name": "baseline", "params": {"lr": 0.1}})
    table.keep("7e55", {"name": "wide", "params": {"lr": 0.2}})
    return table


def test_each_document_is_a_file_of_its_own(db, files: Files):
    assert sorted(files.names("tables/_default")) == ["1.json", "2.json", "3.json"]
    assert files.read("tables/_default/2.json") == b'{"int":1,"char":"b"}'


def test_what_one_process_wrote_another_reads(db, files: Files):
    assert over(files).all() == [{"int": 1, "char": "a"}, {"int": 1, "char": "b"}, {"int": 1, "char": "c"}]


def test_a_search_finds_what_another_process_wrote_since(db, files: Files):
    before = db.search(where("char") == "d")
    over(files).insert({"char": "d"})
    assert (before, db.search(where("char") == "d")) == ([], [{"char": "d"}])


def test_ids_go_on_where_another_process_left_off(db, files: Files):
    assert [over(files).insert({}), over(files).insert({}), over(files).insert(Document({}, 12)), over(files).insert({})] == [
        4, 5, 12, 13,
    ]  # fmt: skip


def test_get_finds_by_id_and_by_condition(db):
    assert (db.get(doc_id=2), db.get(where("char") == "c"), db.get(doc_id=9), db.get(where("char") == "z")) == (
        {"int": 1, "char": "b"}, {"int": 1, "char": "c"}, None, None,
    )  # fmt: skip


def test_contains_and_count_agree_with_search(db):
    condition = (where("char") == "a") | (where("char") == "b")
    assert (db.count(condition), db.contains(condition), db.contains(doc_id=3), len(db)) == (2, True, True, 3)


def test_queries_reach_into_nested_values(files: Files):
    made = over(files)
    made.insert({"metrics": {"accuracy": {"last": 0.97}}, "tags": ["x", "y"]})
    made.insert({"metrics": {"loss": {"last": 0.1}}, "tags": []})
    run = Query()
    assert made.count(run.metrics.accuracy.last > 0.9) == 1
    assert made.count(run.tags.any(["y"])) == 1
    assert made.count(~run.metrics.accuracy.exists()) == 1


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"int": 2}, {"int": 2, "char": "a"}),
        (operations.increment("int"), {"int": 2, "char": "a"}),
        (operations.decrement("int"), {"int": 0, "char": "a"}),
        (operations.add("int", 5), {"int": 6, "char": "a"}),
        (operations.subtract("int", 5), {"int": -4, "char": "a"}),
        (operations.set("char", "x"), {"int": 1, "char": "x"}),
        (operations.delete("int"), {"char": "a"}),
    ],
)
def test_update_changes_only_what_the_condition_names(db, change, after):
    assert db.update(change, where("char") == "a") == [1]
    assert db.all() == [after, {"int": 1, "char": "b"}, {"int": 1, "char": "c"}]


def test_update_writes_only_documents_that_changed(db, files: Files):
    before = [os.stat(files.path(f"tables/_default/{number}.json")).st_ino for number in (1, 2, 3)]
    db.update({"char": "b"})
    after = [os.stat(files.path(f"tables/_default/{number}.json")).st_ino for number in (1, 2, 3)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, False]


def test_upsert_updates_what_is_there_and_inserts_what_is_not(db):
    assert db.upsert({"int": 9, "char": "a"}, where("char") == "a") == [1]
    assert db.upsert({"int": 9, "char": "z"}, where("char") == "z") == [4]
    assert [document["int"] for document in db] == [9, 1, 1, 9]


def test_a_removed_document_goes_to_the_trash(db, files: Files):
    assert db.remove(where("char") == "b") == [2]
    assert (len(db), files.read("trash/tables/_default/2.json")) == (2, b'{"int":1,"char":"b"}')


def test_truncating_and_dropping_leave_nothing_behind(db):
    db.table("other").insert({"a": 1})
    db.truncate()
    db.drop_table("other")
    assert (db.all(), db.tables()) == ([], set())


def test_an_id_that_is_taken_is_refused_and_nothing_is_written(db, files: Files):
    with pytest.raises(ValueError, match="Document with ID 1 already exists"):
        db.insert(Document({"new": True}, 1))
    assert files.read("tables/_default/1.json") == b'{"int":1,"char":"a"}'


def test_an_id_that_another_process_took_in_between_is_refused(named, files: Files):
    files.create("tables/runs/aa.json", b'{"mine":1}')
    with pytest.raises(ValueError, match="aa already exists"):
        named.keep("aa", {"theirs": 1})
    assert files.read("tables/runs/aa.json") == b'{"mine":1}'


def test_a_named_document_is_found_by_its_name(named):
    assert (named.named("3f2a"), named.named("zz")) == ({"name": "baseline", "params": {"lr": 0.1}}, None)


def test_revising_replaces_a_document_and_says_whether_there_was_one(named):
    told = [named.revise(name, lambda document: {"name": document["name"].upper()}) for name in ("3f2a", "zz")]
    assert (told, named.named("3f2a"), named.named("7e55")["name"]) == ([True, False], {"name": "BASELINE"}, "wide")


def test_discarding_says_whether_there_was_something(named):
    assert [named.discard("3f2a"), named.discard("3f2a")] == [True, False]


def test_a_document_that_cannot_be_read_hides_no_other(named, files: Files):
    files.create("tables/runs/bad.json", b"{")
    found, problems = named.matching(None)
    assert (list(found), [problem.message for problem in problems]) == (
        ["3f2a", "7e55"], [".mlruns/tables/runs/bad.json is not readable"],
    )  # fmt: skip


def test_problems_of_one_search_are_not_told_again_by_the_next(named, files: Files):
    files.create("tables/runs/bad.json", b"{")
    named.matching(None)
    files.move("tables/runs/bad.json", "trash/bad.json")
    assert named.matching(None)[1] == []


def test_other_files_in_the_directory_are_no_documents(db, files: Files):
    files.create("tables/_default/4.json.swp", b"x")
    files.create("tables/_default/README", b"x")
    assert len(db.all()) == 3


def test_a_sharded_directory_lists_only_the_shards_that_can_hold_a_prefix(files: Files):
    table = DocumentDir(files, "runs", Plain(), shard=2)
    table["3f2a"] = {"a": 1}
    table["3f9b"] = {"a": 2}
    table["7e55"] = {"a": 3}
    files.create("runs/3f/7eXX.json", b"{}")
    assert [table.keys_from(prefix) for prefix in ("", "3", "3f", "3f9", "7e5", "8")] == [
        ["3f2a", "3f9b", "7e55", "7eXX"],
        ["3f2a", "3f9b"], ["3f2a", "3f9b"], ["3f9b"], ["7e55"], [],
    ]  # fmt: skip


UPSTREAM_CONFTEST = """
import sys
sys.path.insert(0, {here!r})
import pytest
from tinydb.middlewares import CachingMiddleware
from tinydb.storages import MemoryStorage
from test_store_documents import over
from mlcli.store.files import Files

@pytest.fixture
def db(tmp_path):
    files = Files(str(tmp_path / "store"), sync=False)
    files.make_directory("tables")
    made = over(files)
    made.insert_multiple({{"int": 1, "char": c}} for c in "abc")
    yield made

@pytest.fixture
def storage():
    return CachingMiddleware(MemoryStorage)()
"""

# What is another on purpose: queries are not cached, as another process may write at any time; an empty table is no
# directory; and a table is called what it is.
DIFFERENT = (
    "test_query_cache", "test_query_cache_size", "test_lru_cache", "test_search", "test_search_path",
    "test_persist_table", "test_table_repr",
)  # fmt: skip


@pytest.mark.slow
def test_the_tests_of_tinydb_itself_pass(tmp_path: Path):
    release = f"tinydb=={importlib.metadata.version('tinydb')}"
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(tmp_path), release],
        env={**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir},  # pip's cache saves most of a minute
        capture_output=True, check=False,
    )  # fmt: skip
    if fetched.returncode:
        pytest.skip("the source of TinyDB cannot be fetched here")
    with tarfile.open(next(tmp_path.glob("tinydb-*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(tmp_path)
    tests = next(tmp_path.glob("tinydb-*/tests"))
    (tests / "conftest.py").write_text(UPSTREAM_CONFTEST.format(here=str(Path(__file__).parent)))
    (tests.parent / "pyproject.toml").unlink()
    names = [str(tests / name) for name in ("test_tables.py", "test_tinydb.py", "test_operations.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tests), *names],
        capture_output=True, text=True, check=False, cwd=tests.parent,
    )  # fmt: skip
    failed = {line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == set(DIFFERENT), done.stdout[-3000:]
    assert " passed" in done.stdout
