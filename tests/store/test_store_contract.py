"""What every store promises: on disk, on disk with its index, and in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlcli.domain.history import Action, Event, Holder
from mlcli.domain.model import ModelVersion
from mlcli.domain.observed import Output
from mlcli.domain.order import Sort, parse_sort
from mlcli.domain.query import parse
from mlcli.domain.reproduction import Reproduction
from mlcli.domain.run import Artifact, Input, Metric, MetricPoint, Model, Param, ParamSource, Run, RunStatus
from mlcli.domain.source import Command, GitState, Person, Process, Snapshot
from mlcli.domain.stage import Stage
from mlcli.errors import Corrupt, InvalidName, InvalidValue, Missing, NotFound
from mlcli.store import search
from mlcli.store.disk import DiskStore
from mlcli.store.index import Index
from mlcli.store.memory import MemoryStore

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
ADA = Person(name="Ada Lovelace", email="ada@example.com")
OURS = Process(pid=1, host="here")


def on_disk(root: str, is_alive: Callable[[Process], bool]) -> DiskStore:
    store = DiskStore(root, sync=False, is_alive=is_alive)
    store.make()
    return store


def indexed(root: str, is_alive: Callable[[Process], bool]) -> DiskStore:
    store = on_disk(root, is_alive)
    store.files.make_directory(".cache")
    Index(store.files.path(search.INDEX), store.runs.directory, store.files.path("runs")).close()
    return store


def in_memory(root: str, is_alive: Callable[[Process], bool]) -> MemoryStore:
    os.mkdir(root)
    return MemoryStore(root, is_alive=is_alive)


KINDS = [on_disk, indexed, in_memory]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def store(request, tmp_path: Path):
    return request.param(str(tmp_path / "store"), lambda process: process == OURS)


def run_id(number: int) -> str:
    """Ids that fall into different shards."""
    return f"{number * 0x3F2A9C1D % 2**32:08x}" + "0" * 24


def point(metric: str, value: float, step: int = 0, seconds: int = 0) -> MetricPoint:
    return MetricPoint(metric, value, step, AT + timedelta(seconds=seconds))


def metric(value: float, step: int = 0) -> Metric:
    return Metric(last=value, step=step, at=AT, min=value, min_step=step, max=value, max_step=step, count=1)


@pytest.fixture
def three(store, a_run) -> list[Run]:
    """Three runs, a minute apart, the newest last."""
    runs = [
        a_run(id=run_id(1), name="first", params={"lr": Param(0.1, ParamSource.LOGGED)}, metrics={"acc": metric(0.7)}),
        a_run(id=run_id(2), name="second", status=RunStatus.FAILED, metrics={"acc": metric(math.nan)}),
        a_run(
            id=run_id(3), name="third", params={"lr": Param("high", ParamSource.LOGGED)}, metrics={"acc": metric(0.9)}
        ),
    ]
    runs = [replace(run, started_at=AT + timedelta(minutes=at)) for at, run in enumerate(runs)]
    store.add_run(runs[0])
    store.add_run(runs[1])
    store.add_run(runs[2])
    return runs


# Runs


def test_a_run_reads_back_as_it_was_kept(store, a_run):
    run = a_run(params={"lr": Param(0.1, ParamSource.LOGGED), "layers": Param([1, {"a": None}], ParamSource.DECLARED)})
    store.add_run(run)
    assert store.run(run.id) == run


def test_a_run_that_is_not_there_is_not_found(store, a_run):
    with pytest.raises(NotFound, match="no run has the id 'ab'"):
        store.run("ab")
    with pytest.raises(NotFound, match="no run has the id 'ab'"):
        store.change_run("ab", lambda run: run)
    with pytest.raises(NotFound, match="no run has the id 'ab'"):
        store.remove_run("ab")


def test_an_id_is_given_once(store, a_run):
    store.add_run(a_run(name="mine"))
    with pytest.raises(ValueError, match="already exists"):
        store.add_run(a_run(name="theirs"))
    assert store.run(a_run().id).name == "mine"


def test_ids_are_found_by_any_prefix(store, three):
    first = three[0].id
    assert (store.run_ids(first), store.run_ids(first[:1]), store.run_ids(first[:3]), store.run_ids("zz")) == (
        [first], [first], [first], [],
    )  # fmt: skip
    assert store.run_ids() == sorted(run.id for run in three)


def test_runs_are_found_newest_first(store, three):
    assert [run.name for run in store.find_runs().runs] == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("started", ["first", "second", "third"]),
        ("started:desc", ["third", "second", "first"]),
        ("name:desc", ["third", "second", "first"]),
        ("status", ["second", "third", "first"]),
        ("metrics.acc", ["first", "third", "second"]),
        ("metrics.acc:desc", ["third", "first", "second"]),
        ("params.lr", ["first", "third", "second"]),
        ("params.lr:desc", ["third", "first", "second"]),
        ("metrics.none", ["third", "second", "first"]),
    ],
)
def test_runs_are_found_in_the_order_that_is_asked_for_those_without_a_value_last(store, three, sort, names):
    assert [run.name for run in store.find_runs(sort=parse_sort(sort)).runs] == names


@pytest.mark.parametrize(("limit", "names"), [(0, []), (2, ["third", "second"]), (9, ["third", "second", "first"])])
def test_no_more_runs_are_found_than_asked_for(store, three, limit, names):
    assert [run.name for run in store.find_runs(limit=limit).runs] == names


def test_a_run_that_is_not_wanted_whole_still_has_its_params_and_metrics(store, three):
    found = store.find_runs(whole=False, limit=1).runs[0]
    assert (found.id, found.params, found.metrics) == (three[2].id, three[2].params, three[2].metrics)


def test_a_run_is_found_with_what_it_was_made_from(store, a_run):
    run = a_run(inputs=[Input(path="data/train.csv", size=1, digest=f"sha256:{'0' * 64}", kept=True)])
    store.add_run(run)
    assert (store.find_runs().runs, store.find_runs(whole=False).runs[0].name) == ([run], run.name)


def test_runs_are_found_by_what_they_read_and_wrote_and_by_their_command(store, three):
    digest = f"sha256:{'ab' * 32}"
    store.change_run(three[0].id, lambda run: replace(run, outputs=[Output(path="m", size=1, digest=digest)]))
    store.change_run(three[2].id, lambda run: replace(run, inputs=[Input(path="m", size=1, digest=digest)]))
    other = Command(argv=["python", "other.py"])
    store.change_run(three[1].id, lambda run: replace(run, command=other))

    def names(mark, *values, limit=None):
        return [run.name for run in store.marked_runs(mark, values, limit=limit)]

    check = three[0].command.check
    assert (names("output", digest), names("input", digest), names("input")) == (["first"], ["third"], [])
    assert (names("command", check), names("command", other.check)) == (["third", "first"], ["second"])
    assert (names("command", check, limit=1), names("command", check, limit=5)) == (["third"], ["third", "first"])
    assert names("command", check, other.check) == ["third", "second", "first"]


def test_runs_are_found_by_a_mark_as_it_was_before_a_time(store, three):
    check, began = three[0].command.check, three[1].started_at
    found = store.marked_runs("command", [check], before=began, each=2)
    assert [run.name for run in found] == ["second", "first"]
    assert store.marked_runs("command", [check], before=began - timedelta(days=1)) == []


def test_runs_are_found_by_their_commit_their_parent_and_the_run_that_they_make_again(store, three):
    snapshot = Snapshot(commit="d" * 40, tree="e" * 40)
    twin = Reproduction(run_id=three[0].id, at=AT)
    store.change_run(three[1].id, lambda run: replace(run, git=GitState(commit="5" * 40, snapshot=snapshot)))
    store.change_run(three[2].id, lambda run: replace(run, parent_id=three[0].id, reproduces=twin))
    marks = [("commit", "5" * 40), ("commit", "d" * 40), ("parent", three[0].id), ("original", three[0].id)]
    found = [[run.name for run in store.marked_runs(mark, [value])] for mark, value in marks]
    assert found == [["second"], ["second"], ["third"], ["third"]]


def test_looks_within_one_are_as_those_alone(store, three, version):
    registered = store.add_version(version)
    with store.looking(), store.looking():
        looks = [store.marked_runs("command", [three[0].command.check]), store.marked_runs("commit", ["c" * 40])]
        assert [[run.name for run in found] for found in looks] == [["third", "second", "first"]] * 2
        assert store.marked_versions("run", [three[0].id]) == [registered]
    store.add_version(replace(version, why="second"))
    assert [each.number for each in store.marked_versions("run", [three[0].id])] == [1, 2]


def test_a_digest_is_found_by_its_beginning(store, three, version):
    made, read, model = (f"sha256:{each * 32}" for each in ("ab", "ac", "ad"))
    store.change_run(three[0].id, lambda run: replace(run, outputs=[Output(path="m", size=1, digest=made)]))
    store.change_run(three[1].id, lambda run: replace(run, inputs=[Input(path="m", size=1, digest=read)]))
    described = Model(path="model", flavor="joblib", python_class="x.Y", digest=model)
    registered = store.add_version(replace(version, run=replace(version.run, models=[described])))
    assert store.digests_from("sha256:a") == [made, read, model]
    assert [store.digests_from(prefix) for prefix in ("sha256:ac", "sha256:f0f0f0f0f0", registered.digest[:20])] == [
        [read],
        [],
        [registered.digest],
    ]


def test_a_change_is_seen_by_whoever_reads_next(store, three):
    changed = store.change_run(three[0].id, lambda run: replace(run, note="good", tags={"team": "a"}))
    found = store.find_runs(parse("tags.team = 'a'", AT)).runs
    assert (store.run(three[0].id), found) == (changed, [changed])


def test_a_change_that_raises_changes_nothing(store, three):
    with pytest.raises(InvalidValue):
        store.change_run(three[0].id, refuse)
    assert store.run(three[0].id) == three[0]


def refuse(run: Run) -> Run:
    raise InvalidValue("no")


def test_a_removed_run_is_gone(store, three):
    store.add_points(three[0].id, [point("acc", 0.5)])
    store.remove_run(three[0].id)
    assert [run.name for run in store.find_runs().runs] == ["third", "second"]
    assert store.points(three[0].id) == []


# Filters: what the grammar says is found, the same in every store

FILTERED = [
    ("metrics.acc > 0.8", ["third"]),
    ("metrics.acc >= 0.7 and metrics.acc <= 0.9", ["third", "first"]),
    ("metrics.acc = 0.7", ["first"]),
    ("metrics.acc != 0.7", ["third", "second"]),
    ("metrics.acc = nan", []),
    ("metrics.acc < inf", ["third", "first"]),
    ("metrics.acc > 'high'", []),
    ("metrics.acc = true", []),
    ("metrics.loss > 0", []),
    ("metrics.loss is null", ["third", "second", "first"]),
    ("metrics.acc is not null", ["third", "second", "first"]),
    ("metrics.acc in (0.7, 0.9)", ["third", "first"]),
    ("metrics.acc not in (0.7)", ["third", "second"]),
    ("params.lr = 0.1", ["first"]),
    ("params.lr = '0.1'", ["first"]),
    ("params.lr = 'high'", ["third"]),
    ("params.lr < 1", ["first"]),
    ("params.lr in (0.1, 'high')", ["third", "first"]),
    ("params.lr like 'h%'", ["third"]),
    ("params.lr is null", ["second"]),
    ("not params.lr = 0.1", ["third", "second"]),
    ("status = 'failed'", ["second"]),
    ("status = 'FAILED'", ["second"]),
    ("status in ('Failed', 'FINISHED')", ["third", "second", "first"]),
    ("name = 'first'", ["first"]),
    ("name in ('first', 'third')", ["third", "first"]),
    ("name like '%ir%'", ["third", "first"]),
    ("name ilike 'F_RST'", ["first"]),
    ("name like 'F_RST'", []),
    ("name like 'f.rst'", []),
    ("run_name = 'first' or name = 'second'", ["second", "first"]),
    ("name = 'first' and (status = 'failed' or metrics.acc > 0.5)", ["first"]),
    ("started > '2026-11-21 06:40:30'", ["third", "second"]),
    ("started >= '2026-11-21T06:42:00Z'", ["third"]),
    ("start_time < 1795243260000", ["first"]),
    ("started > '1 hour ago'", ["third", "second", "first"]),
    ("started > '2026-11-22'", []),
    ("git.branch = 'main' and git.dirty = false", ["third", "second", "first"]),
    ("git.dirty = 0", []),
    ("git.commit like 'cccc%'", ["third", "second", "first"]),
    ("git.upstream is null", ["third", "second", "first"]),
    ("user = 'Ada Lovelace'", ["third", "second", "first"]),
    ("command like '%train.py%'", ["third", "second", "first"]),
    ("model is null", ["third", "second", "first"]),
    ("seconds < 1", ["first"]),
    ("experiment = 'default'", ["third", "second", "first"]),
    ("exit_code = 1", []),
    ("params.lr < 99999999999999999999", ["first"]),
    ("metrics.acc < 99999999999999999999 and params.lr > -99999999999999999999", ["first"]),
]


@pytest.mark.parametrize(("text", "names"), FILTERED)
def test_a_filter_finds_what_it_says(store, three, text: str, names: list[str]):
    assert [run.name for run in store.find_runs(parse(text, AT)).runs] == names


def test_the_longest_and_the_deepest_filter_are_matched(store, three):
    long = " and ".join(["metrics.acc > 0"] * 200)
    deep = "not not " * 24 + "metrics.acc > 0"
    assert [run.name for run in store.find_runs(parse(long, AT)).runs] == ["third", "first"]
    assert [run.name for run in store.find_runs(parse(deep, AT)).runs] == ["third", "first"]


def test_any_number_of_values_may_be_asked_for(store, three):
    text = f"metrics.acc in ({', '.join(map(str, range(5000)))}, 0.9)"
    assert [run.name for run in store.find_runs(parse(text, AT)).runs] == ["third"]


# Metrics


def test_points_come_back_in_the_order_they_were_logged(store, three):
    points = [point("loss", 0.3, 2), point("acc", 0.5, 0), point("loss", 0.3, 2), point("loss", 0.9, 0)]
    store.add_points(three[0].id, points[:1])
    store.add_points(three[0].id, points[1:])
    store.settle_points(three[0].id)
    assert store.points(three[0].id) == points
    assert store.points(three[0].id, "acc") == [points[1]]
    assert store.points(three[1].id) == []


def test_points_that_are_no_finite_number_come_back_as_they_were(store, three):
    store.add_points(three[0].id, [point("x", math.inf), point("x", -math.inf), point("x", math.nan), point("x", -0.0)])
    assert [repr(found.value) for found in store.points(three[0].id)] == ["inf", "-inf", "nan", "-0.0"]


def test_a_recorder_appends_point_after_point(store, three):
    recorder = store.recorder(three[0].id)
    recorder.know('odd "name" é')
    recorder.know("loss")
    recorder.add("loss", 0.5, 3, nanoseconds=1_795_243_200_000_001_000)
    recorder.add('odd "name" é', math.nan, -(2**63), nanoseconds=0)
    recorder.add_many({"loss": -math.inf, 'odd "name" é': 1e16}, 2**63 - 1, nanoseconds=1_795_243_200_999_999_999)
    recorder.close()
    told = [(found.metric, str(found.value), found.step, found.at.isoformat()) for found in store.points(three[0].id)]
    assert told == [
        ("loss", "0.5", 3, "2026-11-21T06:40:00.000001+00:00"),
        ('odd "name" é', "nan", -(2**63), "1970-01-01T00:00:00+00:00"),
        ("loss", "-inf", 2**63 - 1, "2026-11-21T06:40:00.999999+00:00"),
        ('odd "name" é', "1e+16", 2**63 - 1, "2026-11-21T06:40:00.999999+00:00"),
    ]


def test_a_recorder_appends_as_many_points_as_it_is_given(store, three):
    recorder = store.recorder(three[0].id)
    recorder.know("loss")
    for step in range(500):
        recorder.add("loss", step / 2, step)
    recorder.close()
    before = store.points(three[0].id)
    store.settle_points(three[0].id)
    assert [(found.value, found.step) for found in before] == [(step / 2, step) for step in range(500)]
    assert store.points(three[0].id) == before
    assert store.summary(three[0].id)["loss"].count == 500


def test_a_recorder_and_whoever_else_logs_do_not_get_in_each_others_way(store, three):
    recorder = store.recorder(three[0].id)
    recorder.know("loss")
    recorder.add("loss", 1.0, 0)
    store.add_points(three[0].id, [point("loss", 2.0)])
    recorder.add("loss", 3.0, 0)
    recorder.close()
    assert [found.value for found in store.points(three[0].id)] == [1.0, 2.0, 3.0]


def test_a_history_is_added_up(store, three):
    store.add_points(three[0].id, [point("loss", 0.5, 0), point("loss", 0.25, 1, seconds=1), point("acc", 0.9)])
    metrics = store.summary(three[0].id)
    assert {key: (m.last, m.min, m.max, m.count) for key, m in metrics.items()} == {
        "loss": (0.25, 0.25, 0.5, 2), "acc": (0.9, 0.9, 0.9, 1),
    }  # fmt: skip
    assert store.summary(three[1].id) == {}


def test_a_running_run_is_told_with_its_metrics_so_far(store, a_run):
    run = a_run(status=RunStatus.RUNNING, ended_at=None, process=OURS)
    store.add_run(run)
    store.add_points(run.id, [point("acc", 0.5, 0), point("acc", 0.8, 1, seconds=5)])
    so_far = Metric(
        last=0.8, step=1, at=AT + timedelta(seconds=5), min=0.5, min_step=0, max=0.8, max_step=1, count=2
    )  # fmt: skip
    assert store.run(run.id) == replace(run, metrics={"acc": so_far})
    assert [found.metrics for found in store.find_runs(parse("metrics.acc > 0.7", AT)).runs] == [{"acc": so_far}]


def test_a_run_whose_process_is_gone_is_told_as_killed_with_what_it_logged(store, a_run):
    run = a_run(status=RunStatus.RUNNING, ended_at=None, process=Process(pid=2, host="here"))
    store.add_run(run)
    store.add_points(run.id, [point("acc", 0.5)])
    told = replace(
        run, status=RunStatus.KILLED, reason="its process vanished before it could end the run",
        metrics={"acc": metric(0.5)},
    )  # fmt: skip
    assert (store.run(run.id), store.find_runs(parse("status = 'killed'", AT)).runs) == (told, [told])
    assert store.find_runs(parse("status = 'running'", AT)).runs == []


def test_output_is_appended_to(store, three):
    os.write(store.output_descriptor(three[0].id), b"one\n")
    descriptor = store.output_descriptor(three[0].id)
    os.write(descriptor, b"two\n")
    assert os.pread(descriptor, 99, 0) == b"one\ntwo\n"


# Content


def test_a_file_is_kept_under_its_digest_and_found_below_the_run(store, three, tmp_path: Path):
    (tmp_path / "plot.txt").write_text("x")
    kept = store.keep(three[0].id, str(tmp_path / "plot.txt"), "plots/roc.txt")
    digest = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert kept == [Artifact(path="plots/roc.txt", size=1, digest=digest)]
    assert Path(store.artifacts_directory(three[0].id), "plots", "roc.txt").read_text() == "x"
    assert (Path(store.content_path(kept[0])).read_text(), store.has_content(kept[0])) == ("x", True)
    assert store.digest_of(str(tmp_path / "plot.txt")) == store.manifest(kept, "plots/roc.txt") == digest


def test_a_directory_has_one_digest_wherever_it_lies(store, tmp_path: Path):
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "model.joblib").write_text("m")
    (tmp_path / "model" / "data" / "x").write_text("x")
    kept = store.keep("ab" * 16, str(tmp_path / "model"), "best/model")
    (tmp_path / "model").rename(tmp_path / "moved")
    assert [file.path for file in kept] == ["best/model/model.joblib", "best/model/data/x"]
    assert store.manifest(kept, "best/model") == store.digest_of(str(tmp_path / "moved"))


@pytest.mark.parametrize("content", ["x", "x" * 300_000])
def test_an_input_is_told_by_size_and_digest_and_kept_as_a_copy_where_asked(store, tmp_path: Path, content: str):
    file = tmp_path / "train.csv"
    file.write_text(content)
    told = store.take_input(str(file), keep=False)
    kept = Artifact(path="train.csv", size=told[0], digest=told[1])
    assert (told, store.has_content(kept)) == ((len(content), store.digest_of(str(file))), False)
    assert store.take_input(str(file), keep=True) == store.take_input(str(file), keep=True) == told
    file.write_text("changed")
    assert (Path(store.content_path(kept)).read_text(), file.stat().st_nlink) == (content, 1)


def test_an_input_that_cannot_be_read_is_told(store, tmp_path: Path):
    with pytest.raises(NotFound, match="no such file"):
        store.take_input(str(tmp_path / "gone.csv"), keep=True)
    with pytest.raises(InvalidValue, match="not a regular file"):
        store.take_input(str(tmp_path), keep=True)


def test_content_that_is_not_here_is_missing(store):
    gone = Artifact(path="model", size=1, digest="sha256:" + "0" * 64)
    assert not store.has_content(gone)
    with pytest.raises(Missing, match="'model' is not in this clone"):
        store.content_path(gone)


def test_content_that_was_altered_is_not_given_out(store, tmp_path: Path):
    (tmp_path / "a").write_text("a")
    kept = store.keep("ab" * 16, str(tmp_path / "a"), "a")
    where = store.content_path(kept[0])
    os.chmod(where, 0o644)
    Path(where).write_text("b")
    with pytest.raises(Corrupt, match="'a' was altered"):
        store.content_path(kept[0])


def test_two_names_that_differ_in_case_only_are_refused(store, three, tmp_path: Path):
    (tmp_path / "a").write_text("a")
    store.keep(three[0].id, str(tmp_path / "a"), "Model.bin")
    with pytest.raises(InvalidName, match=r"'model.bin' and 'Model.bin' differ in case only"):
        store.keep(three[0].id, str(tmp_path / "a"), "model.bin")


# Registry


@pytest.fixture
def version(three) -> ModelVersion:
    return ModelVersion(
        model="iris", number=0, path="model", run=three[0], registered_at=AT, registered_by=ADA, why="first"
    )


def test_versions_are_numbered_from_one_and_read_back(store, version):
    one, two = store.add_version(version), store.add_version(replace(version, why="second"))
    assert [(one.number, one.why), (two.number, two.why)] == [(1, "first"), (2, "second")]
    assert (store.models(), store.version_numbers("iris")) == (["iris"], [1, 2])
    assert [store.version("iris", 1), store.version("iris", 2)] == [one, two]
    assert replace(one, number=0, digest="") == version


def test_a_version_is_called_by_a_digest_that_its_number_is_no_part_of(store, version):
    one, again = store.add_version(version), store.add_version(version)
    assert (one.digest == again.digest, one.digest[:7], len(one.digest)) == (True, "sha256:", 71)


def test_what_is_recorded_of_a_model_is_read_at_once(store, version):
    one, two = store.add_version(version), store.add_version(replace(version, why="second"))
    told = Event(model="iris", version=one.digest, from_stage=Stage.NONE, to_stage=Stage.PRODUCTION, at=AT, by=ADA)
    event = store.add_event(told)
    recorded = store.recorded("iris")
    assert [(each.ref, each.digest, each.run.git, each.files) for each in recorded.versions] == [
        (each.ref, each.digest, each.run.git, each.files) for each in (one, two)
    ]
    assert (recorded.history.events, recorded.unread, store.recorded("churn").versions) == ([event], [], [])


def test_what_is_not_registered_is_not_found(store, version):
    store.add_version(version)
    assert (store.version_numbers("churn"), store.history("churn").events, store.holder("churn", Stage.STAGING)) == (
        [], [], None,
    )  # fmt: skip
    with pytest.raises(NotFound, match="iris has no version 2"):
        store.version("iris", 2)


def test_events_add_up_to_a_history(store, version):
    one = store.add_version(version)
    event = Event(model="iris", version=one.digest, from_stage=Stage.NONE, to_stage=Stage.PRODUCTION, at=AT, by=ADA)
    with store.changing("iris"):
        first = store.add_event(event)
        second = store.add_event(replace(event, to_stage=Stage.ARCHIVED, parents=[first.digest]))
    history = store.history("iris")
    assert history.events == [first, second]
    assert (history.heads, history.stage_of(one.digest)) == ([second.digest], Stage.ARCHIVED)


def test_an_event_that_is_said_twice_happened_once(store, version):
    event = Event(model="iris", version="sha256:1", from_stage=Stage.NONE, to_stage=Stage.STAGING, at=AT, by=ADA)
    assert store.add_event(event) == store.add_event(event)
    assert len(store.history("iris").events) == 1


def test_a_stage_says_who_holds_it(store, version):
    store.add_version(version)
    store.set_holder("iris", Stage.PRODUCTION, Holder(number=1, version="sha256:1", event="sha256:e"))
    store.set_holder("iris", Stage.PRODUCTION, Holder(number=None, version=None, event="sha256:f"))
    assert store.holder("iris", Stage.PRODUCTION) == Holder(number=None, version=None, event="sha256:f")
    assert store.holder("iris", Stage.STAGING) is None


# Taken out


def test_what_was_printed_is_cleaned_in_place(store, three):
    run_id = three[0].id
    os.write(store.output_descriptor(run_id), b"a key\nkey" + b"x" * 2**20 + b"key")
    assert store.clean_output(run_id, [b"key"], dry_run=True) == 3
    assert store.clean_output(run_id, [b"key"]) == 3
    cleaned = os.pread(store.output_descriptor(run_id), 2**21, 0)
    assert cleaned == b"a ***\n***" + b"x" * 2**20 + b"***"
    assert (store.clean_output(run_id, [b"key"]), store.clean_output(three[1].id, [b"key"])) == (0, 0)


def test_content_that_holds_a_text_is_found_and_dropped(store, three, tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"x" * (2**20 - 2) + b"a key")
    (kept,) = store.keep(three[0].id, str(tmp_path / "a.txt"), "a.txt")
    assert (store.content_holds(kept.digest, [b"key"]), store.content_holds(kept.digest, [b"lock"])) == (True, False)
    store.drop_content(kept.digest)
    store.forget_derived()
    assert (store.has_content(kept), store.content_holds(kept.digest, [b"key"])) == (False, False)


def test_what_still_holds_a_text_is_named(store, three, version):
    store.add_version(replace(version, why="a key"))
    os.write(store.output_descriptor(three[0].id), b"key")
    run_id = three[0].id
    assert sorted(store.left_with(run_id, [b"key"])) == [
        "models/iris/versions/1.json",
        f"runs/{run_id[:2]}/{run_id}/output.log",
    ]
    assert store.left_with(run_id, [b"no such text"]) == []


def test_a_version_is_replaced_and_its_history_told(store, version):
    old = store.add_version(replace(version, why="a key"))
    event = Event(model="iris", version=old.digest, from_stage=Stage.NONE, to_stage=Stage.NONE, at=AT, by=ADA)
    new, told = store.replace_version(old, replace(old, why="***"), replace(event, action=Action.SCRUBBED))
    assert (new.number, new.why, told.replaces, told.version) == (1, "***", old.digest, new.digest)
    assert (store.version("iris", 1), store.history("iris").now(old.digest)) == (new, new.digest)


# The same answers, whatever was done


VALUES = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 2.0]))
PARAMS = st.one_of(
    st.integers(-3, 3), st.booleans(), st.sampled_from(["1", "1.0", "true", "a", "", "nan"]), st.floats(), st.none(),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
RUNS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("ab"), VALUES), st.dictionaries(st.sampled_from("ab"), PARAMS)),
    max_size=6,
)
OPS = st.sampled_from(["=", "!=", ">", ">=", "<", "<="])
LITERALS = st.sampled_from(
    ["0", "1", "1.0", "-1", "'1'", "'1.0'", "'true'", "true", "false", "'a'", "nan", "inf", "''"]
)
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(["metrics.a", "metrics.b", "params.a", "params.b"]), OPS, LITERALS),
    st.builds("{} in ({}, {})".format, st.sampled_from(["metrics.a", "params.a", "params.b"]), LITERALS, LITERALS),
    st.builds("{} is null".format, st.sampled_from(["metrics.a", "params.b"])),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=4,
)
SORTS = st.builds(
    Sort, st.sampled_from([("started",), ("metrics", "a"), ("params", "a"), ("name",)]), st.booleans()
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(runs=RUNS, text=FILTERS, sort=SORTS, limit=st.one_of(st.none(), st.integers(0, 4)))
def test_every_store_gives_the_same_answer(tmp_path_factory, template, runs, text, sort, limit):
    where = tmp_path_factory.mktemp("stores")
    stores = [kind(str(where / kind.__name__), lambda process: True) for kind in KINDS]
    kept = [
        replace(
            template,
            id=run_id(at + 1),
            started_at=AT + timedelta(seconds=at),
            metrics={key: metric(value) for key, value in metrics.items()},
            params={key: Param(value, ParamSource.LOGGED) for key, value in params.items()},
        )
        for at, (metrics, params) in enumerate(runs)
    ]
    [store.add_run(run) for store in stores for run in kept]
    answers = [store.find_runs(parse(text, AT), sort=sort, limit=limit) for store in stores]
    ids = [[run.id for run in answer.runs] for answer in answers]
    assert ids == [ids[-1]] * 3
    assert [answer.problems for answer in answers] == [[], [], []]


@pytest.fixture(scope="module")
def template() -> Run:
    from mlcli.domain.source import Command, Environment, GitState

    return Run(
        id="", name="x", experiment="default", status=RunStatus.FINISHED, started_at=AT, ended_at=AT,
        command=Command(argv=[]), git=GitState(), environment=Environment(), user=ADA,
    )  # fmt: skip
