"""What is removed can be brought back, until it is collected; what is cited anywhere stays."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from contract import faults_of

from mlcli import doctor, registry, tracking, trash
from mlcli.domain.values import duration
from mlcli.errors import Ambiguous, Corrupt, GitError, InUse, InvalidRef, InvalidValue, Locked, NotFound, Refused

NOW = timedelta(0)


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def top(story, workspace) -> Path:
    """The directory of the story's store."""
    return Path(workspace.store.root)


def content_of(workspace) -> dict[str, bytes]:
    """Every file of the store but its cache."""
    return {
        str(path): path.read_bytes()
        for path in Path(workspace.store.root).rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def names(found) -> list[str]:
    return [run.name for run in found.runs]


def objects_in(top: Path) -> set[str]:
    return {path.name for path in (top / "objects").rglob("*") if path.is_file()}


def aged(top: Path, days: float) -> None:
    """Set back the times of all that was removed and of all content."""
    for path in [*(top / "trash").rglob("*"), *(top / "objects").rglob("*")]:
        then = path.lstat().st_mtime - days * 86400
        os.utime(path, (then, then), follow_symlinks=False)


# Removing


def test_a_removed_run_goes_to_the_trash_with_its_files(story, workspace, repo: Path):
    [gone] = trash.remove(workspace, ["broken"])
    assert (gone.name, names(tracking.find_runs(workspace))) == ("broken", ["dirty", "second", "first"])
    assert (repo / ".mlruns" / "trash" / "runs" / f"{gone.id}.json").is_file()


def test_a_run_that_a_version_stands_on_is_not_removed_nor_is_any_other(story, workspace):
    before = content_of(workspace)
    with pytest.raises(InUse, match=r"run \w{8} cannot be removed: iris@1 stands on it") as caught:
        trash.remove(workspace, ["broken", "first"])
    assert (content_of(workspace) == before, caught.value.hint) == (True, "mlcli lineage iris@1")


def test_a_run_that_still_runs_is_not_removed(record, workspace):
    running = record(name="r", status="running")
    with pytest.raises(InUse, match="it is running"):
        trash.remove(workspace, [running.id])


def test_naming_a_run_twice_removes_it_once(story, workspace):
    assert [run.name for run in trash.remove(workspace, ["broken", story["failed"].id[:4]])] == ["broken"]


def test_a_ref_that_names_no_run_removes_nothing(story, workspace):
    with pytest.raises(NotFound):
        trash.remove(workspace, ["broken", "nothing"])
    assert len(workspace.store.run_ids()) == 4


@pytest.mark.parametrize("ref", ["iris", "first:model", "main", "."])
def test_only_a_run_or_a_version_is_removed(story, workspace, ref: str):
    before = content_of(workspace)
    with pytest.raises((InvalidRef, NotFound)):
        trash.remove(workspace, ["broken", ref])
    assert content_of(workspace) == before


def test_a_version_is_removed_and_its_number_not_used_again(story, workspace):
    gone = workspace.store.version("iris", 2)
    registry.promote(workspace, "iris@2", "archived")
    assert trash.remove(workspace, ["iris@2"], why="trained on the test set") == [gone]
    assert workspace.store.version_numbers("iris") == [1]
    told = registry.history(workspace, "iris")[0]
    assert (told.action, told.version, told.why) == ("removed", 2, "trained on the test set")
    trash.collect(workspace, older_than=NOW)
    assert registry.register(workspace, "iris", "second").version.number == 3


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_a_version_in_service_is_not_removed(story, workspace, stage: str):
    registry.promote(workspace, "iris@2", stage, once=True)
    with pytest.raises(InUse, match=r"iris@2 cannot be removed: it is in (Staging|Production)") as caught:
        trash.remove(workspace, ["iris@2"])
    assert caught.value.hint == "mlcli promote iris@2 archived"


def test_a_run_goes_with_the_version_that_stands_on_it(story, workspace):
    run = workspace.store.version("iris", 1).run
    assert [getattr(each, "ref", each.name) for each in trash.remove(workspace, [run.id, "iris@1"])] == [
        "iris@1",
        "first",
    ]


def test_a_removal_that_was_killed_half_way_is_told_once(story, workspace):
    version = workspace.store.version("iris", 1)
    trash._note(workspace, version, trash.Action.REMOVED, "")
    trash.remove(workspace, ["iris@1"])
    assert [entry.action for entry in registry.history(workspace, "iris")].count("removed") == 1


# Bringing back


def test_what_was_removed_comes_back_as_it_was(story, workspace):
    before = content_of(workspace)
    trash.remove(workspace, ["broken", "iris@1"])
    trash.restore(workspace, ["iris@1", "broken"])
    after = content_of(workspace)
    assert {path: after[path] for path in before} == before
    assert all("/events/" in path for path in after.keys() - before.keys())
    assert [entry.action for entry in registry.history(workspace, "iris")][:2] == ["restored", "removed"]
    assert doctor.examined(workspace).problems == []


def test_the_last_removed_is_listed_first_and_named_by_its_place(story, workspace):
    trash.remove(workspace, ["broken"])
    trash.remove(workspace, ["dirty"])
    assert [each.what.name for each in trash.removed(workspace)] == ["dirty", "broken"]
    assert [run.name for run in trash.restore(workspace, ["@1", "@"])] == ["broken", "dirty"]
    assert trash.removed(workspace) == []


@pytest.mark.parametrize("ref", ["nothing", "iris@7", "first", "@", "@3"])
def test_what_is_not_in_the_trash_is_not_restored(story, workspace, ref: str):
    with pytest.raises(NotFound, match="is not in the trash") as caught:
        trash.restore(workspace, [ref])
    assert caught.value.hint == "mlcli restore"


def test_a_name_of_two_removed_runs_names_neither(story, workspace, record):
    twin = record(name="broken")
    trash.remove(workspace, [story["failed"].id, twin.id])
    with pytest.raises(Ambiguous, match="names 2 removed runs"):
        trash.restore(workspace, ["broken"])


def test_a_version_that_git_brought_back_is_not_overwritten(story, workspace, top: Path):
    place = top / "models" / "iris" / "versions" / "1.json"
    data = place.read_bytes()
    trash.remove(workspace, ["iris@1"])
    place.write_bytes(data)
    with pytest.raises(Refused, match="'iris@1' is here already"):
        trash.restore(workspace, ["iris@1"])
    assert place.read_bytes() == data


# Collecting


def test_what_was_removed_lately_stays(story, workspace, top: Path):
    trash.remove(workspace, ["broken"])
    before = content_of(workspace)
    swept = trash.collect(workspace)
    assert (swept.runs, swept.left, content_of(workspace)) == ([], 1, before)


def test_what_was_removed_long_ago_goes_and_its_content_after_it(story, workspace, record, top: Path):
    run = record(name="big", files={"weights.bin": "w" * 1000})
    digest = run.artifacts[0].digest.partition(":")[2]
    trash.remove(workspace, ["big"])
    aged(top, days=2)
    first = trash.collect(workspace)
    assert (first.runs, first.objects, first.waiting, (top / "trash" / "objects" / digest).is_file()) == (
        [run.id],
        0,
        1,
        True,
    )
    aged(top, days=2)
    second = trash.collect(workspace)
    assert (second.objects, second.bytes, (top / "trash" / "objects" / digest).exists()) == (1, 1000, False)
    assert doctor.examined(workspace).problems == []


def test_a_dry_run_tells_what_would_go_and_takes_nothing(story, workspace, record, top: Path):
    record(name="big", files={"weights.bin": "w" * 1000})
    trash.remove(workspace, ["big"])
    before = content_of(workspace)
    told = trash.collect(workspace, older_than=NOW, dry_run=True)
    assert content_of(workspace) == before
    assert trash.collect(workspace, older_than=NOW) == told
    assert (len(told.runs), told.objects, told.bytes) == (1, 1, 1000)


def test_content_that_anything_here_cites_stays(story, workspace, record, top: Path):
    record(name="cites", files={"a": "same"})
    record(name="goes", files={"a": "same", "b": "its own"})
    running = record(name="runs", status="running", files={"c": "live"})
    trash.remove(workspace, ["goes"])
    before = objects_in(top)
    assert trash.collect(workspace, older_than=NOW).objects == 1
    assert len(before - objects_in(top)) == 1
    assert workspace.store.has_content(running.artifacts[0])
    assert doctor.examined(workspace).problems == []


def test_a_stash_that_took_the_stores_own_files_hides_nothing(story, workspace, git, top: Path):
    git("stash", "-q", "-u")
    assert not (top / "store.json").exists()
    assert len(tracking.find_runs(workspace).runs) == 4
    workspace.make_store()
    assert {(top / name).is_file() for name in ("store.json", ".gitignore")} == {True}


@pytest.mark.parametrize("where", ["branch", "tag", "stash", "index", "untracked in a stash"])
def test_content_that_git_still_cites_stays(story, workspace, git, top: Path, where: str, record):
    run = record(name="kept", model="weights of kept")
    version = registry.register(workspace, "other", run.id).version
    git("add", ".") if where != "untracked in a stash" else None
    if where in {"branch", "tag"}:
        git("commit", "-qm", "Register other")
        git(*(["branch", "aside"] if where == "branch" else ["tag", "-a", "v1", "-m", "v1"]))
        git("reset", "-q", "--hard", "HEAD~1")
    elif where != "index":
        git("stash", "-q", *(["-u"] if where.startswith("untracked") else []))
    if workspace.store.version_numbers("other"):
        workspace.store.remove_version("other", 1)
    workspace.store.remove_run(run.id)
    trash.collect(workspace, older_than=NOW)
    assert all(workspace.store.has_content(file) for file in version.files)


def test_where_git_cannot_tell_nothing_is_taken(story, workspace, git, top: Path):
    trash.remove(workspace, ["broken"])
    Path(workspace.root, ".git", "refs", "heads", "main").write_text("0" * 39 + "1\n")
    Path(workspace.root, ".git", "index").write_bytes(b"damaged")
    before = content_of(workspace)
    with pytest.raises(GitError, match="nothing was taken"):
        trash.collect(workspace, older_than=NOW)
    assert content_of(workspace) == before


def test_where_a_document_cannot_be_read_no_content_is_taken(story, workspace, record, top: Path):
    record(name="goes", files={"a": "loose"})
    trash.remove(workspace, ["goes"])
    run = story["failed"]
    (top / "runs" / run.id[:2] / f"{run.id}.json").write_text("{")
    before = objects_in(top)
    with pytest.raises(Corrupt, match="is not readable as JSON"):
        trash.collect(workspace, older_than=NOW)
    assert objects_in(top) == before


def test_content_is_not_collected_while_a_run_adds_some(story, workspace, record, top: Path):
    record(name="goes", files={"a": "loose"})
    trash.remove(workspace, ["goes"])
    workspace.store.files.lock_seconds = 0.05
    with workspace.store.adding_content(), pytest.raises(Locked):
        trash.collect(workspace, older_than=NOW)


@pytest.mark.slow
def test_content_that_is_logged_while_others_collect_is_never_taken(story, workspace, record, top: Path):
    stop = threading.Event()
    problems: list[str] = []

    def collect() -> None:
        while not stop.is_set():
            with suppress(Locked):
                trash.collect(workspace, older_than=NOW)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for number in range(150):
            # The content of a run that was removed is logged again by the next.
            run = record(name=f"r{number}", files={"a": f"content {number // 2}"})
            if not workspace.store.has_content(run.artifacts[0]):
                problems.append(run.name)
            trash.remove(workspace, [run.id]) if number % 2 == 0 else None
    finally:
        stop.set()
        collector.join()
    assert problems == []
    assert doctor.examined(workspace).healthy


def test_what_a_process_that_died_left_is_collected(story, workspace, top: Path):
    left = top / ".cache" / "tmp" / f"{2**22 + 1}-{'0' * 32}"
    mine = top / ".cache" / "tmp" / f"{os.getpid()}-{'0' * 32}"
    left.write_bytes(b"half")
    mine.write_bytes(b"half")
    trash.collect(workspace, older_than=NOW)
    assert (left.exists(), mine.exists()) == (False, True)


# Doctor


def test_doctor_ends_a_removal_that_was_killed_half_way(story, workspace, record, top: Path):
    run = record(name="goes", files={"a": "x"})
    place = top / "runs" / run.id[:2] / f"{run.id}.json"
    (top / "trash" / "runs").mkdir(parents=True)
    place.rename(top / "trash" / "runs" / place.name)
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.mended) == ([], [f"moved runs/{run.id[:2]}/{run.id} to the trash, after its run"])
    trash.restore(workspace, ["goes"])
    assert doctor.examined(workspace).problems == []


def test_doctor_ends_the_removal_and_the_return_of_a_version_that_were_killed_half_way(story, workspace):
    version = workspace.store.version("iris", 1)
    trash._note(workspace, version, trash.Action.REMOVED, "")
    assert [(p.code, p.where) for p in doctor.examined(workspace).problems] == [("half-removed", "iris@1")]
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.mended) == ([], ["removed iris@1, as the history says"])
    trash._note(workspace, version, trash.Action.RESTORED, "")
    told = doctor.examined(workspace, fix=True)
    assert (told.problems, told.mended) == ([], ["restored iris@1, as the history says"])
    assert workspace.store.version("iris", 1) == version


def test_a_removal_that_was_killed_half_way_leaves_nothing_once_it_is_collected(story, workspace, record, top: Path):
    run = record(name="goes", files={"a": "x"})
    place = top / "runs" / run.id[:2] / f"{run.id}.json"
    (top / "trash" / "runs").mkdir(parents=True)
    place.rename(top / "trash" / "runs" / place.name)
    trash.collect(workspace, older_than=NOW)
    assert (doctor.examined(workspace).problems, (place.parent / run.id).exists()) == ([], False)


def test_doctor_brings_content_back_that_went_to_the_trash(story, workspace, record, top: Path):
    run = record(name="cites", files={"a": "x"})
    digest = run.artifacts[0].digest.partition(":")[2]
    (top / "trash" / "objects").mkdir(parents=True)
    (top / "objects" / digest[:2] / digest).rename(top / "trash" / "objects" / digest)
    assert [problem.code for problem in doctor.examined(workspace).problems] == ["object-missing"]
    assert doctor.examined(workspace, fix=True).problems == []


def test_doctor_tells_of_a_removed_document_that_cannot_come_back(story, workspace, top: Path):
    trash.remove(workspace, ["broken"])
    [path] = (top / "trash" / "runs").glob("*.json")
    path.write_text("{")
    [problem] = doctor.examined(workspace).problems
    assert (problem.serious, problem.where) == (False, f"trash/runs/{path.name}")
    assert trash.removed(workspace) == []


# What runs came from


def refs(git) -> list[str]:
    return [line[5:] for line in git("for-each-ref", "--format=%(refname)", "refs/mlruns", "refs/mlruns-trash").split()]


def test_the_ref_of_uncommitted_code_goes_to_the_trash_and_comes_back(story, workspace, git):
    clean, dirty = story["first"].git.commit, story["dirty"].git.snapshot.commit
    assert refs(git) == sorted([f"mlruns/main/{clean}", f"mlruns/main/{dirty}"])
    trash.remove(workspace, ["dirty"])
    assert refs(git) == [f"mlruns-trash/main/{dirty}", f"mlruns/main/{clean}"]
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert git("cat-file", "-t", dirty) == "commit"
    trash.restore(workspace, ["dirty"])
    assert refs(git) == sorted([f"mlruns/main/{clean}", f"mlruns/main/{dirty}"])


def test_a_ref_stays_as_long_as_another_run_came_from_the_same(story, workspace, record, git):
    twin = record(name="twin")
    assert twin.git.snapshot == story["dirty"].git.snapshot
    before = refs(git)
    trash.remove(workspace, ["dirty"])
    assert refs(git) == before
    trash.remove(workspace, ["twin"])
    assert f"mlruns-trash/main/{twin.git.snapshot.commit}" in refs(git)


def test_gc_drops_the_refs_of_what_it_takes_and_no_others(story, workspace, git):
    dirty = story["dirty"].git.snapshot.commit
    foreign = git("commit-tree", "HEAD^{tree}", "-m", "of another clone")
    git("update-ref", f"refs/mlruns/main/{foreign}", foreign)
    trash.remove(workspace, ["dirty"])
    assert trash.collect(workspace).commits == 0
    assert f"mlruns-trash/main/{dirty}" in refs(git)
    assert trash.collect(workspace, older_than=NOW).commits == 1
    assert refs(git) == sorted([f"mlruns/main/{story['first'].git.commit}", f"mlruns/main/{foreign}"])


def test_gc_brings_a_ref_back_that_a_run_needs_again(story, workspace, git):
    dirty = story["dirty"].git.snapshot.commit
    git("update-ref", f"refs/mlruns-trash/main/{dirty}", dirty)
    git("update-ref", "-d", f"refs/mlruns/main/{dirty}")
    assert (trash.collect(workspace).commits, f"mlruns/main/{dirty}" in refs(git)) == (0, True)


def test_gc_keeps_the_ref_of_a_version_on_another_branch(story, workspace, git, repo: Path):
    registry.register(workspace, "draft", "dirty")
    git("checkout", "-q", "-b", "side")
    git("add", ".mlruns")
    git("commit", "-qm", "Draft")
    git("checkout", "-q", "main")
    trash.remove(workspace, ["dirty"])
    trash.collect(workspace, older_than=NOW)
    assert f"mlruns/main/{story['dirty'].git.snapshot.commit}" in refs(git)


# At the terminal


def test_the_shell_removes_lists_restores_and_collects(story, mlcli, top: Path):
    assert mlcli("rm", "broken", "iris@1", "-m", "a mistake").stdout.splitlines() == [
        "iris@1 moved to the trash",
        f"{story['failed'].id[:8]} broken moved to the trash",
    ]
    assert [line.split("\t")[0] for line in mlcli("restore").stdout.splitlines()] == [story["failed"].id, "iris@1"]
    kept = mlcli("gc")
    assert (kept.stdout, kept.stderr) == (
        "deleted nothing\n",
        "2 removals younger than 1 day stay; mlcli gc --older-than 0 takes all\n",
    )
    assert mlcli("restore", "iris@1").stdout == "iris@1 restored\n"
    assert mlcli("gc", "--older-than", "0").stdout == "deleted 1 run (0 B)\n"
    refused = mlcli("restore", "broken")
    assert (refused.returncode, refused.stderr) == (
        3,
        "mlcli: error: 'broken' is not in the trash\nhint: mlcli restore\n",
    )


def test_a_restored_answer_is_what_its_schema_says(story, mlcli):
    mlcli("rm", "broken")
    assert faults_of(json.loads(mlcli("restore", "broken", "--json").stdout)) == []


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("12h", 43200), ("1 day", 86400), ("30 days", 2592000), ("4w", 2419200)],
)
def test_a_time_is_read(text: str, seconds: int):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "12", "-1d", "1.5h", "1 fortnight", "9999999d", "now"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(InvalidValue, match="is no time"):
        duration(text)
