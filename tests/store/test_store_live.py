"""What a process logs while it runs outlives it, and becomes lines when the run ends: each point once, whatever happens."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from zlib import crc32

import pytest

from mlcli.domain.run import Run
from mlcli.errors import WriteFailed
from mlcli.store import examine, layout
from mlcli.store import points as history
from mlcli.store.disk import DiskStore

MANY = 3 * history.Recorder.LINES


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    """A new store."""
    made = DiskStore(str(tmp_path / ".mlruns"), sync=False)
    made.make()
    return made


@pytest.fixture
def run(store: DiskStore, a_run: Callable[..., Run]) -> Run:
    """A run that has begun."""
    made = a_run(ended_at=None, metrics={})
    store.add_run(made)
    return made


@pytest.fixture
def directory(store: DiskStore, run: Run) -> Path:
    return Path(store.files.path(layout.run_directory(run.id)))


def logged(store: DiskStore, run: Run, count: int = MANY, *, first: int = 0) -> None:
    recorder = store.recorder(run.id)
    recorder.know("loss")
    for step in range(first, first + count):
        recorder.add("loss", step / 2, step)
    recorder.close()


def steps(store: DiskStore, run: Run) -> list[int]:
    return [point.step for point in store.points(run.id)]


def live(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.live"))


def codes(store: DiskStore) -> list[str]:
    return [problem.code for problem in examine.problems(store)]


# Round trips


def test_many_points_read_back_while_the_run_runs_and_after_it_ended(store, run, directory):
    logged(store, run)
    while_running = store.points(run.id)
    assert len(live(directory)) == 1
    store.settle_points(run.id)
    assert (store.points(run.id), [point.step for point in while_running]) == (while_running, list(range(MANY)))
    assert [path.name for path in directory.iterdir()] == ["metrics.jsonl"]


def test_lines_of_an_ended_run_are_readable_without_the_tool_and_each_is_under_its_crc(store, run, directory):
    logged(store, run)
    store.settle_points(run.id)
    lines = (directory / "metrics.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(MANY))
    assert all(int(json.loads(line)["crc"], 16) == crc32(line.partition(b',"crc"')[0]) for line in lines)


@pytest.mark.parametrize("length", [1, 19, 20, 39, 40, 250])
def test_a_metric_is_called_as_long_as_it_likes(store, run, length: int):
    name = ("mé漢🎉" * length)[:length]
    recorder = store.recorder(run.id)
    for metric in (name, "other"):
        recorder.know(metric)
    for step in range(MANY):
        recorder.add_many({name: 1.0, "other": 2.0}, step)
    recorder.close()
    before = [(point.metric, point.step) for point in store.points(run.id)]
    store.settle_points(run.id)
    assert before == [(metric, step) for step in range(MANY) for metric in (name, "other")]
    assert [(point.metric, point.step) for point in store.points(run.id)] == before


def test_every_number_step_and_time_is_kept(store, run):
    logged(store, run)
    recorder = store.recorder(run.id)
    recorder.know("odd")
    told = [
        (math.nan, -(2**63), 0),
        (math.inf, 2**63 - 1, -1_000),
        (-math.inf, 0, 253_402_300_799_999_999_000),
        (-0.0, 1, 1_795_243_200_000_001_000),
        (5e-324, 2, 1),
        (1.7976931348623157e308, 3, 1),
    ]
    recorder._lines = 0
    for value, step, nanoseconds in told:
        recorder.add("odd", value, step, nanoseconds if nanoseconds < 2**63 else 2**62)
    recorder.close()
    before = store.points(run.id, "odd")
    store.settle_points(run.id)
    after = store.points(run.id, "odd")
    assert [repr(point) for point in after] == [repr(point) for point in before]
    assert [(repr(point.value), point.step) for point in after] == [(repr(value), step) for value, step, _ in told]
    assert before[0].at == datetime(1970, 1, 1, tzinfo=timezone.utc)


def test_a_file_grows_by_segments_and_records_may_lie_across_two(store, run, directory):
    recorder = store.recorder(run.id)
    names = [f"metric {number}" for number in range(37)]
    for name in names:
        recorder.know(name)
    for step in range(1000):
        recorder.add_many(dict.fromkeys(names, float(step)), step)
    recorder.close()
    assert live(directory)[0].stat().st_size > 2**20
    told = [(point.metric, point.value) for point in store.points(run.id)]
    assert told == [(name, float(step)) for step in range(1000) for name in names]


def test_points_logged_to_an_ended_run_come_after_the_others(store, run):
    logged(store, run)
    store.settle_points(run.id)
    logged(store, run, first=MANY)
    store.settle_points(run.id)
    assert steps(store, run) == list(range(2 * MANY))


# Several writers

FORKS = """
import os, sys
from mlcli.store.disk import DiskStore
store = DiskStore(sys.argv[1], sync=False)
recorder = store.recorder(sys.argv[2])
recorder.know("loss")
for step in range(250):
    recorder.add("loss", 0.0, step)
child = os.fork()
for step in range(1000 if child else 2000, 1250 if child else 2250):
    recorder.add("loss", 0.0, step)
if not child:
    os._exit(0)
os.waitpid(child, 0)
recorder.close()
store.settle_points(sys.argv[2])
"""


def test_a_forked_process_goes_on_in_a_file_of_its_own(store, run, directory, python):
    done = python(FORKS, store.root, run.id)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(steps(store, run)) == [*range(250), *range(1000, 1250), *range(2000, 2250)]
    assert live(directory) == []


def test_while_another_process_still_logs_nothing_is_merged_and_all_is_read(store, run, directory):
    logged(store, run)
    other = store.recorder(run.id)
    other.know("loss")
    for step in range(MANY, 2 * MANY):
        other.add("loss", 0.0, step)
    store.settle_points(run.id)
    assert (len(live(directory)), sorted(steps(store, run))) == (2, list(range(2 * MANY)))
    other.add("loss", 0.0, 2 * MANY)
    other.close()
    store.settle_points(run.id)
    assert (live(directory), sorted(steps(store, run))) == ([], list(range(2 * MANY + 1)))


def test_a_line_that_is_appended_while_the_run_ends_is_kept(store, run):
    logged(store, run)
    appender = store.files.appender(layout.metrics(run.id))
    store.settle_points(run.id)
    appender.add(history.lines(store.points(run.id)[:1]))
    appender.close()
    store.settle_points(run.id)
    assert len(store.points(run.id)) == MANY + 1


KILLED = """
import os, signal, sys
from mlcli.store.disk import DiskStore
recorder = DiskStore(sys.argv[1]).recorder(sys.argv[2])
recorder.know("loss")
for step in range(20000):
    recorder.add("loss", 0.0, step)
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("last", [0, 99, 100, 101, 8291, 8292, 19999])
def test_what_a_killed_process_logged_is_there_to_the_last_point(store, run, python, last: int):
    assert python(KILLED, store.root, run.id, str(last)).returncode == -9
    assert steps(store, run) == list(range(last + 1))
    store.settle_points(run.id)
    assert steps(store, run) == list(range(last + 1))


# Half-done endings, as a kill leaves them


@pytest.fixture
def halves(store: DiskStore, run: Run, directory: Path, tmp_path: Path) -> dict[str, Path]:
    """What the run's directory looked like before, within and after its end."""
    logged(store, run)
    before = shutil.copytree(directory, tmp_path / "before")
    [file] = live(directory)
    kept = file.read_bytes()
    store.settle_points(run.id)
    size, crc = store.files.checksum(layout.metrics(run.id))
    mark = f"{file.stem}-{size}-{crc:08x}.live"
    marked = shutil.copytree(before, tmp_path / "marked")
    (marked / file.name).rename(marked / mark)
    installed = shutil.copytree(directory, tmp_path / "installed")
    (installed / mark).write_bytes(kept)
    return {"before": before, "marked": marked, "installed": installed}


@pytest.mark.parametrize("half", ["before", "marked", "installed"])
def test_a_kill_in_the_middle_of_an_ending_neither_loses_nor_doubles_a_point(store, run, directory, halves, half: str):
    shutil.rmtree(directory)
    shutil.copytree(halves[half], directory)
    assert steps(store, run) == list(range(MANY))
    store.settle_points(run.id)
    assert steps(store, run) == list(range(MANY))
    assert {path.name for path in history.merged_files(store.files, run.id)} == set() if half != "installed" else True


def test_doctor_tells_of_what_an_ending_left_behind(store, run, directory, halves):
    shutil.rmtree(directory)
    shutil.copytree(halves["installed"], directory)
    assert [(problem.code, problem.serious, problem.mendable) for problem in examine.problems(store)] == [
        ("leftover", False, True)
    ]


# Damage


def test_a_damaged_record_costs_itself_only_and_is_told(store, run, directory):
    logged(store, run)
    [file] = live(directory)
    data = bytearray(file.read_bytes())
    data[32 * 50 + 17] ^= 4
    file.write_bytes(data)
    found = steps(store, run)
    assert (len(found), set(range(MANY)) - set(found)) == (MANY - 1, {149})
    assert codes(store) == ["metrics-damaged"]


def test_a_page_that_a_power_loss_left_unwritten_is_a_hole_that_is_told(store, run, directory):
    logged(store, run)
    [file] = live(directory)
    data = bytearray(file.read_bytes())
    data[32 * 20 : 32 * 30] = bytes(320)
    file.write_bytes(data)
    assert len(steps(store, run)) == MANY - 10
    assert codes(store) == ["metrics-damaged"]


@pytest.mark.parametrize("bit", range(0, 256, 7))
def test_any_flipped_bit_of_a_record_is_found(store, run, directory, bit: int):
    logged(store, run)
    [file] = live(directory)
    data = bytearray(file.read_bytes())
    data[32 * 60 + bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    assert (len(steps(store, run)), codes(store)) == (MANY - 1, ["metrics-damaged"])


def test_a_name_that_says_what_was_merged_must_be_borne_out(store, run, directory):
    logged(store, run)
    [file] = live(directory)
    for name in (f"{file.stem}-0-00000000.live", f"{file.stem}-99-1b2c3d4e.live", "metrics-x-y-z.live"):
        shutil.copy(file, directory / name)
    assert len(steps(store, run)) == 3 * (MANY - 100) + 100


def test_the_record_is_as_the_page_says(store, run, directory):
    logged(store, run)
    data = live(directory)[0].read_bytes()
    assert struct.unpack("<III20s", data[:32])[1:] == (0, 1, b"loss" + bytes(16))
    crc, metric, step, value, micro = struct.unpack("<IIqdq", data[32:64])
    assert (crc, metric, step, value) == (crc32(data[36:64]), 1, 100, 50.0)
    assert abs(datetime.fromtimestamp(micro / 1e6, timezone.utc) - datetime.now(timezone.utc)).total_seconds() < 3600


# No room

FULL = """
import resource, sys
from mlcli.errors import WriteFailed
from mlcli.store.disk import DiskStore
recorder = DiskStore(sys.argv[1], sync=False).recorder(sys.argv[2])
recorder.know("loss")
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
done = 0
try:
    for step in range(100_000):
        recorder.add("loss", 0.0, step)
        done += 1
except WriteFailed as error:
    print(done, error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recorder.add("loss", 0.0, done)
recorder.close()
"""


def test_where_there_is_no_room_the_call_fails_and_the_next_works_when_there_is(store, run, python):
    done = python(FULL, store.root, run.id)
    count, _, told = done.stdout.strip().partition(" ")
    assert (done.stderr, told.endswith("the file would pass a size limit")) == ("", True)
    assert steps(store, run) == list(range(int(count) + 1))


def test_a_link_in_place_of_a_live_file_is_not_followed(store, run, directory, tmp_path: Path, monkeypatch):
    (tmp_path / "outside").write_bytes(b"mine")
    directory.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(os, "urandom", lambda count: b"\1" * count)
    (directory / f"metrics-{'01' * 4}.live").symlink_to(tmp_path / "outside")
    recorder = store.recorder(run.id)
    recorder.know("loss")
    recorder._lines = 0
    with pytest.raises(WriteFailed):
        recorder.add("loss", 0.0, 0)
    assert (tmp_path / "outside").read_bytes() == b"mine"
