"""Whether a command need not run: what is not known of its former runs, and what a declared input makes up for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.domain.observed import Capture, Code, Elsewhere, Module, Output
from mlcli.domain.run import Input, Run
from mlcli.errors import NotFound
from mlcli.observation.code import blob_of, digest_below
from mlcli.reuse import Asked, Verdict, reuse, verdict

ARGV = ("python", "train.py")
COMPLETE = Capture(complete=True, processes=1)
Changed = Callable[..., Run]


@pytest.fixture
def ran(workspace, record, repo: Path) -> Changed:
    """A run of train.py that was seen in full; ran(urls=[...]) is one of which that is known, too."""

    def make(**known) -> Run:
        module = Module(path="train.py", blob=blob_of(str(repo / "train.py")), state="committed")
        told = {
            "exit_code": 0, "capture": COMPLETE, "code": Code(digest="sha256:1", modules=[module]), **known,
        }  # fmt: skip
        return workspace.store.change_run(record(argv=ARGV).id, lambda run: replace(run, **told))

    return make


@pytest.fixture
def asked(workspace) -> Callable[..., Verdict]:
    """Whether the command need not run, with what is declared of it."""
    return lambda **declared: verdict(workspace, Asked(argv=ARGV, cwd=workspace.root, **declared))


def told(found: Verdict) -> list[str]:
    assert (found.run is None) == bool(found.reasons)
    return [str(reason) for reason in found.reasons]


def test_the_newest_run_that_was_as_all_is_now_stands_for_the_command(ran, asked) -> None:
    ran()
    newest = ran()
    ran(urls=["https://example.com/data.csv"])
    assert asked().run.id == newest.id


@pytest.mark.parametrize(
    ("known", "reasons"),
    [
        (
            {"urls": ["https://example.com/data.csv"]},
            ["https://example.com/data.csv was asked, and what it answers now is not known"],
        ),
        (
            {"inputs": [Input(path="data.csv", size=1, digest="", seen=True, changed=True)]},
            ["data.csv changed while it was read"],
        ),
        ({"capture": Capture(missing=["cat was started"])}, ["cat was started"]),
        ({"capture": Capture(off=["inputs", "params"])}, ["its inputs, params were not watched"]),
    ],
)
def test_what_is_not_known_is_covered_by_a_declared_input(workspace, ran, asked, repo, known, reasons) -> None:
    (repo / "other.csv").write_text("1\n")
    digest = workspace.store.digest_of(str(repo / "other.csv"))
    declared = Input(path="other.csv", size=2, digest=digest)
    ran(**known)
    assert told(asked()) == reasons
    ran(**{**known, "inputs": [declared, *known.get("inputs", [])]})
    assert told(asked(inputs=["other.csv"])) == []
    (repo / "other.csv").write_text("2\n")
    assert told(asked(inputs=["other.csv"])) == ["other.csv changed"]


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (
            {"code": Code(digest="sha256:1", modules=[Module(path="train.py", blob="ab" * 20, state="changed")])},
            "train.py was edited while it ran",
        ),
        ({"inputs": [Input(path="gone.csv", size=1, digest="sha256:1", seen=True)]}, "gone.csv is gone"),
        (
            {"outputs": [Output(path="/elsewhere/model", size=1, digest="sha256:1", kept=True)]},
            "/elsewhere/model is gone, and no copy of it was kept",
        ),
        (
            {"outputs": [Output(path="../model", size=1, digest="sha256:1", kept=True)]},
            "../model is gone, and no copy of it was kept",
        ),
        ({"code": None}, "train.py is named by the command and was not seen to be read: declare it by --input"),
        ({"capture": Capture(complete=True, listed={"./": "sha256:1"})}, "./ holds other files"),
        ({"capture": Capture(complete=True, listed={"data/": "sha256:1"})}, "data/ holds other files"),
    ],
)
def test_what_is_known_to_be_otherwise_is_covered_by_nothing(workspace, ran, asked, repo, known, reason) -> None:
    (repo / "other.csv").write_text("1\n")
    declared = Input(path="other.csv", size=2, digest=workspace.store.digest_of(str(repo / "other.csv")))
    ran(**{**known, "inputs": [declared, *known.get("inputs", [])]})
    assert told(asked(inputs=["other.csv"])) == [reason]


def test_an_output_out_of_the_project_is_not_put_back(workspace, ran, asked, repo) -> None:
    outside = repo.parent / "model"
    outside.write_text("model\n")
    workspace.make_store()
    size, digest = workspace.store.take_input(str(outside), keep=True)
    ran(outputs=[Output(path=str(outside), size=size, digest=digest, kept=True)])
    assert told(asked()) == []
    outside.unlink()
    assert told(asked()) == [f"{outside} is gone, and cannot be put back where it lies"]


def test_code_of_another_repository_is_compared_by_the_files_that_were_executed(ran, asked, repo) -> None:
    library = repo.parent / "library"
    library.mkdir()
    for name in ("used.py", "unused.py"):
        (library / name).write_text("x = 1\n")
    there = Elsewhere(path=str(library), modules=1, digest=digest_below(str(library), ["used.py"]), files=["used.py"])
    ran(code=Code(digest="sha256:1", elsewhere=[there]))
    (library / "unused.py").write_text("x = 2\n")
    assert told(asked()) == []
    (library / "used.py").write_text("x = 2\n")
    assert told(asked()) == [f"{library} changed"]
    ran(code=Code(digest="sha256:1", elsewhere=[replace(there, files=[])]))
    assert f"{library} lies outside of the project, and its files are not known" in told(asked())


def test_a_file_whose_line_ends_git_changes_is_the_same(ran, asked, repo) -> None:
    run = ran()
    (repo / "train.py").write_bytes((repo / "train.py").read_bytes().replace(b"\n", b"\r\n"))
    assert asked().run.id == run.id
    with (repo / "train.py").open("ab") as file:
        file.write(b"\r\n")
    assert told(asked()) == ["train.py changed"]


def test_twenty_runs_that_ended_well_are_looked_at(ran, asked, record) -> None:
    ran()
    for _ in range(19):
        ran(urls=["https://example.com"])
        record(argv=ARGV, status="failed")
    assert asked().run is not None
    ran(urls=["https://example.com"])
    assert asked().run is None


def test_a_run_that_the_script_began_itself_is_not_compared(asked, record) -> None:
    run = record(argv=ARGV)
    assert told(asked()) == [f"its last run {run.id[:8]} was not made by mlcli run"]
    assert asked().last is None


def test_a_declared_input_that_is_missing_is_an_error_as_with_a_run(ran, asked) -> None:
    ran()
    with pytest.raises(NotFound, match=r"--input 'missing\.csv': no such file"):
        asked(inputs=["missing.csv"])


def test_a_run_that_is_taken_up_is_noted_also_where_the_store_is_only_read(workspace, ran, asked) -> None:
    ran()
    for count in (1, 2):
        reuse(workspace, asked())
        assert workspace.store.run(asked().run.id).reuse.count == count
    shard = next(Path(workspace.store.root, "runs").iterdir())
    os.chmod(shard, 0o500)
    try:
        assert reuse(workspace, asked()) == []
    finally:
        os.chmod(shard, 0o700)
