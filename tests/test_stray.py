"""What is about to be committed: judged as it is staged, by its content, whatever lies in the working tree."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
from pathlib import Path

import pytest

from mlcli import registry
from mlcli.errors import GitError, InvalidValue
from mlcli.stray import strays
from mlcli.workspace import Workspace

GGUF = b"GGUF" + bytes(64)


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def found(workspace: Workspace, *paths: str, **more) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in strays(workspace, paths, **more)]


@pytest.fixture
def staged(repo: Path, git):
    """Write a file and stage it: staged(name, content)."""

    def put(name: str, content: bytes) -> None:
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        git("add", "--force", "--", name)

    return put


def test_nothing_that_belongs_into_git_is_refused(workspace, staged):
    staged("notes.md", b"# Notes\n")
    staged("data.csv", b"a,b\n1,2\n")
    staged("report.pkl", pickle.dumps({"a": 1}))
    staged("empty.bin", b"")
    assert found(workspace) == []


def test_a_model_is_told_by_its_content_whatever_it_is_called(workspace, staged):
    staged("notes.txt", GGUF)
    staged("sub/é ü.dat", GGUF)
    assert found(workspace) == [("model-unknown", "notes.txt"), ("model-unknown", "sub/é ü.dat")]


def test_what_is_staged_counts_and_not_what_lies_there(workspace, staged, repo: Path):
    staged("one.gguf", GGUF)
    staged("two.gguf", b"none\n")
    (repo / "one.gguf").write_bytes(b"none\n")
    (repo / "two.gguf").write_bytes(GGUF)
    (repo / "three.gguf").write_bytes(GGUF)
    assert found(workspace, "one.gguf", "two.gguf", "three.gguf", "gone.gguf") == [("model-unknown", "one.gguf")]


def test_only_what_is_named_is_judged(workspace, staged, repo: Path, monkeypatch):
    staged("one.gguf", GGUF)
    staged("sub/two.gguf", GGUF + b"2")
    monkeypatch.chdir(repo / "sub")
    assert found(workspace, "two.gguf") == [("model-unknown", "sub/two.gguf")]
    assert found(workspace, str(repo / "one.gguf")) == [("model-unknown", "one.gguf")]


def test_with_no_names_all_that_differs_from_head_is_judged(workspace, staged, git):
    staged("old.gguf", GGUF)
    git("commit", "-qm", "Old")
    staged("new.gguf", GGUF + b"2")
    git("rm", "-q", "--cached", "train.py")
    assert found(workspace) == [("model-unknown", "new.gguf")]


def test_before_the_first_commit_all_that_is_staged_is_judged(machine: Path, git, monkeypatch):
    (machine / "new").mkdir()
    monkeypatch.chdir(machine / "new")
    git("init", "-q")
    Path("m.gguf").write_bytes(GGUF)
    git("add", "-A")
    assert found(Workspace(str(machine / "new"))) == [("model-unknown", "m.gguf")]


@pytest.fixture
def registered(workspace, record, staged, git) -> Workspace:
    """A model of which a version is registered, and staged."""
    registry.register(workspace, "llm", record(files={"m.gguf": "GGUF" + "x" * 64}).id, artifact="m.gguf")
    git("add", ".mlruns")
    return workspace


def test_a_registered_model_may_be_committed_with_its_version(registered, staged, git):
    staged("m.gguf", b"GGUF" + b"x" * 64)
    assert found(registered) == []
    git("rm", "-rq", "--cached", ".mlruns")
    assert found(registered) == [("model-unknown", "m.gguf")]


def pointer(content: bytes, more: str = "") -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\n{more}oid sha256:{digest}\nsize {len(content)}\n".encode()


@pytest.mark.parametrize("more", ["", "ext-0-foo sha256:" + "0" * 64 + "\n"])
def test_a_model_that_lfs_keeps_is_judged_by_what_its_pointer_names(registered, staged, more: str):
    staged("known.onnx", pointer(b"GGUF" + b"x" * 64, more))
    staged("other.onnx", pointer(b"another", more))
    staged("notes.txt", pointer(b"another", more))
    assert found(registered) == [("model-unknown", "other.onnx")]


def test_one_content_under_two_names_is_told_for_each(workspace, staged):
    staged("a.gguf", GGUF)
    staged("b.gguf", GGUF)
    assert found(workspace) == [("model-unknown", "a.gguf"), ("model-unknown", "b.gguf")]


@pytest.mark.parametrize(("limit", "refused"), [("1 KB", True), ("1001", True), ("1002", False), ("1MB", False)])
def test_a_file_above_the_limit_is_refused(workspace, staged, limit: str, refused: bool):
    staged("data.csv", b"a\n" * 501)
    assert found(workspace, limit=limit) == [("file-large", "data.csv")] * refused


def test_a_limit_that_is_no_size_is_a_misuse(workspace, staged):
    with pytest.raises(InvalidValue, match="'much' is no size"):
        strays(workspace, limit="much")


@pytest.mark.parametrize("below", ["runs/aa/x.json", "objects/aa/bb", "trash/runs/x.json", ".cache/index.sqlite", "x"])
@pytest.mark.parametrize("top", ["", "sub/"])
def test_what_belongs_to_runs_is_refused_and_the_registry_is_not(workspace, staged, top: str, below: str):
    staged(f"{top}.mlruns/{below}", b"x")
    staged(f"{top}.mlruns/models/iris/versions/1.json", b"{}")
    staged(f"{top}.mlruns/store.json", b"{}")
    staged(f"{top}.mlruns/.gitignore", b"")
    assert found(workspace) == [("store-local", f"{top}.mlruns/{below}")]


def test_links_and_conflicts_are_left_to_git(workspace, staged, repo: Path, git):
    (repo / "link.gguf").symlink_to("/etc/passwd")
    git("add", "link.gguf")
    git("checkout", "-qb", "side")
    staged("both.gguf", GGUF + b"1")
    git("commit", "-qm", "Side")
    git("checkout", "-q", "main")
    staged("both.gguf", GGUF + b"2")
    git("commit", "-qm", "Main")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "side")
    assert found(workspace, "link.gguf", "both.gguf") == []


def test_outside_a_repository_git_cannot_answer(machine: Path):
    with pytest.raises(GitError):
        strays(Workspace(str(machine / "work")))
