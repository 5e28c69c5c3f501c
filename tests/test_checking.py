"""Checking: each broken link provoked for real."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import checking, doctor, registry, tracking
from mlcli.checking import Finding, Severity
from mlcli.domain.history import Holder
from mlcli.domain.stage import Stage
from mlcli.errors import GitError, NotFound
from mlcli.workspace import Workspace

ERROR, WARNING, NOTE = Severity


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def found(report) -> list[tuple[str, Severity, str]]:
    return [(finding.code, finding.severity, finding.subject) for finding in report.findings]


@pytest.fixture
def registry_path(workspace) -> Path:
    return Path(workspace.store.root, "models", "iris")


def test_a_whole_lineage_has_no_finding(whole):
    report = checking.check(whole)
    assert (report.versions, report.findings, report.passed) == (["iris@1", "iris@2"], [], True)


def test_an_empty_store_has_nothing_to_find(workspace):
    workspace.make_store()
    assert checking.check(workspace).passed


@pytest.mark.parametrize(
    ("stage", "severity"), [("production", ERROR), ("staging", ERROR), ("archived", WARNING), (None, WARNING)]
)
def test_uncommitted_code_weighs_by_where_the_version_stands(story, workspace, stage, severity):
    registry.register(workspace, "iris", "dirty")
    stage and registry.promote(workspace, "iris@3", stage)
    report = checking.check(workspace, ["iris@3"])
    assert report.findings == [
        Finding(
            code="dirty", severity=severity, subject="iris@3", message="it was made from uncommitted code: train.py",
            hint="commit, then run and register again",
        )
    ]  # fmt: skip
    assert report.passed is (severity is WARNING)


def test_a_version_without_a_commit_is_found(machine: Path, monkeypatch, git):
    bare = machine / "work" / "no-commit"
    bare.mkdir()
    monkeypatch.chdir(bare)
    git("init", "-q")
    workspace = Workspace(str(bare))
    made_here(workspace)
    report = checking.check(workspace)
    assert (found(report), report.findings[0].message) == (
        [("no-commit", WARNING, "iris@1")], "its run has no commit: no commit yet",
    )  # fmt: skip


def test_outside_a_repository_a_version_has_no_commit_either(machine: Path, monkeypatch):
    workspace = Workspace(str(machine / "work"))
    made_here(workspace)
    assert found(checking.check(workspace)) == [("no-commit", WARNING, "iris@1")]


def made_here(workspace: Workspace) -> None:
    """A version in a workspace that no fixture knows."""
    from mlcli import capture
    from mlcli.domain.run import RunStatus

    workspace_source = capture.collect(
        ["python"], root=workspace.root, cwd=workspace.root, environ=os.environ, at=workspace.now()
    )
    run = tracking.begin(workspace, workspace_source)
    Path("model.onnx").write_text("x")
    tracking.log_artifact(workspace, run.id, "model.onnx", "model.onnx")
    tracking.finish(workspace, run.id, RunStatus.FINISHED)
    registry.register(workspace, "iris", run.id)


def test_a_commit_that_a_rewritten_history_left_behind_is_found(whole, git):
    old = git("rev-parse", "--short=7", "HEAD")
    git("commit", "--amend", "-qm", "Rewritten")
    new = git("rev-parse", "--short=7", "HEAD")
    report = checking.check(whole)
    assert found(report) == [("commit-unreachable", WARNING, "iris@1"), ("commit-unreachable", WARNING, "iris@2")]
    assert report.findings[0].message == (
        f"commit {old} is on no branch or tag; the same tree is {new} on main; only mlcli's own ref keeps it"
    )
    hint = report.findings[0].hint
    git(*hint.removeprefix("git ").split())
    assert checking.check(whole).findings == []


def test_a_commit_that_was_rebased_is_found_again_by_its_patch(whole, record, git, repo: Path):
    (repo / "train.py").write_text("print('better')\n")
    git("commit", "-qam", "Better")
    registry.register(whole, "better", record(model="better").id)
    old = git("rev-parse", "--short=7", "HEAD")
    git("reset", "-q", "--hard", "HEAD^")
    (repo / "other.py").write_text("1\n")
    git("add", "other.py")
    git("commit", "-qm", "Other")
    git("cherry-pick", old)
    new = git("rev-parse", "--short=7", "HEAD")
    [finding] = checking.check(whole, ["better"]).findings
    assert (finding.code, finding.severity) == ("commit-unreachable", WARNING)
    assert f"commit {old} is on no branch or tag; the same patch is {new} on main" in finding.message
    git("update-ref", "-d", f"refs/mlruns/main/{git('rev-parse', old)}")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    [finding] = checking.check(whole, ["better"]).findings
    assert (finding.code, finding.severity) == ("commit-missing", WARNING)
    assert f"commit {old} is not in this repository; the same patch is {new} on main" in finding.message


def test_a_commit_that_git_dropped_is_kept_by_its_ref_and_missing_without_it(whole, git, repo: Path):
    old = git("rev-parse", "HEAD")
    git("commit", "--amend", "-qm", "Rewritten")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert found(checking.check(whole)) == [
        ("commit-unreachable", WARNING, "iris@1"), ("commit-unreachable", WARNING, "iris@2"),
    ]  # fmt: skip
    git("update-ref", "-d", f"refs/mlruns/main/{old}")
    assert found(checking.check(whole))[1] == ("commit-unreachable", ERROR, "iris@2")
    git("gc", "-q", "--prune=now")
    assert found(checking.check(whole)) == [("commit-missing", WARNING, "iris@1"), ("commit-missing", ERROR, "iris@2")]


@pytest.fixture
def uncommitted(record, workspace, repo: Path) -> str:
    """A version that was made from a changed file and a new one; the commit that keeps them."""
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "new.py").write_text("print('new')\n")
    run = record(model="dirty", name="dirty")
    registry.register(workspace, "iris", run.id)
    return run.git.snapshot.commit


def test_uncommitted_code_that_is_kept_is_found_as_that_and_nothing_else(uncommitted, workspace):
    assert found(checking.check(workspace)) == [("dirty", WARNING, "iris@1")]


def test_uncommitted_code_that_no_ref_keeps_is_found_and_mended(uncommitted, workspace, git):
    git("update-ref", "-d", f"refs/mlruns/main/{uncommitted}")
    report = checking.check(workspace)
    assert found(report)[1] == ("snapshot-unkept", WARNING, "iris@1")
    assert report.findings[1].hint == "mlcli doctor --fix"
    assert doctor.examined(workspace, fix=True).mended == [f"let a ref lead to {uncommitted[:7]} again"]
    assert found(checking.check(workspace)) == [("dirty", WARNING, "iris@1")]


def test_uncommitted_code_that_git_dropped_is_found(uncommitted, workspace, git):
    git("update-ref", "-d", f"refs/mlruns/main/{uncommitted}")
    git("gc", "-q", "--prune=now")
    report = checking.check(workspace)
    assert found(report)[1] == ("snapshot-missing", WARNING, "iris@1")
    assert report.findings[1].hint == "git fetch origin 'refs/mlruns/*:refs/mlruns/*'"
    assert [problem.code for problem in doctor.examined(workspace, fix=True).problems] == ["code-missing"]


@pytest.mark.parametrize("how", ["gone", "altered"])
def test_uncommitted_code_of_which_a_part_is_damaged_is_found(uncommitted, workspace, git, repo: Path, how: str):
    blob = git("rev-parse", f"{uncommitted}:new.py")
    path = repo / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.write_bytes(zlib.compress(b"blob 4\0bad\n")) if how == "altered" else path.unlink()
    assert found(checking.check(workspace))[1] == ("snapshot-damaged", WARNING, "iris@1")


def test_a_commit_on_another_branch_or_a_tag_is_found_again(whole, git):
    git("tag", "v1")
    git("commit", "--amend", "-qm", "Rewritten")
    assert checking.check(whole).findings == []


def test_a_model_whose_content_is_gone_is_found_where_its_run_is(whole):
    Path(whole.store.content_path(whole.store.version("iris", 2).files[0])).unlink()
    report = checking.check(whole)
    assert (found(report), report.findings[0].hint) == (
        [("artifact-missing", ERROR, "iris@2")], "restore it from a backup, or run and register again",
    )  # fmt: skip


def test_in_a_clone_without_the_run_missing_content_is_no_fault(whole, repo: Path, git, tmp_path: Path):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(repo), str(tmp_path / "clone"))
    report = checking.check(Workspace(str(tmp_path / "clone")))
    assert (found(report), report.passed) == (
        [("artifact-missing", NOTE, "iris@1"), ("artifact-missing", NOTE, "iris@2")],
        True,
    )


def test_a_model_whose_content_was_altered_is_found(whole):
    content = Path(whole.store.content_path(whole.store.version("iris", 2).files[0]))
    content.chmod(0o644)
    content.write_text("evil")
    assert found(checking.check(whole)) == [("artifact-altered", ERROR, "iris@2")]


def test_a_version_whose_run_had_not_ended_is_found(record, workspace):
    record(model="weights", status="running")
    registry.register(workspace, "iris")
    report = checking.check(workspace)
    assert (found(report), report.passed) == ([("run-unfinished", WARNING, "iris@1")], True)


def edited(path: Path, key: str, value) -> None:
    """Edit one field of a document by hand, as in a text editor."""
    document = json.loads(path.read_text())
    document[key] = value
    path.write_text(json.dumps(document, indent=2))


def test_a_version_that_was_edited_is_found_and_the_others_are_checked_all_the_same(whole, registry_path: Path):
    edited(registry_path / "versions" / "2.json", "why", "because")
    report = checking.check(whole)
    assert ("corrupt", ERROR, "iris@2") in found(report)
    assert report.versions == ["iris@1"]
    assert report.findings[0].hint == "git checkout the file, or mlcli doctor"


def test_an_event_that_was_edited_is_found(whole, registry_path: Path):
    edited(next((registry_path / "events").iterdir()), "why", "because")
    assert found(checking.check(whole))[0] == ("corrupt", ERROR, "iris")


def test_an_event_under_another_name_is_found(whole, registry_path: Path):
    event = next((registry_path / "events").iterdir())
    event.rename(event.with_name("0" * 64 + ".json"))
    report = checking.check(whole)
    assert (found(report)[0], "does not carry the digest of its name" in report.findings[0].message) == (
        ("corrupt", ERROR, "iris"), True,
    )  # fmt: skip


def test_an_event_that_is_gone_is_found(whole, registry_path: Path):
    first = whole.store.history("iris").events[0].digest.partition(":")[2]
    (registry_path / "events" / f"{first}.json").unlink()
    report = checking.check(whole)
    assert found(report) == [("event-missing", ERROR, "iris")]
    assert report.findings[0].hint == "git checkout -- .mlruns/models/iris"


def test_a_stage_file_that_was_edited_is_found(whole, registry_path: Path):
    edited(registry_path / "stages" / "production.json", "version", 1)
    assert found(checking.check(whole)) == [("corrupt", ERROR, "iris@production")]


@pytest.mark.parametrize("stage", ["production", "staging"])
def test_a_stage_that_says_another_version_than_the_history_is_found(whole, stage: str):
    other = whole.store.version("iris", 1)
    whole.store.set_holder("iris", Stage(stage), Holder(number=1, version=other.digest, event="sha256:" + "0" * 64))
    report = checking.check(whole)
    assert (found(report), report.findings[0].hint) == (
        [("stage-disagrees", ERROR, f"iris@{stage}")], "mlcli doctor --fix",
    )  # fmt: skip


def test_a_stage_whose_number_names_another_version_is_found(whole):
    holder = whole.store.holder("iris", Stage.PRODUCTION)
    whole.store.set_holder("iris", Stage.PRODUCTION, replace(holder, number=1))
    assert found(checking.check(whole)) == [("stage-disagrees", ERROR, "iris@production")]


def test_a_stage_file_that_is_gone_is_found(whole, registry_path: Path):
    (registry_path / "stages" / "production.json").unlink()
    assert found(checking.check(whole)) == [("stage-disagrees", ERROR, "iris@production")]


def test_a_history_that_two_branches_moved_apart_is_found(whole, repo: Path, git, record):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("checkout", "-qb", "theirs")
    registry.promote(whole, "iris@1", "staging")
    git("add", "-A")
    git("commit", "-qm", "Stage 1")
    git("checkout", "-q", "main")
    registry.promote(whole, "iris@2", "archived")
    git("add", "-A")
    git("commit", "-qm", "Archive 2")
    git("merge", "-q", "theirs", "-m", "Merge")
    report = checking.check(whole)
    assert (found(report), report.findings[0].message) == (
        [("unsettled", ERROR, "iris")], "its history has 2 ends that no transition settled",
    )  # fmt: skip
    registry.promote(whole, "iris@1", "production")
    assert checking.check(whole).findings == []


def test_two_branches_that_claim_one_number_or_move_one_stage_conflict_in_git(whole, repo: Path, git, record):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("checkout", "-qb", "theirs")
    registry.promote(whole, "iris@1", "production")
    git("add", "-A")
    git("commit", "-qm", "Theirs")
    git("checkout", "-q", "main")
    registry.promote(whole, "iris@2", "archived")
    git("add", "-A")
    git("commit", "-qm", "Ours")
    merged = conflict(repo)
    assert "CONFLICT (content): Merge conflict in .mlruns/models/iris/stages/production.json" in merged
    assert merged.count("CONFLICT") == 1
    report = checking.check(whole)
    assert {("unsettled", ERROR, "iris"), ("corrupt", ERROR, "iris@production")} == {*found(report)}
    assert "holds an unresolved merge" in report.findings[1].message


def conflict(repo: Path) -> str:
    import subprocess

    return subprocess.run(["git", "merge", "theirs"], cwd=repo, capture_output=True, text=True, check=False).stdout


def test_only_what_is_asked_for_is_checked(story, workspace):
    registry.register(workspace, "other", "dirty")
    assert checking.check(workspace, ["iris"]).versions == ["iris@1", "iris@2"]
    assert checking.check(workspace, ["iris@1", "iris@1", "models:/iris/1"]).versions == ["iris@1"]
    assert checking.check(workspace, stage=Stage.PRODUCTION).versions == ["iris@2"]
    assert checking.check(workspace, ["other"]).versions == ["other@1"]
    with pytest.raises(NotFound):
        checking.check(workspace, ["churn"])


# What is staged


def test_what_is_staged_is_checked_and_not_what_lies_there(whole, registry_path: Path, git):
    git("add", "-A")
    edited(registry_path / "stages" / "production.json", "version", 1)
    assert (checking.check(whole.staged()).findings, found(checking.check(whole))) == (
        [],
        [("corrupt", ERROR, "iris@production")],
    )
    git("add", "-A")
    assert found(checking.check(whole.staged())) == [("corrupt", ERROR, "iris@production")]


def test_a_version_that_is_not_staged_is_not_checked(whole, registry_path: Path, git):
    git("add", ".mlruns/models/iris/versions/1.json")
    assert checking.check(whole.staged()).versions == ["iris@1"]


def test_in_a_directory_of_the_repository_its_own_store_is_read(whole, repo: Path, git):
    (repo / "sub").mkdir()
    shutil.move(repo / ".mlruns", repo / "sub" / ".mlruns")
    git("add", "-A")
    assert checking.check(Workspace(str(repo / "sub")).staged()).versions == ["iris@1", "iris@2"]


def test_outside_a_repository_nothing_is_staged(machine: Path):
    with pytest.raises(GitError, match="not a git repository"):
        Workspace(str(machine / "work")).staged()
