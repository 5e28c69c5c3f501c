"""Checking: each broken link provoked for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import checking, doctor, registry, tracking
from mlcli.checking import Finding, Severity
from mlcli.domain.history import Action, Event, Holder
from mlcli.domain.source import Person
from mlcli.domain.stage import Stage
from mlcli.errors import CannotVerify, GitError, NotFound
from mlcli.store import schema
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
        [("artifact-missing", NOTE, "iris")],
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


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "uncommitted"])
def test_an_event_that_is_gone_is_found_with_where_it_is(whole, registry_path: Path, git, committed: bool):
    first = whole.store.history("iris").events[0].digest.partition(":")[2]
    committed and (git("add", "-A"), git("commit", "-qm", "Register"))
    (registry_path / "events" / f"{first}.json").unlink()
    report = checking.check(whole)
    assert found(report) == [("event-missing", ERROR, "iris")]
    events = ".mlruns/models/iris/events"
    hints = {True: f"git checkout HEAD -- {events}", False: f"git log --all -- {events}/{first}.json"}
    assert report.findings[0].hint == hints[committed]


def test_a_cherry_pick_that_left_events_behind_is_found_with_the_branch_that_has_them(whole, git, record):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("checkout", "-qb", "theirs")
    registry.promote(whole, "iris@1", "staging")
    git("add", "-A")
    git("commit", "-qm", "Stage 1")
    registry.promote(whole, "iris@1", "archived")
    git("add", "-A")
    git("commit", "-qm", "Archive 1")
    git("checkout", "-q", "main")
    subprocess.run(["git", "cherry-pick", "theirs"], capture_output=True, check=False)
    git("checkout", "theirs", "--", ".mlruns/models/iris/stages")
    report = checking.check(whole)
    [finding] = [each for each in report.findings if each.code == "event-missing"]
    assert finding.hint == "git checkout theirs -- .mlruns/models/iris/events"
    git(*finding.hint.removeprefix("git ").split())
    assert found(checking.check(whole)) == []


def test_each_damaged_event_is_told_and_hides_nothing_else_of_its_model(whole, registry_path: Path):
    registry.alias(whole, "iris@1", "champion")
    first, second = [event.digest[7:] for event in whole.store.history("iris").events[:2]]
    edited(registry_path / "events" / f"{first}.json", "why", "because")
    (registry_path / "events" / f"{second}.json").write_text("{")
    (registry_path / "aliases" / "champion.json").unlink()
    report = checking.check(whole)
    assert [each for each in found(report) if each[0] != "corrupt"] == [("alias-disagrees", ERROR, "iris@champion")]
    assert sorted(
        each.message.partition(" ")[0].rpartition("/")[2] for each in report.findings if each.code == "corrupt"
    ) == sorted([f"{first}.json", f"{second}.json"])
    assert report.versions == ["iris@1", "iris@2"]


@pytest.mark.parametrize(
    ("key", "value"), [("model", "other"), ("to_stage", "moon"), ("parents", "none"), ("at", "soon"), ("version", 3)]
)
def test_an_event_of_another_shape_or_model_is_found(whole, registry_path: Path, key: str, value):
    path = next((registry_path / "events").iterdir())
    document = schema.sealed("event", {**json.loads(path.read_text()), key: value})
    (registry_path / "events" / f"{document['digest'][7:]}.json").write_text(json.dumps(document))
    report = checking.check(whole)
    assert (found(report)[0], report.versions) == (("corrupt", ERROR, "iris"), ["iris@1", "iris@2"])


def test_events_that_name_each_other_as_parents_are_damaged_ones(whole, registry_path: Path):
    first, *_, last = (event.digest for event in whole.store.history("iris").events)
    edited(registry_path / "events" / f"{first[7:]}.json", "parents", [last])
    edited(registry_path / "events" / f"{last[7:]}.json", "parents", [first])
    assert [each for each in found(checking.check(whole)) if each[0] == "corrupt"] == [("corrupt", ERROR, "iris")] * 2


def test_a_copy_of_an_event_under_another_name_is_found(whole, registry_path: Path):
    event = next((registry_path / "events").iterdir())
    shutil.copy(event, event.with_name("0" * 64 + ".json"))
    assert found(checking.check(whole)) == [("corrupt", ERROR, "iris")]


@pytest.fixture
def said(whole):
    """Append an event to the model of `whole`, as another hand would: said(version number, field=...)."""

    def append(number: int, **fields):
        usual = {
            "model": "iris", "version": whole.store.version("iris", number).digest, "action": Action.NOTED,
            "from_stage": Stage.NONE, "to_stage": Stage.NONE, "at": whole.now(),
            "by": Person(name="Ada Lovelace", email="ada@example.com"), "parents": whole.store.history("iris").heads,
        }  # fmt: skip
        event = Event(**{**usual, **fields})
        return whole.store.add_event(event)

    return append


def test_an_event_of_another_models_version_is_found(whole, said, record):
    other = registry.register(whole, "other", record(model="other").id).version
    said(1, version=other.digest)
    assert found(checking.check(whole)) == [("version-missing", ERROR, "iris")]


@pytest.mark.slow
def test_a_history_of_ten_thousand_events_is_checked(whole):
    event = whole.store.history("iris").events[-1]
    for number in range(10_000):
        event = whole.store.add_event(replace(event, action=Action.NOTED, why=f"{number}", parents=[event.digest]))
    whole.store.set_alias("iris", "champion", whole.store.holder("iris", Stage.PRODUCTION))
    assert found(checking.check(whole)) == [("alias-disagrees", ERROR, "iris@champion")]


def test_an_event_from_the_future_is_doubted(whole, said):
    said(1, at=whole.now() + timedelta(minutes=4))
    said(1, at=whole.now() + timedelta(hours=4))
    report = checking.check(whole)
    assert (found(report), report.passed) == ([("event-future", WARNING, "iris@1")], True)


def test_a_version_that_lies_under_another_number_is_found(whole, registry_path: Path):
    (registry_path / "versions" / "1.json").rename(registry_path / "versions" / "7.json")
    report = checking.check(whole)
    assert (found(report), report.findings[0].message) == (
        [("number-disagrees", ERROR, "iris@7")], "its history gave it the number 1",
    )  # fmt: skip


def test_a_version_that_is_gone_is_found_though_it_was_only_registered(whole, registry_path: Path, record):
    registry.register(whole, "iris", record(model="third").id)
    (registry_path / "versions" / "3.json").unlink()
    report = checking.check(whole)
    assert (found(report), report.findings[0].message) == (
        [("version-missing", ERROR, "iris")], "its history names a version that is missing, as iris@3",
    )  # fmt: skip


def test_a_version_whose_registration_nobody_told_is_found(whole, record):
    other = whole.store.version("iris", 2)
    whole.store.add_version(replace(other, number=0, registered_at=whole.now(), why="inserted", digest=""))
    assert found(checking.check(whole)) == [("unregistered", ERROR, "iris@3")]


def test_a_version_that_was_registered_before_numbers_were_told_is_no_fault(whole, registry_path: Path, record):
    other = whole.store.version("iris", 2)
    early = replace(other, number=0, registered_at=other.registered_at - timedelta(days=9), why="older", digest="")
    whole.store.add_version(early)
    assert found(checking.check(whole)) == []


@pytest.mark.parametrize(("one", "other"), [("Iris", "iris"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "stra\u00dfe")])
def test_models_whose_names_are_one_on_some_systems_are_found(workspace, record, one: str, other: str):
    registry.register(workspace, "others", record(model="first").id)
    models = Path(workspace.store.root, "models")
    shutil.copytree(models / "others", models / one)
    shutil.copytree(models / "others", models / other)
    twins = [each for each in checking.check(workspace).findings if each.code == "name-twins"]
    assert [(each.severity, each.subject) for each in twins] == [(ERROR, max(one, other))]


# Aliases


def test_an_alias_that_says_another_version_than_the_history_is_found(whole):
    registry.alias(whole, "iris@1", "champion")
    assert found(checking.check(whole)) == []
    held = whole.store.alias("iris", "champion")
    whole.store.set_alias("iris", "champion", replace(held, number=2))
    report = checking.check(whole)
    assert (found(report), report.findings[0].hint) == (
        [("alias-disagrees", ERROR, "iris@champion")], "mlcli doctor --fix",
    )  # fmt: skip


def test_an_alias_that_no_event_gave_is_found(whole):
    holder = whole.store.holder("iris", Stage.PRODUCTION)
    whole.store.set_alias("iris", "champion", holder)
    assert found(checking.check(whole)) == [("alias-disagrees", ERROR, "iris@champion")]


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_an_alias_file_is_mended_from_the_history(whole, registry_path: Path, how: str):
    registry.alias(whole, "iris@1", "champion")
    path = registry_path / "aliases" / "champion.json"
    path.unlink() if how == "gone" else path.write_text("{")
    assert doctor.examined(whole, fix=True).mended == ["iris@champion says 1 again, as the history does"]
    assert found(checking.check(whole)) == []


# Gates and force

GATES = "[tool.mlcli.stages.production]\nrequire = ['metrics.accuracy >= 0.95', 'clean']\nforce = true\n"


@pytest.fixture
def gated(whole, repo: Path, monkeypatch: pytest.MonkeyPatch):
    """`whole`, after its project set gates for Production that no version of it meets."""
    (repo / "pyproject.toml").write_text(GATES)
    return Workspace(str(repo), now=whole.now, new_id=whole.new_id)


def test_a_version_in_a_stage_whose_gates_it_does_not_meet_is_found(gated):
    report = checking.check(gated)
    assert found(report) == [("gate", ERROR, "iris@2")]
    assert "does not meet metrics.accuracy >= 0.95" in report.findings[0].message
    assert report.findings[0].hint == "mlcli rollback iris production"


def test_a_forced_promotion_is_told_for_ever_and_weighs_less_once_it_is_over(gated, git):
    git("add", "pyproject.toml")
    git("commit", "-qm", "Gates")
    registry.promote(gated, "iris@1", "production", why="we must", force=True)
    report = checking.check(gated)
    assert (found(report), report.passed) == ([("forced", WARNING, "iris@1")], True)
    assert "Ada Lovelace put it in Production on " in report.findings[0].message
    assert "past its gates, as 'we must': metrics.accuracy >= 0.95 (" in report.findings[0].message
    registry.promote(gated, "iris@1", "archived")
    assert found(checking.check(gated)) == [("forced", NOTE, "iris@1")]


def test_a_rollback_to_a_forced_version_is_told_as_forced_and_nothing_else(gated, git):
    git("add", "pyproject.toml")
    git("commit", "-qm", "Gates")
    registry.promote(gated, "iris@1", "production", why="we must", force=True)
    registry.promote(gated, "iris@2", "production", why="no", force=True)
    registry.rollback(gated, "iris", "production")
    assert sorted(found(checking.check(gated))) == [("forced", NOTE, "iris@2"), ("forced", WARNING, "iris@1")]


# Signatures


def test_what_nobody_signed_is_found_where_signatures_are_asked_for(whole):
    assert checking.check(whole).passed
    report = checking.check(whole, ["iris@2"], signed=True)
    told = {(each.code, each.severity, "moved it to Production" in each.message) for each in report.findings}
    assert told == {("unsigned", ERROR, True), ("unsigned", NOTE, False)}


@pytest.fixture
def signing(repo: Path, git, machine: Path):
    """A project that signs what is done to its models, with a key that is allowed."""
    key = machine / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (machine / "allowed").write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    git("config", "gpg.format", "ssh")
    git("config", "user.signingkey", str(key))
    git("config", "gpg.ssh.allowedSignersFile", str(machine / "allowed"))
    (repo / "mlcli.toml").write_text("sign = true\n")
    git("add", "-A")
    git("commit", "-qm", "Sign")
    return Workspace(str(repo))


@pytest.fixture
def signed(signing, record):
    registry.register(signing, "iris", record(model="first").id)
    registry.promote(signing, "iris@1", "production")
    return signing


def test_what_was_signed_by_an_allowed_key_passes(signed):
    assert found(checking.check(signed, signed=True)) == []


def test_a_team_that_takes_up_signing_passes_once_what_stands_is_signed(whole, signing):
    registry.rollback(signing, "iris")
    report = checking.check(signing, signed=True)
    assert (report.passed, {each[:2] for each in found(report)}) == (True, {("unsigned", NOTE)})


def test_a_signature_over_other_bytes_is_found(signed, registry_path: Path):
    moved = signed.store.history("iris").events[-1]
    again = replace(moved, why="for another reason", parents=[moved.digest])
    signed.store.add_event(again)
    report = checking.check(signed, signed=True)
    assert ("signature-bad", ERROR, "iris@1") in found(report)


def test_a_key_that_is_not_allowed_any_more_is_found(signed, machine: Path, git):
    other = machine / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    (machine / "allowed").write_text(f"ada@example.com {other.with_suffix('.pub').read_text()}")
    assert {each[0] for each in found(checking.check(Workspace(signed.root), signed=True))} == {"signature-bad"}


def test_without_allowed_keys_nothing_can_be_verified(signed, git):
    git("config", "--unset", "gpg.ssh.allowedSignersFile")
    with pytest.raises(CannotVerify):
        checking.check(Workspace(signed.root), signed=True)


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


@pytest.fixture
def branched(whole, git):
    """Move two versions on two branches, each committed, and stand on the first: branched((ref, stage), (ref, stage))."""

    def move(ours: tuple[str, str], theirs: tuple[str, str]) -> None:
        git("add", "-A")
        git("commit", "-qm", "Register")
        git("checkout", "-qb", "theirs")
        registry.promote(whole, *theirs)
        git("add", "-A")
        git("commit", "-qm", "Theirs")
        git("checkout", "-q", "main")
        registry.promote(whole, *ours)
        git("add", "-A")
        git("commit", "-qm", "Ours")

    return move


def test_branches_that_gave_different_names_merge_without_a_finding(whole, branched, git):
    branched(("iris@2", "archived"), ("iris@1", "staging"))
    git("merge", "-q", "theirs", "-m", "Merge")
    assert checking.check(whole).findings == []


@pytest.mark.parametrize(("ours", "theirs"), [("none", "staging"), ("staging", "none")])
def test_a_version_that_two_branches_moved_apart_is_found_until_somebody_decides(
    whole, branched, git, ours: str, theirs: str
):
    branched(("iris@1", ours), ("iris@1", theirs))
    git("merge", "-q", "theirs", "-m", "Merge")
    unsettled = [each for each in checking.check(whole).findings if each.code == "unsettled"]
    assert [(each.severity, each.subject) for each in unsettled] == [(ERROR, "iris@1")]
    assert unsettled[0].message.startswith("branches moved it to ")
    assert {*unsettled[0].message.removeprefix("branches moved it to ").split(" and ")} == {"None", "Staging"}
    registry.promote(whole, "iris@1", "staging")
    assert checking.check(whole).findings == []


@pytest.mark.parametrize("side", ["--ours", "--theirs"])
def test_a_stage_that_branches_moved_apart_is_found_whichever_side_was_taken(whole, branched, repo: Path, git, side):
    branched(("iris@2", "archived"), ("iris@1", "production"))
    merged = conflict(repo)
    assert "CONFLICT (content): Merge conflict in .mlruns/models/iris/stages/production.json" in merged
    assert merged.count("CONFLICT") == 1
    report = checking.check(whole)
    assert {("unsettled", ERROR, "iris@production"), ("corrupt", ERROR, "iris@production")} == {*found(report)}
    assert "holds an unresolved merge" in report.findings[1].message
    git("checkout", side, ".mlruns/models/iris/stages/production.json")
    [unsettled] = [each for each in checking.check(whole).findings if each.code == "unsettled"]
    assert {*unsettled.message.removeprefix("branches gave it to ").split(" and ")} == {"nobody", "iris@1"}
    assert unsettled.hint == "mlcli promote iris@1 production"
    registry.promote(whole, "iris@1", "production")
    assert checking.check(whole).findings == []


def conflict(repo: Path) -> str:
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
