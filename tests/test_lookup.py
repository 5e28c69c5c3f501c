"""From what is typed to the one thing it names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlcli import lookup, registry
from mlcli.domain.model import ModelVersion
from mlcli.domain.run import Run
from mlcli.errors import Ambiguous, Corrupt, InvalidRef, NoStore, NotFound


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def told(found) -> str:
    """A version by its ref, a run by its name, content and commits by what holds them."""
    if isinstance(found, ModelVersion):
        return found.ref
    if isinstance(found, Run):
        return found.name
    return f"runs {[run.name for run in found.runs]} versions {[version.ref for version in found.versions]}"


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("@", "dirty"),
        ("@0", "dirty"),
        ("@1", "broken"),
        ("@3", "first"),
        ("first", "first"),
        ("3f", "first"),
        ("3f2a9c1d", "first"),
        ("3f2a9c1d" + "0" * 24, "first"),
        ("7e", "second"),
        ("best:accuracy", "dirty"),
        ("best:accuracy:min", "first"),
        ("best:accuracy:max", "dirty"),
        ("iris@1", "first"),
        ("iris@production", "second"),
        ("iris@Production", "second"),
        ("iris@archived", "first"),
        ("iris@latest", "second"),
        ("models:/iris/1", "first"),
        ("models:/iris/Production", "second"),
        ("runs:/7e/model", "second"),
        ("runs:/7e", "second"),
    ],
)
def test_a_run_is_named_in_many_ways(story, workspace, ref: str, name: str):
    assert lookup.find_run(workspace, ref).name == name


@pytest.mark.parametrize(
    ("ref", "version"),
    [("iris", "iris@2"), ("iris@1", "iris@1"), ("iris@v1", "iris@1"), ("iris@staging", None), ("iris@production", "iris@2"),
     ("iris@archived", "iris@1"), ("iris@none", None), ("iris@champion", None), ("iris@9", None), ("churn", None), ("first", None)],
)  # fmt: skip
def test_a_version_is_named_by_number_stage_or_model(story, workspace, ref: str, version: str | None):
    assert found_or_none(workspace, ref) == version


def found_or_none(workspace, ref: str) -> str | None:
    try:
        return lookup.find_version(workspace, ref).ref
    except NotFound:
        return None


@pytest.mark.parametrize("ref", ["@", "best:accuracy", "sha256:" + "a" * 64, "runs:/3f/model"])
def test_what_names_no_version_is_refused(story, workspace, ref: str):
    with pytest.raises(InvalidRef, match="names no model version"):
        lookup.find_version(workspace, ref)


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("frist", "no run matches 'frist'", "did you mean first, iris?"),
        ("zzz", "no run matches 'zzz'", "mlcli ls"),
        ("@9", "there are 4 runs: none lies 9 before the newest", "mlcli ls"),
        ("best:none", "no finished run has a metric 'none'", "mlcli ls --columns id,metrics"),
        ("irsi@1", "no model is called 'irsi'", "did you mean iris?"),
        ("iris@9", "iris has no version 9", "mlcli history iris"),
        ("iris@staging", "no version of iris is in Staging", "mlcli promote iris@2 staging"),
        ("iris@champion", "iris has no alias 'champion'", "mlcli alias iris@N champion"),
        ("*", "no run matches '*'", "mlcli ls"),
        ("../x", "no run matches '../x'", "mlcli ls"),
        ("\x1b[31m", r"no run matches '\x1b[31m'", "mlcli ls"),
    ],
)
def test_what_is_not_there_is_told_with_what_may_have_been_meant(story, workspace, ref: str, message: str, hint: str):
    with pytest.raises(NotFound) as caught:
        lookup.find_run(workspace, ref)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_empty_ref_matches_no_run(story, workspace):
    with pytest.raises(InvalidRef):
        lookup.find_run(workspace, "")


def test_the_beginning_of_two_ids_is_ambiguous_and_both_are_listed(record, workspace, a_namesake):
    one, two = a_namesake
    with pytest.raises(Ambiguous) as caught:
        lookup.find_run(workspace, "ab")
    assert (caught.value.message, caught.value.hint) == (
        f"'ab' begins 2 run ids: {one.id[:6]}, {two.id[:6]}", "type more of the id",
    )  # fmt: skip


@pytest.fixture
def a_namesake(record, workspace) -> list[Run]:
    """Two runs of one name, whose ids begin with the same digits."""
    ids = iter(["ab1" + "0" * 29, "ab2" + "0" * 29])
    workspace.new_id = lambda: next(ids)
    return [record(name="twin"), record(name="twin")]


def test_a_name_that_two_runs_have_is_ambiguous(workspace, a_namesake):
    with pytest.raises(Ambiguous, match=r"'twin' is the name of 2 runs: ab200000, ab100000"):
        lookup.find_run(workspace, "twin")


def test_the_best_run_is_one_that_ended_well_and_has_a_number(record, workspace):
    record(metrics={"acc": 0.9, "loss": 0.5}, name="good")
    record(metrics={"acc": float("nan"), "loss": float("nan")}, name="nan")
    record(metrics={"acc": 0.99, "loss": 0.01}, status="failed", name="failed")
    record(metrics={"acc": 0.8, "loss": 0.4}, name="worse")
    assert [lookup.find_run(workspace, ref).name for ref in ("best:acc", "best:loss", "best:loss:max")] == [
        "good",
        "worse",
        "good",
    ]


def test_of_equally_good_runs_the_newest_is_the_best(record, workspace):
    record(metrics={"acc": 0.9}, name="old")
    record(metrics={"acc": 0.9}, name="new")
    assert lookup.find_run(workspace, "best:acc").name == "new"


# Anything


def test_a_files_content_leads_to_the_runs_and_versions_that_hold_it(story, workspace, tmp_path: Path):
    (tmp_path / "downloaded.bin").write_text("second")
    assert told(lookup.find_any(workspace, str(tmp_path / "downloaded.bin"))) == "runs ['second'] versions ['iris@2']"


def test_a_directorys_content_leads_to_the_model_it_is(story, workspace, tmp_path: Path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "model.joblib").write_text("first")
    assert told(lookup.find_any(workspace, str(tmp_path / "copy"))) == "runs ['first'] versions ['iris@1']"


def test_a_digest_and_its_beginning_lead_there_too(story, workspace):
    digest = story["second"].artifacts[0].digest
    assert (
        told(lookup.find_any(workspace, digest))
        == told(lookup.find_any(workspace, digest[:20]))
        == "runs ['second'] versions ['iris@2']"
    )


@pytest.mark.parametrize("ref", ["main", "HEAD"])
def test_a_commit_or_branch_leads_to_what_was_made_from_it(story, workspace, git, ref: str):
    runs = "runs ['dirty', 'broken', 'second', 'first'] versions ['iris@1', 'iris@2']"
    assert told(lookup.find_any(workspace, ref)) == told(lookup.find_any(workspace, git("rev-parse", ref))) == runs


def test_a_file_that_no_run_made_is_told(story, workspace, tmp_path: Path):
    (tmp_path / "foreign").write_text("foreign")
    with pytest.raises(NotFound, match=r"no run or version made or read '.*"):
        lookup.find_any(workspace, str(tmp_path / "foreign"))


@pytest.mark.parametrize("ref", ["sha256:" + "f" * 64, "sha256:fffffff"])
def test_a_digest_that_nobody_knows_is_told(story, workspace, ref: str):
    with pytest.raises(NotFound, match=f"no run or version holds content with the digest {ref}"):
        lookup.find_any(workspace, ref)


def test_a_versions_own_digest_names_it(story, workspace):
    digest = workspace.store.version("iris", 1).digest
    assert [told(lookup.find_any(workspace, ref)) for ref in (digest, digest[:20])] == ["iris@1", "iris@1"]


def test_a_directory_without_a_file_is_told(story, workspace, tmp_path: Path):
    (tmp_path / "hollow" / "inner").mkdir(parents=True)
    with pytest.raises(NotFound, match="holds no file"):
        lookup.find_any(workspace, str(tmp_path / "hollow"))


def test_a_directory_leads_to_the_runs_that_made_a_file_in_it(story, workspace, tmp_path: Path):
    (tmp_path / "more" / "inner").mkdir(parents=True)
    (tmp_path / "more" / "inner" / "renamed.bin").write_text("first")
    (tmp_path / "more" / "other.bin").write_text("second")
    (tmp_path / "more" / "loop").symlink_to("loop")
    found = lookup.find_any(workspace, str(tmp_path / "more"))
    assert told(found) == "runs ['second', 'first'] versions ['iris@1', 'iris@2']"


def test_a_model_and_a_run_of_one_name_are_ambiguous(story, workspace, record):
    run = record(name="iris")
    with pytest.raises(Ambiguous) as caught:
        lookup.find_any(workspace, "iris")
    assert (caught.value.message, caught.value.hint) == (
        f"'iris' is a model and the run {run.id[:8]}", f"mlcli show iris@latest, or {run.id[:8]}",
    )  # fmt: skip


@pytest.mark.parametrize("ref", ["iris", "iris@1", "@", "first", "runs:/3f/model"])
def test_anything_may_be_a_version_or_a_run(story, workspace, ref: str):
    wanted = {"iris": "iris@2", "iris@1": "iris@1", "@": "dirty", "first": "first", "runs:/3f/model": "first"}
    assert told(lookup.find_any(workspace, ref)) == wanted[ref]


def test_a_file_in_the_way_does_not_hide_a_run_or_a_model(story, workspace, repo: Path):
    (repo / "first").write_text("x")
    (repo / "iris").write_text("x")
    assert [told(lookup.find_any(workspace, ref)) for ref in ("first", "iris")] == ["first", "iris@2"]


def test_without_a_store_nothing_is_found_and_none_is_made(workspace, repo: Path):
    with pytest.raises(NoStore):
        lookup.find_any(workspace, "HEAD")
    assert not (repo / ".mlruns").exists()


def test_a_damaged_run_stands_in_nobodys_way(story, workspace):
    os.chmod(workspace.store.files.path(f"runs/7e/{story['second'].id}.json"), 0o644)
    workspace.store.files.replace(f"runs/7e/{story['second'].id}.json", b"")
    assert lookup.find_run(workspace, "iris@2").name == "second"
    with pytest.raises(Corrupt, match="is empty"):
        lookup.find_run(workspace, "7e")


def test_every_version_of_every_model_is_listed(story, workspace):
    registry.register(workspace, "churn", "dirty")
    assert [version.ref for version in lookup.versions_of(workspace)] == ["churn@1", "iris@1", "iris@2"]


OPENED = """
import os, sys
from mlcli.lookup import find_version
from mlcli.workspace import Workspace
workspace = Workspace.find()
workspace.require_store()
seen = []
def note(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and "/models/" in str(arguments[0]):
        seen.append(os.path.relpath(str(arguments[0]), workspace.store.root))
sys.addaudithook(note)
version = find_version(workspace, sys.argv[1])
print(version.ref, *seen)
"""


@pytest.mark.parametrize(
    ("ref", "name"), [("iris@production", "stages/production"), ("models:/iris@best", "aliases/best")]
)
def test_what_a_stage_or_an_alias_names_is_found_by_two_small_files(story, mlcli, ref: str, name: str):
    mlcli("alias", "iris@2", "best")
    told = subprocess.run([sys.executable, "-c", OPENED, ref], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["iris@2", f"models/iris/{name}.json", "models/iris/versions/2.json"]
