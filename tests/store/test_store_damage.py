"""A store with something wrong in it: what is damaged is told, and hides nothing else."""

from __future__ import annotations

import math
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.domain.query import parse
from mlcli.domain.run import MetricPoint
from mlcli.errors import BadStore, Corrupt, NewerFormat
from mlcli.store import schema, search
from mlcli.store.disk import DiskStore
from mlcli.store.index import Index

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
BAD = "3f" + "b" * 30
WHERE = f".mlruns/runs/3f/{BAD}.json"


@pytest.fixture(params=["scanned", "indexed"])
def store(request, tmp_path: Path) -> DiskStore:
    """A store on disk, with an index and without one."""
    made = DiskStore(str(tmp_path / ".mlruns"), sync=False)
    made.make()
    made.files.make_directory(".cache")
    request.param == "indexed" and Index(
        made.files.path(search.INDEX), made.runs.directory, made.files.path("runs")
    ).close()
    return made


@pytest.fixture
def good(store, a_run):
    run = a_run()
    store.add_run(run)
    return run


DAMAGED = {
    "nan": (b'{"v":NaN}', f"{WHERE} is not readable as JSON: invalid character (byte 5)"),
    "bom": (b"\xef\xbb\xbf{}", f"{WHERE} is not readable as JSON: JSON is malformed: invalid character (byte 0)"),
    "empty": (b"", f"{WHERE} is empty"),
    "zeros": (b"\0" * 4096, f"{WHERE} holds only zero bytes"),
    "merge": (b"<<<<<<< HEAD\n{}\n=======\n", f"{WHERE} holds an unresolved merge"),
    "deep": (b"[" * 100_000, f"{WHERE} is not readable as JSON: it is nested too deeply"),
    "list": (b"[]", f"{WHERE} holds no JSON object"),
    "foreign": (b'{"params": []}', f"{WHERE} is not a run document of mlcli"),
    "newer": (b'{"format": 99}', f"{WHERE} has format 99; this mlcli knows formats up to 1"),
    "unsealed": (b'{"format": 1, "kind": "run"}', f"{WHERE} was edited or damaged: its digest does not match its content"),
    "shape": (
        schema.encode(schema.sealed("run", {"params": []})),
        f"{WHERE} does not have the shape of a run: Expected `object`, got `array` - at `$.params`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_run_is_told_and_all_others_are_listed(store, good, kind: str):
    data, told = DAMAGED[kind]
    store.files.create(f"runs/3f/{BAD}.json", data)
    found = store.find_runs()
    assert found.runs == [good]
    assert [
        problem.message.partition(" (byte")[0].replace("JSON is malformed: ", "") for problem in found.problems
    ] == [told.partition(" (byte")[0].replace("JSON is malformed: ", "")]


def test_a_damaged_run_is_told_when_it_is_asked_for(store, good):
    store.files.create(f"runs/3f/{BAD}.json", b"")
    with pytest.raises(Corrupt, match=f"{WHERE} is empty"):
        store.run(BAD)
    with pytest.raises(Corrupt, match=f"{WHERE} is empty"):
        store.change_run(BAD, lambda run: run)
    assert store.files.read(f"runs/3f/{BAD}.json") == b""


def test_a_run_of_a_newer_format_is_never_rewritten(store, good):
    store.files.create(f"runs/3f/{BAD}.json", b'{"format": 99}')
    with pytest.raises(NewerFormat):
        store.change_run(BAD, lambda run: run)
    assert store.files.read(f"runs/3f/{BAD}.json") == b'{"format": 99}'


def test_a_run_whose_document_is_a_link_is_told(store, good, tmp_path: Path):
    os.symlink("/etc/passwd", store.files.path(f"runs/3f/{BAD}.json"))
    found = store.find_runs()
    assert (found.runs, [problem.message for problem in found.problems]) == ([good], [f"{WHERE} is a symbolic link"])


def test_a_damaged_run_that_is_mended_is_a_run_again(store, good, a_run):
    other = a_run(id=BAD)
    store.add_run(other)
    whole = store.files.read(f"runs/3f/{BAD}.json")
    store.files.replace(f"runs/3f/{BAD}.json", whole[:-9])
    before = store.find_runs()
    store.files.replace(f"runs/3f/{BAD}.json", whole)
    after = store.find_runs()
    assert ([run.id for run in before.runs], len(before.problems)) == ([good.id], 1)
    assert ({run.id for run in after.runs}, after.problems) == ({good.id, BAD}, [])


# Metrics


def points(*values: float) -> list[MetricPoint]:
    return [MetricPoint("loss", value, step, AT) for step, value in enumerate(values)]


def values(store, run) -> list[float]:
    return [point.value for point in store.points(run.id)]


@pytest.fixture
def history(store, good) -> Path:
    """The metric history of the good run, three points long."""
    store.add_points(good.id, points(0.3, 0.2, 0.1))
    return Path(store.files.path(f"runs/3f/{good.id}/metrics.jsonl"))


@pytest.mark.parametrize("torn", range(1, 40, 6))
def test_a_torn_last_line_costs_no_other_and_the_next_begins_on_its_own(store, good, history, torn: int):
    history.write_bytes(history.read_bytes()[:-torn])
    assert values(store, good)[:2] == [0.3, 0.2]
    store.add_points(good.id, points(9.0))
    assert [values(store, good)[:2], values(store, good)[-1]] == [[0.3, 0.2], 9.0]


def test_a_flipped_byte_costs_its_line_only(store, good, history):
    history.write_bytes(history.read_bytes().replace(b"0.2", b"0.7"))
    assert values(store, good) == [0.3, 0.1]


def test_line_ends_of_another_system_do_not_matter(store, good, history):
    history.write_bytes(history.read_bytes().replace(b"\n", b"\r\n"))
    assert values(store, good) == [0.3, 0.2, 0.1]


def test_pages_that_a_power_loss_left_unwritten_are_passed_over(store, good, history):
    history.write_bytes(history.read_bytes() + b"\0" * 4096)
    store.add_points(good.id, points(9.0))
    assert values(store, good)[:3] == [0.3, 0.2, 0.1]
    assert values(store, good)[-1] == 9.0


@pytest.mark.parametrize(
    ("make", "told"),
    [(lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link"), (os.mkfifo, "is not a file")],
)
def test_a_history_that_is_no_file_is_not_read(store, good, history, make, told: str):
    history.unlink()
    make(history)
    with pytest.raises(Corrupt, match=told):
        store.points(good.id)


# The index: whatever becomes of it, the answers stay


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"garbage" * 999),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/dev/null")),
    ],
    ids=["gone", "empty", "garbage", "cut", "directory", "link"],
)
def test_an_index_that_is_harmed_changes_no_answer(store, good, harm):
    store.files.exists(search.INDEX) or store.files.create(search.INDEX, b"")
    before = store.find_runs(parse("name = 'able-adder'", AT))
    harm(Path(store.files.path(search.INDEX)))
    again = DiskStore(store.root, sync=False)
    assert [again.find_runs(parse("name = 'able-adder'", AT)) for _ in range(2)] == [before, before]
    assert before.runs == [good]


def test_what_is_written_right_after_a_search_is_found_by_the_next(store, good):
    assert store.find_runs(parse("note = 'new'", AT)).runs == []
    changed = store.change_run(good.id, lambda run: replace(run, note="new"))
    assert store.find_runs(parse("note = 'new'", AT)).runs == [changed]
    newer = store.change_run(good.id, lambda run: replace(run, note="old"))
    assert store.find_runs(parse("note = 'new'", AT)).runs == []
    assert store.find_runs(whole=False).runs[0].note == newer.note


# What stands where a store should be


def made(path: Path) -> DiskStore:
    store = DiskStore(str(path), sync=False)
    store.make()
    return store


def test_there_is_no_store_before_it_is_made(tmp_path: Path):
    store = DiskStore(str(tmp_path / ".mlruns"))
    assert (store.is_made(), (tmp_path / ".mlruns").exists()) == (False, False)


def test_making_a_store_twice_makes_one(tmp_path: Path):
    first, second = made(tmp_path / ".mlruns"), made(tmp_path / ".mlruns")
    assert (first.is_made(), second.is_made()) == (True, True)
    assert sorted(os.listdir(tmp_path / ".mlruns")) == [".cache", ".gitignore", "store.json"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("x"), "is a file, not a store"),
        (lambda path: path.symlink_to(path.parent), "is a symbolic link, and mlcli follows no link into a store"),
    ],
)
def test_what_is_no_store_is_told_and_left_alone(tmp_path: Path, make, told: str):
    make(tmp_path / ".mlruns")
    with pytest.raises(BadStore, match=told):
        DiskStore(str(tmp_path / ".mlruns")).is_made()


def test_runs_without_the_stores_own_file_are_a_store(tmp_path: Path):
    (tmp_path / ".mlruns" / "runs" / "3f").mkdir(parents=True)
    assert DiskStore(str(tmp_path / ".mlruns")).is_made()


def test_a_store_of_a_newer_mlcli_is_refused(tmp_path: Path):
    store = made(tmp_path / ".mlruns")
    store.files.replace("store.json", b'{"format": 2, "kind": "store"}')
    with pytest.raises(NewerFormat, match=r"store.json has format 2; this mlcli knows formats up to 1"):
        store.is_made()


def test_a_store_can_be_moved(tmp_path: Path, a_run):
    made(tmp_path / "here").add_run(a_run(note="x", metrics={}))
    (tmp_path / "here").rename(tmp_path / "there")
    assert DiskStore(str(tmp_path / "there")).find_runs().runs == [a_run(note="x")]


def test_numbers_that_are_no_numbers_are_kept(store, good):
    store.add_points(good.id, points(math.nan, math.inf))
    assert [str(value) for value in values(store, good)] == ["nan", "inf"]
