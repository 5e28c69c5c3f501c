"""Lineage: from anything to what it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcli import lineage, registry
from mlcli.domain.stage import Stage
from mlcli.errors import NotFound
from mlcli.workspace import Workspace


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


# Tracing


def test_a_version_leads_to_its_run_commit_and_files(story, workspace, git):
    told = lineage.trace(workspace, "iris@production")
    [link] = told.links
    assert (told.subject, told.kind, link.version.ref, link.stage) == ("iris@2", "version", "iris@2", Stage.PRODUCTION)
    assert (link.run.name, link.run.git.commit) == ("second", git("rev-parse", "HEAD"))
    assert ([file.path for file in link.artifacts], link.here) == (["model/model.joblib"], [True])


def test_a_run_leads_to_each_version_that_was_made_of_it(story, workspace):
    registry.register(workspace, "other", "second")
    told = lineage.trace(workspace, "second")
    assert (told.kind, [link.version.ref for link in told.links]) == ("run", ["iris@2", "other@1"])


def test_a_run_without_a_version_stands_for_itself(story, workspace):
    [link] = lineage.trace(workspace, "broken").links
    assert (link.version, link.stage, link.run.name) == (None, None, "broken")


def test_a_file_leads_to_the_version_it_is_and_not_twice_to_its_run(story, workspace, tmp_path: Path):
    (tmp_path / "somewhere.bin").write_text("first")
    told = lineage.trace(workspace, str(tmp_path / "somewhere.bin"))
    assert (told.kind, [link.version.ref for link in told.links]) == ("content", ["iris@1"])


def test_a_commit_leads_to_versions_and_to_runs_that_became_none(story, workspace, git):
    told = lineage.trace(workspace, "main")
    assert (told.subject, told.kind) == (git("rev-parse", "HEAD"), "commit")
    assert [link.version.ref if link.version else link.run.name for link in told.links] == [
        "iris@1",
        "iris@2",
        "dirty",
        "broken",
    ]


def test_a_commit_without_a_run_is_told(story, workspace, git, repo: Path):
    git("commit", "--allow-empty", "-qm", "Later")
    with pytest.raises(NotFound, match="no run was made from commit"):
        lineage.trace(workspace, "HEAD")


def test_lineage_works_in_a_clone_that_has_no_run(whole, repo: Path, git, tmp_path: Path):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(repo), str(tmp_path / "clone"))
    told = lineage.trace(Workspace(str(tmp_path / "clone")), "iris@production")
    assert (told.links[0].run.name, told.links[0].here) == ("second", [False])
