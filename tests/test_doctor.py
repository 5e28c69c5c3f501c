"""Doctor reads every byte of a store, tells what is wrong, and mends what needs no guess."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import doctor, registry, tracking
from mlcli.domain.run import RunStatus
from mlcli.domain.stage import Stage
from mlcli.errors import BadStore, NewerFormat
from mlcli.store import layout


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def top(story, workspace) -> Path:
    """The directory of the story's store."""
    return Path(workspace.store.root)


def codes(examination) -> list[str]:
    return [problem.code for problem in examination.problems]


def files_of(top: Path) -> list[Path]:
    """Every file of a store but what is derived."""
    return sorted(path for path in top.rglob("*") if path.is_file() and ".cache" not in path.parts)


def run_path(top: Path, run) -> Path:
    return top / "runs" / run.id[:2] / f"{run.id}.json"


def test_a_whole_store_is_healthy_and_its_facts_are_told(top, workspace):
    told = doctor.examined(workspace)
    assert (told.problems, told.mended, told.healthy) == ([], [], True)
    assert told.facts["store"] == "4 runs, 1 model, 2 versions"
    assert (told.facts["workspace"], told.facts["git"], told.facts["durability"]) == (
        workspace.root,
        workspace.root,
        "none",
    )


def test_without_a_store_there_is_nothing_to_examine_and_none_is_made(workspace, repo: Path):
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.facts["store"]) == ([], "none yet: the first mlcli run makes it")
    assert not (repo / ".mlruns").exists()


def test_outside_a_repository_the_store_is_examined_all_the_same(machine: Path):
    from mlcli.workspace import Workspace

    workspace = Workspace(str(machine / "work"))
    workspace.make_store()
    told = doctor.examined(workspace)
    assert (told.facts["git"], told.healthy) == ("not a git repository", True)


# Every byte


def healthy_with(workspace, path: Path, data: bytes) -> bool:
    """Whether doctor finds nothing while a file holds other content."""
    before, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    told = doctor.examined(workspace)
    path.write_bytes(before)
    path.chmod(mode)
    return told.healthy


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# Text for people, which decides nothing.
FREE = {".gitignore"}


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_in_any_file_is_found(top, workspace, place: float):
    unnoticed = [
        path.relative_to(top)
        for path in files_of(top)
        if path.name not in FREE
        and healthy_with(workspace, path, flipped(path.read_bytes(), int(path.stat().st_size * place)))
    ]
    assert unnoticed == []


@pytest.mark.parametrize(
    "harm", [lambda data: b"", lambda data: data[:-3], lambda data: b"\0" * len(data), lambda data: data[: len(data) // 2]],
    ids=["emptied", "cut", "zeroed", "halved"],
)  # fmt: skip
def test_a_file_that_is_cut_or_emptied_is_found(top, workspace, harm):
    unnoticed = [
        path.relative_to(top)
        for path in files_of(top)
        if path.name not in FREE and healthy_with(workspace, path, harm(path.read_bytes()))
    ]
    assert unnoticed == []


def healthy_without(workspace, path: Path) -> bool:
    """Whether doctor finds nothing while a file is away."""
    away = path.rename(Path(workspace.root) / "away")
    told = doctor.examined(workspace)
    away.rename(path)
    return told.healthy


def test_a_file_that_is_gone_is_found(top, workspace):
    unnoticed = [str(path.relative_to(top)) for path in files_of(top) if healthy_without(workspace, path)]
    # A run without files that no version stands on, and the newest version and event of a model, leave no trace:
    # what is committed is git's to bring back.
    free = [name for name in unnoticed if not name.startswith(("runs/", "models/iris/versions/"))]
    assert free == []
    assert {Path(name).suffix for name in unnoticed} <= {".json"}


# Each problem, and what mends it


def test_a_run_whose_process_is_gone_is_ended(top, workspace, record):
    run = record(status="running", metrics={"loss": [0.5, 0.4]})
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    workspace.store.change_run(run.id, lambda run: with_process(run, gone.pid))
    assert codes(doctor.examined(workspace)) == ["run-vanished"]
    told = doctor.examined(workspace, fix=True)
    assert (told.mended, told.problems) == ([f"ended run {run.id[:8]} as killed"], [])
    assert workspace.store.run(run.id).metrics["loss"].count == 2


def with_process(run, pid: int):
    return replace(run, status=RunStatus.RUNNING, ended_at=None, process=replace(run.process, pid=pid, start_ticks=1))


def test_an_artifact_that_was_removed_or_altered_is_restored_from_its_content(top, workspace, story):
    below = top / "runs" / story["first"].id[:2] / story["first"].id / "artifacts" / "model" / "model.joblib"
    below.unlink()
    assert codes(doctor.examined(workspace)) == ["artifact-unlinked"]
    below.write_text("edited")
    assert codes(doctor.examined(workspace)) == ["artifact-altered"]
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, below.read_text()) == ([], "first")
    assert told.mended == [f"restored {below.relative_to(top)} from its content"]


def test_a_stage_file_is_written_again_from_the_history(top, workspace):
    (top / "models" / "iris" / "stages" / "production.json").write_text("<<<<<<< HEAD\n")
    assert codes(doctor.examined(workspace)) == ["corrupt"]
    (top / "models" / "iris" / "stages" / "production.json").unlink()
    assert codes(doctor.examined(workspace)) == ["stage-disagrees"]
    told = doctor.examined(workspace, fix=True)
    assert (told.mended, told.problems) == (["iris@production says 2 again, as the history does"], [])
    assert workspace.store.holder("iris", Stage.PRODUCTION).number == 2


def test_a_damaged_stage_file_is_written_again_from_the_history(top, workspace):
    (top / "models" / "iris" / "stages" / "production.json").write_text("<<<<<<< HEAD\n")
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, workspace.store.holder("iris", Stage.PRODUCTION).number) == ([], 2)


def test_mending_goes_on_past_what_cannot_be_mended(top, workspace, story):
    (top / "models" / "iris" / "versions" / "1.json").write_text("{")
    (top / "models" / "iris" / "stages" / "production.json").write_text("{")
    content = Path(workspace.store.content_path(story["first"].artifacts[0]))
    content.unlink()
    content.write_text("evil")
    told = doctor.examined(workspace, fix=True)
    assert told.mended == ["iris@production says 2 again, as the history does"]
    assert codes(told) == ["corrupt", "object-altered"]


@pytest.mark.parametrize("name", ["store.json", ".gitignore"])
def test_a_file_that_mlcli_writes_for_every_store_is_written_again(top, workspace, name: str):
    before = (top / name).read_bytes()
    (top / name).unlink()
    assert codes(doctor.examined(workspace)) == ["file-missing"]
    told = doctor.examined(workspace, fix=True)
    assert (told.mended, told.problems, (top / name).read_bytes()) == ([f"wrote {name}"], [], before)


def test_what_a_process_left_half_written_goes_to_the_trash(top, workspace):
    (top / ".cache" / "tmp" / "999999999-abc").write_text("half")
    (top / ".cache" / "tmp" / f"{os.getpid()}-abc").write_text("being written")
    told = doctor.examined(workspace)
    assert (codes(told), told.healthy) == (["leftover"], True)
    assert doctor.examined(workspace, fix=True).mended == ["moved .cache/tmp/999999999-abc to the trash"]
    assert (top / ".cache" / "tmp" / f"{os.getpid()}-abc").exists()


@pytest.mark.parametrize(
    "name", ["notes.txt", "runs/zz", "runs/3f/notes.txt", "runs/3f/.x.swp", "objects/ab/notes", "models/iris/notes"]
)
def test_what_mlcli_did_not_put_there_is_told_and_left(top, workspace, name: str):
    (top / name).parent.mkdir(exist_ok=True)
    (top / name).write_text("mine")
    told = doctor.examined(workspace, fix=True)
    assert (codes(told), told.healthy, told.mended, (top / name).read_text()) == (["foreign"], True, [], "mine")


def test_a_run_under_another_runs_name_is_told(top, workspace, story):
    (top / "runs" / "b1").mkdir()
    shutil.copy(run_path(top, story["failed"]), top / "runs" / "b1" / ("b1" + "1" * 30 + ".json"))
    assert "misplaced" in codes(doctor.examined(workspace))


def test_a_run_whose_document_is_gone_is_told_where_its_files_are_left(top, workspace, story):
    run_path(top, story["first"]).unlink()
    told = doctor.examined(workspace)
    assert (codes(told), told.problems[0].where) == (["run-missing"], f"runs/3f/{story['first'].id}.json")


def test_content_that_is_gone_is_told_with_what_it_was(top, workspace, story):
    Path(workspace.store.content_path(story["first"].artifacts[0])).unlink()
    told = doctor.examined(workspace)
    assert (codes(told), told.problems[0].message) == (
        ["object-missing"], f"the content of model/model.joblib of run {story['first'].id[:8]} is missing",
    )  # fmt: skip


def test_a_store_json_that_is_damaged_is_written_again(top, workspace):
    before = (top / "store.json").read_bytes()
    (top / "store.json").write_bytes(before[:-9])
    assert codes(doctor.examined(workspace)) == ["corrupt"]
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.mended, (top / "store.json").read_bytes()) == ([], ["wrote store.json"], before)


def test_a_store_of_a_newer_mlcli_is_not_touched(top, workspace):
    (top / "store.json").write_text('{"format": 2, "kind": "store"}')
    with pytest.raises(NewerFormat):
        doctor.examined(workspace, fix=True)
    assert (top / "store.json").read_text() == '{"format": 2, "kind": "store"}'


@pytest.mark.parametrize("make", [lambda path: path.write_text("x"), lambda path: path.symlink_to("/tmp")])
def test_what_is_no_store_is_not_mended(workspace, repo: Path, make):
    make(repo / ".mlruns")
    with pytest.raises(BadStore):
        doctor.examined(workspace, fix=True)


def test_a_link_in_place_of_a_directory_is_told(top, workspace, tmp_path: Path):
    shutil.move(top / "objects", tmp_path / "objects")
    os.symlink(tmp_path / "objects", top / "objects")
    assert "link" in codes(doctor.examined(workspace))


def test_points_that_came_after_a_run_was_counted_are_counted(top, workspace, story):
    workspace.store.add_points(story["first"].id, workspace.store.points(story["first"].id))
    assert codes(doctor.examined(workspace)) == ["metrics-differ"]
    told = doctor.examined(workspace, fix=True)
    assert (told.mended, told.problems) == ([f"counted the metrics of run {story['first'].id[:8]} again"], [])


def torn(workspace, run) -> Path:
    """The run's metrics, with half of a line at their end."""
    lines = Path(workspace.store.files.path(layout.metrics(run.id)))
    with lines.open("ab") as file:
        file.write(lines.read_bytes().splitlines()[0][:-20])
    return lines


def test_a_line_that_a_killed_process_tore_is_left_out_and_kept_in_the_trash(top, workspace, record):
    run = record(status="running", metrics={"loss": [0.5, 0.4]})
    workspace.store.change_run(run.id, lambda run: replace(run, ended_at=None, points=None))
    half = torn(workspace, run).read_bytes()
    assert codes(doctor.examined(workspace, fix=True)) == ["metrics-damaged"]  # it may still be written to
    tracking.finish(workspace, run.id, RunStatus.FINISHED)
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.mended) == ([], [f"left the torn lines of run {run.id[:8]} out of its metrics"])
    assert [point.value for point in workspace.store.points(run.id)] == [0.5, 0.4]
    assert (top / "trash" / f"{run.id}-metrics.jsonl").read_bytes() == half
    torn(workspace, run)  # by a process that logged to it after it had ended
    assert doctor.examined(workspace, fix=True).problems == []


def test_a_line_that_was_damaged_after_the_run_had_ended_is_told_and_left(top, workspace, story):
    lines = Path(workspace.store.files.path(layout.metrics(story["first"].id)))
    lines.write_bytes(lines.read_bytes().replace(b"0.8", b"0.7"))
    before = lines.read_bytes()
    told = doctor.examined(workspace, fix=True)
    assert (codes(told), told.mended, lines.read_bytes()) == (["metrics-damaged"], [], before)


def test_mending_a_whole_store_writes_nothing(top, workspace):
    before = {path: path.stat().st_mtime_ns for path in files_of(top)}
    assert doctor.examined(workspace, fix=True).mended == []
    assert {path: path.stat().st_mtime_ns for path in files_of(top)} == before


def test_a_store_that_was_moved_is_healthy(top, workspace, machine: Path):
    from mlcli.workspace import Workspace

    shutil.move(Path(workspace.root), machine / "moved")
    moved = Workspace(str(machine / "moved"))
    assert (doctor.examined(moved).problems, registry.models(moved)[0].name) == ([], "iris")
    assert len(tracking.find_runs(moved).runs) == 4


def test_whatever_lies_where_mlcli_puts_no_such_thing_is_told(top, workspace):
    places = [path for path in [top, *top.rglob("*")] if path.is_dir() and not {".cache", "trash"} & {*path.parts}]
    planted = {place / name for place in places for name in ("zz.txt", "zz.json")}
    for path in planted:
        path.write_text("{}")
    told = doctor.examined(workspace)
    # Of a history, which counts as a whole, it is told, too, that it cannot be read.
    assert {top / problem.where for problem in told.problems} - planted == {top / "models" / "iris" / "events"}
    assert planted <= {top / problem.where for problem in told.problems}
    assert {problem.code for problem in told.problems} == {"foreign", "leftover", "corrupt"}
