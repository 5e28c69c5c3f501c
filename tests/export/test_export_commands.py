"""Exports and cards of what really ran, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlcli import export, lineage
from mlcli.domain.run import Artifact
from mlcli.errors import Corrupt, Refused, WriteFailed
from mlcli.export import rocrate
from mlcli.workspace import Workspace

PREPARE = "open('data.csv', 'w').write('x,y\\n1,2\\n')\n"
TRAIN = """
import mlcli
rows = open('data.csv').read()
mlcli.log_metric('accuracy', 0.5)
open('mödel #1.bin', 'w').write(rows.upper())
mlcli.log_artifact('mödel #1.bin')
"""


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def pipeline(repo: Path, mlcli, git) -> Workspace:
    """Two commands that ran one after the other, and what came of them registered as wine@1."""
    (repo / "prepare.py").write_text(PREPARE)
    (repo / "train.py").write_text(TRAIN)
    (repo / ".gitignore").write_text("data.csv\n*.bin\n")
    git("add", "-A")
    git("commit", "-qm", "A pipeline")
    for script in ("prepare.py", "train.py"):
        assert mlcli("run", "--", "python", script).returncode == 0
    assert mlcli("register", "wine", "@", "--artifact", "mödel #1.bin", "-m", "first").returncode == 0
    return Workspace(str(repo))


@pytest.mark.parametrize("form", ["ro-crate", "slsa", "cyclonedx"])
@pytest.mark.parametrize("ref", ["wine@1", "@", "@1"])
def test_what_ran_is_taken_by_the_tools(judge, pipeline: Workspace, form: str, ref: str):
    text = export.text(form, lineage.trace(pipeline, ref))
    assert judge(form, text) == []
    assert text == export.text(form, lineage.trace(pipeline, ref))


def test_two_commands_are_two_actions_joined_by_a_file(pipeline: Workspace):
    graph = json.loads(export.text("ro-crate", lineage.trace(pipeline, "wine@1")))["@graph"]
    prepare, train = [entity for entity in graph if entity["@type"] == "CreateAction"]
    assert (prepare["description"], train["description"]) == ("python prepare.py", "python train.py")
    assert prepare["result"] == train["object"]


# A crate as a directory


def test_a_crate_is_written_with_its_files(judge, pipeline: Workspace, tmp_path: Path):
    place = tmp_path / "crate"
    written = rocrate.write(pipeline, lineage.trace(pipeline, "wine@1"), str(place))
    assert written == ["ro-crate-metadata.json", "mödel #1.bin", "inputs/data.csv"]
    assert (place / "mödel #1.bin").read_text() == "X,Y\n1,2\n"
    assert (place / "inputs" / "data.csv").read_text() == "x,y\n1,2\n"
    assert sorted(tmp_path.glob("crate*")) == [place]
    assert judge("ro-crate", json.dumps({"directory": str(place)})) == []


@pytest.mark.parametrize("file", ["mödel #1.bin", "inputs/data.csv"])
def test_a_crate_without_one_of_its_files_is_refused(judge, pipeline: Workspace, tmp_path: Path, file: str):
    rocrate.write(pipeline, lineage.trace(pipeline, "wine@1"), str(tmp_path / "crate"))
    (tmp_path / "crate" / file).unlink()
    [fault] = judge("ro-crate", json.dumps({"directory": str(tmp_path / "crate")}))
    assert "does not include the Data Entity" in fault


def test_a_crate_takes_an_empty_directory_and_no_other(pipeline: Workspace, tmp_path: Path):
    told = lineage.trace(pipeline, "wine@1")
    (tmp_path / "empty").mkdir()
    rocrate.write(pipeline, told, str(tmp_path / "empty"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="empty' is there already"):
        rocrate.write(pipeline, told, str(tmp_path / "empty"))
    with pytest.raises(Refused, match="file' is there already"):
        rocrate.write(pipeline, told, str(tmp_path / "file"))
    with pytest.raises(WriteFailed, match="cannot be written"):
        rocrate.write(pipeline, told, str(tmp_path / "file" / "crate"))


def test_the_command_makes_a_crate_of_a_directory_and_the_metadata_of_a_file(pipeline: Workspace, mlcli, repo: Path):
    done = mlcli("lineage", "wine@1", "--format", "ro-crate", "-o", "crate/")
    assert (done.returncode, done.stdout, done.stderr) == (0, "wine@1 -> crate/, 3 files\n", "")
    assert (repo / "crate" / "inputs" / "data.csv").exists()
    again = mlcli("lineage", "wine@1", "--format", "ro-crate", "-o", "crate")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "mlcli: error: 'crate' is there already\nhint: name a new directory\n"
    assert mlcli("lineage", "wine@1", "--format", "ro-crate", "-o", "metadata.json").returncode == 0
    assert (repo / "metadata.json").read_text() == mlcli("lineage", "wine@1", "--format", "ro-crate").stdout


def test_a_crate_of_damaged_content_is_not_written(pipeline: Workspace, tmp_path: Path):
    told = lineage.trace(pipeline, "wine@1")
    [file] = told.links[0].artifacts
    place = Path(pipeline.store.content_path(Artifact(path=file.path, size=file.size, digest=file.digest)))
    place.chmod(0o644)
    place.write_text("X" * file.size)
    with pytest.raises(Corrupt):
        rocrate.write(pipeline, told, str(tmp_path / "crate"))
    assert sorted(tmp_path.glob("crate*")) == []


# mlcli card


def test_a_card_tells_what_ran(judge, pipeline: Workspace, mlcli):
    mlcli("promote", "wine@1", "staging", "-m", "good | enough")
    done = mlcli("card", "wine@staging")
    assert (done.returncode, done.stderr) == (0, "")
    [read] = judge("card", done.stdout)
    assert (read["name"], read["metrics"], read["data"]) == ("wine", {"accuracy": 0.5}, ["data.csv"])
    assert "| None -> Staging | Ada Lovelace | good \\| enough |" in done.stdout
    assert "| registered | Ada Lovelace | first |" in done.stdout


def test_a_card_is_written_and_written_anew(pipeline: Workspace, mlcli, repo: Path):
    printed = mlcli("card", "wine@1").stdout
    first, again = (mlcli("card", "wine", "-o", "MODEL.md") for _ in range(2))
    assert (
        (first.returncode, first.stdout, first.stderr) == (again.returncode, again.stdout, again.stderr) == (0, "", "")
    )
    assert (repo / "MODEL.md").read_text() == printed


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("train.py", 1, "train.py is no card of mlcli, and is not replaced"),
        (".", 3, ". cannot be written: Is a directory"),
        ("no/where.md", 3, "no/where.md cannot be written: No such file or directory"),
    ],
)
def test_a_card_replaces_nothing_else(pipeline: Workspace, mlcli, repo: Path, place: str, code: int, said: str):
    done = mlcli("card", "wine@1", "-o", place)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"mlcli: error: {said}\nhint: ")
    assert (repo / "train.py").read_text() == TRAIN


@pytest.mark.parametrize(
    ("ref", "code", "said"),
    [
        ("HEAD", 2, "leads to wine@1 and "),
        ("beer@1", 3, "no model is called 'beer'"),
        ("wine@2", 3, "wine"),
    ],
)
def test_a_card_of_what_is_no_one_model_is_refused(pipeline: Workspace, mlcli, ref: str, code: int, said: str):
    done = mlcli("card", ref)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "hint: " in done.stderr
