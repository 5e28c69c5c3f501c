"""What differs between two refs, asked of real repositories: code in all its shapes, and the rest of two runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.difference import Change, CodeChange, Difference, Side, difference, patch_of
from mlcli.domain.run import Input, Run
from mlcli.domain.source import GitState, LeftOut, Snapshot
from mlcli.errors import Ambiguous, Missing
from mlcli.gitrepo.changes import ChangedFile, changed_files, patch, require_commits
from mlcli.workspace import Workspace

NOWHERE = "0123456789abcdef0123456789abcdef01234567"
FETCH = "git fetch origin 'refs/mlruns/*:refs/mlruns/*'"
Amend = Callable[..., Run]


@pytest.fixture
def amend(workspace: Workspace) -> Amend:
    """Change what a recorded run says of itself."""

    def change(run: Run, **fields) -> Run:
        git = {key: fields.pop(key) for key in list(fields) if key in GitState.__struct_fields__}
        return workspace.store.change_run(run.id, lambda old: replace(old, **fields, git=replace(old.git, **git)))

    return change


def commit(git, message: str = "More") -> str:
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", message)
    return git("rev-parse", "HEAD")


def blob(git, name: str) -> str:
    return git("rev-parse", name)


def side(run: Run, **more) -> Side:
    return Side(name=f"{run.id[:8]} {run.name}", kind="run", run_id=run.id, commit=run.git.code, **more)


def test_two_runs_differ_in_code_params_metrics_inputs_and_environment(workspace, record, amend, repo, git) -> None:
    one = record(params={"depth": 1, "old": True}, metrics={"accuracy": 0.9})
    (repo / "train.py").write_text("print('better')\nprint()\n")
    commit(git)
    other = record(params={"depth": 2, "new": None}, metrics={"accuracy": 0.9, "f1": 0.5})
    for run, version, content in ((one, "1.0", "aa"), (other, "2.0", "bb")):
        noted = replace(
            run.environment, python="3.12.1", cpus=8, packages={"numpy": version}, variables={"TZ": content}
        )
        amend(run, environment=noted, inputs=[Input(path="data.csv", size=1, digest=f"sha256:{content}")])

    found = difference(workspace, "@1", "@")

    assert found == Difference(
        a=side(one),
        b=side(other),
        code=CodeChange(
            from_commit=one.git.commit,
            to_commit=other.git.commit,
            files=[
                ChangedFile(
                    path="train.py", status="changed", added=2, removed=1, mode_a="100644", mode_b="100644",
                    blob_a=blob(git, "HEAD~1:train.py"), blob_b=blob(git, "HEAD:train.py"),
                )
            ],
        ),
        params=[
            Change(key="depth", how="changed", a=1, b=2),
            Change(key="old", how="removed", a=True),
            Change(key="new", how="added", b=None),
        ],
        metrics=[Change(key="f1", how="added", b=0.5)],
        inputs=[Change(key="data.csv", how="changed", a="sha256:aa", b="sha256:bb")],
        environment=[
            Change(key="packages.numpy", how="changed", a="1.0", b="2.0"),
            Change(key="variables.TZ", how="changed", a="aa", b="bb"),
        ],
    )  # fmt: skip


def test_equal_runs_do_not_differ_nan_included(workspace, record) -> None:
    same = {"params": {"depth": 1, "rate": float("nan")}, "metrics": {"loss": float("nan"), "gain": float("inf")}}
    one, other = record(**same), record(**same)

    found = difference(workspace, one.id, other.id)

    code = CodeChange(from_commit=one.git.commit, to_commit=one.git.commit)
    assert (found, found.same) == (Difference(a=side(one), b=side(other), code=code), True)


def test_a_number_and_a_truth_value_differ(workspace, record) -> None:
    record(params={"early": 1})
    record(params={"early": True})
    assert difference(workspace, "@1", "@").params == [Change(key="early", how="changed", a=1, b=True)]


def test_versions_are_compared_by_their_runs(story, workspace) -> None:
    found = difference(workspace, "iris@1", "models:/iris/Production")

    head = story["first"].git.commit
    assert found == Difference(
        a=Side(name="iris@1", kind="version", run_id=story["first"].id, commit=head),
        b=Side(name="iris@2", kind="version", run_id=story["second"].id, commit=head),
        code=CodeChange(from_commit=head, to_commit=head),
        params=[Change(key="depth", how="changed", a=1, b=10)],
        metrics=[Change(key="accuracy", how="changed", a=0.9, b=0.97)],
    )


def test_bare_commits_are_compared_by_their_code_alone(workspace, record, repo, git) -> None:
    record(params={"depth": 1})
    (repo / "new.py").write_text("1\n")
    second = commit(git)

    found = difference(workspace, "HEAD~1", "main")

    first = git("rev-parse", "HEAD~1")
    assert found == Difference(
        a=Side(name=f"HEAD~1 {first[:7]}", kind="commit", commit=first),
        b=Side(name=f"main {second[:7]}", kind="commit", commit=second),
        code=CodeChange(
            from_commit=first,
            to_commit=second,
            files=[
                ChangedFile(
                    path="new.py", status="added", added=1, removed=0, mode_b="100644", blob_b=blob(git, "HEAD:new.py")
                )
            ],
        ),
    )


def test_a_file_names_the_run_that_made_it_where_only_one_did(workspace, record, tmp_path) -> None:
    one = record(files={"a.txt": "alone"})
    record(files={"b.txt": "shared"})
    record(files={"b.txt": "shared"})
    for name in ("alone", "shared"):
        (tmp_path / name).write_text(name)

    assert difference(workspace, str(tmp_path / "alone"), "@").a == side(one)
    with pytest.raises(Ambiguous, match="is content of 2 runs: "):
        difference(workspace, str(tmp_path / "shared"), "@")


def statuses(root: Path, before: str, after: str) -> list[tuple[object, ...]]:
    return [
        (file.path, file.was, file.status, file.added, file.removed, file.binary, file.mode_a, file.mode_b)
        for file in changed_files(str(root), before, after)
    ]


def test_every_kind_of_change_to_a_file_is_told(repo, git, machine) -> None:
    library = machine / "work" / "library"
    library.mkdir()
    git("init", "-q", at=library)
    git("commit", "-q", "--allow-empty", "-m", "One", at=library)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "library")
    (repo / "old.py").write_text("".join(f"line {number}\n" for number in range(20)))
    (repo / "gone.py").write_text("1\n2\n")
    (repo / "picture").write_bytes(b"\0\1")
    (repo / "link").symlink_to("train.py")
    (repo / "run.sh").write_text("true\n")
    before = commit(git)
    git("mv", "old.py", "new ünd.py")
    (repo / "new ünd.py").write_text((repo / "new ünd.py").read_text() + "end\n")
    (repo / "gone.py").unlink()
    (repo / "picture").write_bytes(b"\0\2")
    (repo / "link").unlink()
    (repo / "link").write_text("a file")
    (repo / "run.sh").chmod(0o755)
    Path(os.fsdecode(os.fsencode(repo) + b"/b\xffd")).write_text("new\n")
    git("commit", "-q", "--allow-empty", "-m", "Two", at=repo / "library")
    after = commit(git)

    assert statuses(repo, before, after) == [
        ("b\\xffd", None, "added", 1, 0, False, None, "100644"),
        ("gone.py", None, "removed", 0, 2, False, "100644", None),
        ("library", None, "changed", 1, 1, False, "160000", "160000"),
        ("link", None, "type changed", 1, 1, False, "120000", "100644"),
        ("new ünd.py", "old.py", "renamed", 1, 0, False, "100644", "100644"),
        ("picture", None, "changed", None, None, True, "100644", "100644"),
        ("run.sh", None, "mode changed", 0, 0, False, "100644", "100755"),
    ]


@pytest.fixture
def with_library(repo: Path, git, machine) -> tuple[str, str]:
    """Two commits whose submodule differs in a file, and in one of a submodule of its own."""
    places = [machine / "work" / name for name in ("inner", "library")]
    for place in places:
        place.mkdir()
        git("init", "-q", at=place)
        (place / "f.py").write_text("def fit():\n    return 1\n")
        git("add", "-A", at=place)
        git("commit", "-qm", "One", at=place)
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "-q")
    git(*add, str(places[0]), "inner", at=places[1])
    git("commit", "-qam", "Two", at=places[1])
    git(*add, str(places[1]), "lib é")
    git("-c", "protocol.file.allow=always", "submodule", "update", "--init", "--recursive", "-q")
    before = commit(git)
    for place in (repo / "lib é" / "inner", repo / "lib é"):
        (place / "f.py").write_text("def fit():\n    return 2\n")
        git("add", "-A", at=place)
        git("commit", "-qm", "Three", at=place)
    return before, commit(git)


def test_what_differs_in_submodules_is_told_too(repo, with_library) -> None:
    assert [(path, status, added) for path, _, status, added, *_ in statuses(repo, *with_library)] == [
        ("lib é", "changed", 1), ("lib é/f.py", "changed", 1), ("lib é/inner", "changed", 1),
        ("lib é/inner/f.py", "changed", 1),
    ]  # fmt: skip


def test_a_patch_of_submodules_is_applied_in_them(repo, git, with_library) -> None:
    made = patch(str(repo), *with_library, binary=True)
    git("checkout", "-q", with_library[0])
    git("submodule", "-q", "update", "--recursive")
    subprocess.run(["git", "apply"], input=made, cwd=repo, check=True)
    assert [(repo / place / "f.py").read_text()[-2] for place in ("lib é", "lib é/inner")] == ["2", "2"]


def test_a_link_in_the_place_of_a_submodule_leads_nowhere(repo, git, machine, with_library) -> None:
    (repo / "lib é").rename(machine / "elsewhere")
    (repo / "lib é").symlink_to(machine / "elsewhere")
    assert [path for path, *_ in statuses(repo, *with_library)] == ["lib é"]


def test_a_submodule_that_is_not_checked_out_is_told_by_its_commits(repo, git, with_library) -> None:
    git("submodule", "-q", "deinit", "-f", "--all")
    assert [path for path, *_ in statuses(repo, *with_library)] == ["lib é"]


def test_the_store_and_byte_code_are_no_code_wherever_they_lie(repo, git) -> None:
    before = git("rev-parse", "HEAD")
    for place in (".mlruns/models/x", "project/.mlruns/x", "__pycache__/x.pyc", "a/b/__pycache__/x.pyc"):
        (repo / place).parent.mkdir(parents=True)
        (repo / place).write_text("1\n")
    git("add", "-f", ".")
    assert (statuses(repo, before, commit(git)), patch(str(repo), before, git("rev-parse", "HEAD"), binary=True)) == (
        [],
        b"",
    )


def changed_twice(repo: Path, git) -> tuple[str, str]:
    (repo / "train.py").write_text("".join(f"{number}\n" for number in range(30)))
    (repo / "module.py").write_text("def fit():\n    return 1\n")
    (repo / "picture").write_bytes(bytes(range(256)))
    before = commit(git)
    (repo / "train.py").write_text("".join(f"{number}\n" for number in range(30) if number != 15))
    git("mv", "module.py", "moved.py")
    (repo / "picture").write_bytes(bytes(range(255)))
    return before, commit(git)


CONFIGURED = {
    "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.diff": "always", "color.ui": "always",
    "diff.external": "touch /tmp/never; false", "diff.renames": "false", "diff.renameLimit": "1",
    "diff.algorithm": "patience", "diff.context": "9", "diff.interHunkContext": "20", "diff.orderFile": "order",
    "diff.suppressBlankEmpty": "true", "diff.submodule": "log", "diff.wordRegex": ".", "diff.srcPrefix": "x/",
    "diff.dstPrefix": "y/", "diff.relative": "true", "diff.statGraphWidth": "1", "core.quotePath": "true",
    "core.abbrev": "40", "core.compression": "0", "diff.colorMoved": "zebra", "diff.ignoreSubmodules": "all", "diff.indentHeuristic": "false",
    "core.pager": "false", "diff.noIndex": "true", "interactive.diffFilter": "false",
}  # fmt: skip


@pytest.mark.parametrize("where", ["--global", "--local"])
def test_no_setting_of_the_user_or_repository_changes_the_patch(repo, git, where: str) -> None:
    before, after = changed_twice(repo, git)
    (repo / "order").write_text("train.py\n")
    plain = [patch(str(repo), before, after, binary=binary) for binary in (False, True)]
    files = changed_files(str(repo), before, after)

    attributes = repo.parent / "attributes"
    attributes.write_text("* -diff\n")
    git("config", where, "core.attributesFile", str(attributes))
    for key, value in CONFIGURED.items():
        git("config", where, key, value)

    assert [patch(str(repo), before, after, binary=binary) for binary in (False, True)] == plain
    assert changed_files(str(repo), before, after) == files


def test_no_program_that_a_repository_names_is_started(repo, git, machine, monkeypatch) -> None:
    before, after = changed_twice(repo, git)
    witness = machine / "started"
    program = f"touch '{witness}';cat"
    (repo / ".gitattributes").write_text("* diff=evil filter=evil\n")
    for key in ("textconv", "command"):
        git("config", f"diff.evil.{key}", program)
    for key in ("clean", "smudge", "process"):
        git("config", f"filter.evil.{key}", program)
    for key in ("diff.external", "core.fsmonitor", "core.pager", "pager.diff", "pager.diff-tree"):
        git("config", key, program)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", program)
    monkeypatch.setenv("GIT_PAGER", program)

    patch(str(repo), before, after, binary=True)
    changed_files(str(repo), before, after)

    assert not witness.exists()


def test_a_patch_leads_from_one_tree_to_the_other_byte_for_byte(repo, git, machine) -> None:
    (repo / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (repo / "no-end").write_text("no newline")
    before, after = changed_twice(repo, git)
    (repo / "crlf.txt").write_bytes(b"one\r\nthree\r\n\xff\xfe\x1b[31m\n")
    (repo / "no-end").write_text("no newline, still")
    (repo / "long").write_text("x" * 1_000_000 + "\n")
    (repo / "run.sh").write_text("true\n")
    (repo / "run.sh").chmod(0o755)
    (repo / "link").symlink_to("train.py")
    Path(os.fsdecode(os.fsencode(repo) + b'/b\xffd "quoted"\t')).write_text("1\n")
    after = commit(git)

    made = patch(str(repo), before, after, binary=True)

    copy = machine / "copy"
    git("clone", "-q", str(repo), str(copy))
    git("checkout", "-q", "--detach", before, at=copy)
    subprocess.run(["git", "apply", "--index"], input=made, cwd=copy, check=True)
    assert git("write-tree", at=copy) == git("rev-parse", f"{after}^{{tree}}")


@pytest.mark.parametrize("kept", [True, False], ids=["a snapshot", "a commit"])
def test_a_commit_that_is_not_here_is_named_with_the_way_to_fetch_it(workspace, record, amend, kept: bool) -> None:
    one, other = record(params={"depth": 1}), record(params={"depth": 2})
    lost = {"dirty": True, "snapshot": Snapshot(commit=NOWHERE, tree=NOWHERE)} if kept else {"commit": NOWHERE}
    amend(one, tree=NOWHERE, **lost)

    found = difference(workspace, one.id, other.id)

    assert found == Difference(
        a=replace(side(one), commit=NOWHERE, base=one.git.commit if kept else None),
        b=side(other),
        reason="commit 0123456789ab is not in this repository",
        hint=FETCH,
        params=[Change(key="depth", how="changed", a=1, b=2)],
    )
    assert (found.same, patch_of(workspace, found)) == (False, b"")


@pytest.mark.parametrize(("kept", "hint"), [(False, "git fetch --unshallow"), (True, FETCH)])
def test_a_shallow_clone_is_told_how_to_have_the_commit(record, amend, repo, git, machine, kept: bool, hint) -> None:
    one = record(name="one")
    if kept:
        amend(one, dirty=True, snapshot=Snapshot(commit=NOWHERE, tree=NOWHERE))
    (repo / "train.py").write_text("2\n")
    git("commit", "-qam", "Two")
    record(name="two")
    copy = machine / "work" / "copy"
    git("clone", "-q", "--depth=1", f"file://{repo}", str(copy))
    (repo / ".mlruns").rename(copy / ".mlruns")

    assert difference(Workspace(str(copy)), "one", "two").hint == hint


def test_a_commit_that_was_rewritten_is_compared_by_another_of_the_same_tree(
    workspace, record, amend, repo, git
) -> None:
    one = record()
    (repo / "train.py").write_text("print('better')\n")
    other = commit(git)
    amend(one, commit=NOWHERE)

    found = difference(workspace, one.id, "main")

    assert (found.a.commit, found.reason) == (NOWHERE, None)
    assert (found.code.from_commit, found.code.to_commit, [file.path for file in found.code.files]) == (
        one.git.commit,
        other,
        ["train.py"],
    )


def test_runs_of_one_tree_on_two_commits_have_the_same_code(workspace, record, amend, git) -> None:
    one, other = record(), record()
    amend(one, commit=NOWHERE)
    found = difference(workspace, one.id, other.id)
    assert (found.same, found.code) == (True, CodeChange(from_commit=NOWHERE, to_commit=other.git.commit))


@pytest.mark.parametrize("text", ["--output=/tmp/evil", "HEAD", "main", "0123", "-", "a" * 41, "", "\x1b[31m"])
def test_what_is_no_commit_id_never_reaches_git(workspace, record, amend, text: str) -> None:
    one, other = record(), record()
    amend(one, commit=text)

    found = difference(workspace, one.id, other.id)

    assert (found.code, found.hint) == (None, "mlcli doctor")
    assert (found.reason or "").startswith(f"{one.id[:8]} {one.name} names no commit but '")
    assert not Path("/tmp/evil").exists()


def test_runs_made_where_there_was_no_commit_say_so(workspace, record, amend) -> None:
    one, other = record(), record(params={"depth": 1})
    amend(one, commit=None, reason="not a git repository")

    found = difference(workspace, one.id, other.id)

    assert found == Difference(
        a=replace(side(one), commit=None),
        b=side(other),
        reason=f"{one.id[:8]} {one.name} has no code to compare: not a git repository",
        params=[Change(key="depth", how="added", b=1)],
    )


def test_what_was_not_committed_and_not_kept_is_told(workspace, record, amend) -> None:
    one, other = record(), record()
    amend(other, dirty=True, snapshot=None, unkept="the disk is full")
    assert difference(workspace, one.id, other.id).b == side(other, unkept="the disk is full")


def snapshot(git, repo: Path, text: str) -> Snapshot:
    """A dirty tree by hand: a commit on no branch whose parent is HEAD."""
    (repo / "train.py").write_text(text)
    git("add", "-A")
    tree = git("write-tree")
    made = git("commit-tree", "-p", "HEAD", "-m", "snapshot", tree)
    git("reset", "-q")
    return Snapshot(commit=made, tree=tree)


def test_two_dirty_runs_on_one_commit_differ_by_their_snapshots(workspace, record, amend, repo, git) -> None:
    one, other = record(), record()
    first, second = snapshot(git, repo, "print(1)\n"), snapshot(git, repo, "print(2)\n")
    left = [LeftOut(path="big.bin", size=9, digest=f"sha256:{digit * 64}", reason="large") for digit in "ab"]
    amend(one, dirty=True, snapshot=replace(first, left_out=left[:1]))
    amend(other, dirty=True, snapshot=replace(second, left_out=left[1:], nested={"vendor/x": NOWHERE}))

    found = difference(workspace, one.id, other.id)

    assert found.code == CodeChange(
        from_commit=first.commit,
        to_commit=second.commit,
        files=[
            ChangedFile(
                path="train.py", status="changed", added=1, removed=1, mode_a="100644", mode_b="100644",
                blob_a=blob(git, f"{first.commit}:train.py"), blob_b=blob(git, f"{second.commit}:train.py"),
            )
        ],
        beside=[
            Change(key="big.bin", how="changed", a=f"sha256:{'a' * 64}", b=f"sha256:{'b' * 64}"),
            Change(key="vendor/x", how="added", b=NOWHERE),
        ],
    )  # fmt: skip


def test_runs_of_dirty_trees_are_compared_by_what_ran(workspace, record, repo, git) -> None:
    (repo / "train.py").write_text("print(1)\n")
    record()
    (repo / "train.py").write_text("print(2)\n")
    (repo / "new.py").write_text("1\n")
    record()
    git("checkout", "-q", "train.py")

    found = difference(workspace, "@1", "@")

    assert [(file.path, file.status) for file in found.code.files] == [("new.py", "added"), ("train.py", "changed")]
    assert b"-print(1)\n+print(2)\n" in patch_of(workspace, found)
    assert (found.a.unkept, found.b.unkept) == (None, None)


def test_runs_of_a_dirty_submodule_are_compared_inside_it(workspace, record, repo, with_library) -> None:
    for number in (7, 8):
        (repo / "lib é" / "f.py").write_text(f"def fit():\n    return {number}\n")
        record(metrics={"accuracy": number})

    found = difference(workspace, "@1", "@")

    assert [file.path for file in found.code.files] == ["lib é", "lib é/f.py"]
    assert b"-    return 7\n+    return 8\n" in patch_of(workspace, found)


def test_a_run_beside_itself_asks_nothing_of_git(workspace, record, amend) -> None:
    one = record()
    amend(one, commit=NOWHERE)
    assert difference(workspace, "@", "@").same


def test_require_commits_names_the_first_that_is_missing(repo, git) -> None:
    head = git("rev-parse", "HEAD")
    require_commits(str(repo), [head])
    with pytest.raises(Missing, match="commit 0123456789ab is not in this repository"):
        require_commits(str(repo), [head, NOWHERE])


def test_a_repository_of_the_longer_ids_is_compared_as_well(machine, git) -> None:
    place = machine / "work" / "long"
    place.mkdir()
    git("init", "-q", "--object-format=sha256", at=place)
    (place / "a").write_text("1\n")
    git("add", "-A", at=place)
    git("commit", "-qm", "One", at=place)
    (place / "a").write_text("2\n")
    git("commit", "-qam", "Two", at=place)
    before, after = git("rev-parse", "HEAD~1", at=place), git("rev-parse", "HEAD", at=place)
    assert (len(after), statuses(place, before, after)) == (
        64,
        [("a", None, "changed", 1, 1, False, "100644", "100644")],
    )
