"""mlcli diff: on a pipe, at a screen, through a pager, where it cannot compare."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from terminal import in_terminal, screen

from mlcli.domain.run import Run

PLAIN = {"NO_COLOR": "1"}
FORBIDDEN = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\n", "\t"}
NOWHERE = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def two(repo: Path, git, record) -> tuple[Run, Run]:
    """Two clean runs of two commits that differ in code, params and metrics."""
    one = record(params={"depth": 1, "old": 3}, metrics={"accuracy": 0.9}, name="one")
    (repo / "train.py").write_text("print('better')\n")
    git("commit", "-qam", "Better")
    other = record(params={"depth": 10, "new": "x"}, metrics={"accuracy": 0.97}, name="two")
    return one, other


@pytest.fixture
def long(repo: Path, git) -> None:
    """A commit with a file of two hundred lines."""
    (repo / "zeros.py").write_text("".join(f"line {number}\n" for number in range(200)))
    git("add", "-A")
    git("commit", "-qm", "Long")


def expected(git) -> str:
    """What is shown of `two`."""
    first, second = git("rev-parse", "--short=7", "HEAD~1"), git("rev-parse", "--short=7", "HEAD")
    blobs = git("rev-parse", "--short=7", "HEAD~1:train.py"), git("rev-parse", "--short=7", "HEAD:train.py")
    return f"""\
3f2a9c1d one -> 7e55383a two

code {first} -> {second}
  train.py  +1 -1

diff --git a/train.py b/train.py
index {blobs[0]}..{blobs[1]} 100644
--- a/train.py
+++ b/train.py
@@ -1 +1 @@
-print('trained')
+print('better')

params
    depth  1 -> 10
  - old    3
  + new    x

metrics
    accuracy  0.9 -> 0.97  +0.07
"""


def test_each_section_is_shown_where_it_differs(two, mlcli, git) -> None:
    done = mlcli("diff", "one", "two")
    assert (done.stdout, done.stderr, done.returncode) == (expected(git), "", 0)


@pytest.mark.parametrize("refs", [[], ["@1"], ["@1", "@"]])
def test_without_refs_the_newest_run_is_held_against_the_one_before(two, mlcli, git, refs: list[str]) -> None:
    assert mlcli("diff", *refs).stdout == expected(git)


@pytest.mark.terminal
def test_a_screen_shows_the_same(two, git) -> None:
    assert in_terminal("mlcli diff", env=PLAIN) == (expected(git), 0)


@pytest.mark.terminal
def test_a_screen_shows_the_patch_in_colours(two) -> None:
    text = in_terminal("mlcli diff --code").text
    assert [line for line in text.splitlines() if line.startswith("\x1b[") and "print" in line] == [
        "\x1b[31m-print('trained')\x1b[0m",
        "\x1b[32m+print('better')\x1b[0m",
    ]


def test_stat_lists_the_files_only(two, mlcli) -> None:
    assert mlcli("diff", "--stat").stdout == "  train.py  +1 -1\n"


def test_equal_runs_are_said_to_be_equal(record, mlcli) -> None:
    record()
    record()
    said = [mlcli("diff", *options).stdout for options in ([], ["--stat"], ["--code"])]
    assert said == ["no difference\n", "no difference in the code\n", ""]


def test_what_code_gives_on_a_pipe_is_applied_by_git(two, repo, git, machine) -> None:
    (repo / "b.bin").write_bytes(bytes(range(256)))
    (repo / "text").write_bytes(b"\x1b[31m\xff\r\n")
    git("add", "b.bin", "text")
    git("commit", "-qm", "More")
    copy = machine / "copy"
    git("clone", "-q", str(repo), str(copy))
    git("checkout", "-q", "HEAD~2", at=copy)

    subprocess.run(
        f"mlcli --color always diff --code HEAD~2 HEAD | git -C '{copy}' apply --index", shell=True, check=True
    )

    assert git("write-tree", at=copy) == git("rev-parse", "HEAD^{tree}")


def test_whoever_reads_on_no_more_is_no_error_of_ours(two, long) -> None:
    done = subprocess.run(
        "mlcli diff one HEAD --code | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("diff --git a/train.py b/train.py\n", "")


HOSTILE = b"\x1b]52;c;ZXZpbA==\x07\n\x1b[2J\x9b31m\n\rsafe\r\n\xff\xfe\n\x00\n"


@pytest.fixture
def hostile(record, repo, git) -> None:
    """Two runs whose code, paths, names and params hold what a terminal would obey."""
    record(name="\x1b[31mred", params={"p": "\x1b]0;x\x07"})
    (repo / "text.txt").write_bytes(HOSTILE.replace(b"\0", b""))
    (repo / "binary").write_bytes(HOSTILE)
    Path(os.fsdecode(os.fsencode(repo) + b"/\x1b[2J\xff")).write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "Hostile")
    record(name="\x07bell", params={"p": "\x1b[2J"})


@pytest.mark.terminal
def test_no_control_character_of_the_code_reaches_a_screen(hostile) -> None:
    text = in_terminal("mlcli diff; mlcli diff --code; mlcli diff --stat; mlcli why", env=PLAIN).text
    assert sorted(FORBIDDEN & set(text)) == []
    assert "+\\x1b]52;c;ZXZpbA==\\x07" in text.splitlines()


@pytest.mark.parametrize("command", ["diff", "diff --stat", "diff --json", "diff --json --code", "why", "why --json"])
def test_no_control_character_but_of_a_raw_patch_reaches_a_pipe(hostile, mlcli, command: str) -> None:
    done = mlcli(*command.split())
    assert (done.returncode, sorted(FORBIDDEN & set(done.stdout + done.stderr))) == (0, [])


@pytest.mark.terminal
def test_tabs_and_very_long_lines_are_shown_whole(record, repo, git) -> None:
    record()
    (repo / "wide").write_text("\t" + "x" * 100_000 + "\n")
    git("add", "wide")
    git("commit", "-qm", "Wide")
    text = in_terminal("mlcli diff --code --no-pager HEAD~1 HEAD", env=PLAIN).text
    assert text.splitlines()[-1] == "+\t" + "x" * 100_000


@pytest.fixture
def pager(machine: Path) -> Path:
    """A pager that keeps what it is given beside itself."""
    script = machine / "my pager"
    script.write_text(f"#!/bin/sh\ncat > '{machine}/paged'\necho paged\n")
    script.chmod(0o755)
    return script


@pytest.mark.terminal
@pytest.mark.parametrize("variable", ["MLCLI_PAGER", "PAGER"])
def test_what_is_taller_than_the_screen_goes_through_the_pager(two, long, pager, machine, variable: str) -> None:
    env = {**PLAIN, "PAGER": "false", variable: f"'{pager}'"}

    seen = in_terminal("mlcli diff one HEAD", env=env)

    whole = in_terminal("mlcli diff one HEAD --no-pager", env=env).text
    assert (seen, (machine / "paged").read_text()) == (("paged\n", 0), whole)
    assert whole.splitlines()[-1] == "+line 199"


@pytest.mark.terminal
@pytest.mark.parametrize(
    ("command", "env", "lines"),
    [
        ("mlcli diff one two", {}, 50),
        ("mlcli diff one HEAD --no-pager", {}, 20),
        ("mlcli diff one HEAD | cat", {}, 20),
        ("mlcli diff one HEAD < /dev/null", {}, 20),
        ("mlcli diff one HEAD", {"PAGER": "cat"}, 20),
        ("mlcli diff one HEAD", {"PAGER": ""}, 20),
        ("mlcli diff one HEAD", {"TERM": "dumb"}, 20),
        ("mlcli diff one HEAD --json", {}, 20),
        ("mlcli diff one HEAD", {}, 500),
    ],
)
def test_there_is_no_pager_where_nobody_needs_one(two, long, pager, machine, command: str, env, lines: int) -> None:
    seen = in_terminal(command, lines=lines, env={**PLAIN, "PAGER": f"'{pager}'", **env})
    assert (seen.exit_code, seen.text.startswith(("3f2a9c1d one -> ", "{")), (machine / "paged").exists()) == (
        0,
        True,
        False,
    )


@pytest.mark.terminal
@pytest.mark.parametrize("pager", ["true", "head -1", "sh -c 'exit 3'"])
def test_a_pager_that_is_quit_early_is_no_error(two, repo, git, pager: str) -> None:
    (repo / "huge").write_text("x\n" * 300_000)
    git("add", "-A")
    git("commit", "-qm", "Huge")
    seen = in_terminal("mlcli diff one HEAD", env={**PLAIN, "PAGER": pager})
    assert (seen.exit_code, len(seen.text.splitlines()) <= 1) == (0, True)


@pytest.mark.terminal
def test_a_pager_that_is_not_installed_leaves_the_answer_readable(two, long) -> None:
    seen = in_terminal("mlcli diff one HEAD", env={**PLAIN, "PAGER": "no-such-pager"})
    assert (seen.exit_code, seen.text.splitlines()[-1]) == (0, "+line 199")


@pytest.mark.terminal
def test_less_shows_colours_and_leaves_the_text_on_the_screen(two, long) -> None:
    import pexpect

    child = pexpect.spawn("mlcli diff one HEAD", dimensions=(20, 80), encoding="utf-8", timeout=60)
    child.expect("diff --git")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_commit_that_is_not_here_is_told_beside_what_is_known(two, workspace, mlcli) -> None:
    workspace.store.change_run(two[0].id, lambda run: replace(run, git=replace(run.git, commit=NOWHERE, tree=NOWHERE)))

    whole, code, stat = (mlcli("diff", *options) for options in ([], ["--code"], ["--stat"]))

    assert (whole.returncode, whole.stderr) == (0, "")
    assert (
        whole.stdout
        == """\
3f2a9c1d one -> 7e55383a two

code
  cannot be compared: commit 0123456789ab is not in this repository
  hint: git fetch origin 'refs/mlruns/*:refs/mlruns/*'

params
    depth  1 -> 10
  - old    3
  + new    x

metrics
    accuracy  0.9 -> 0.97  +0.07
"""
    )
    for refused in (code, stat):
        assert (refused.returncode, refused.stdout, refused.stderr) == (
            3,
            "",
            "mlcli: error: the code cannot be compared: commit 0123456789ab is not in this repository\n"
            "hint: git fetch origin 'refs/mlruns/*:refs/mlruns/*'\n",
        )


def test_a_commit_that_was_rewritten_is_shown_by_its_twin(two, workspace, mlcli, git) -> None:
    workspace.store.change_run(two[0].id, lambda run: replace(run, git=replace(run.git, commit=NOWHERE)))
    twin = git("rev-parse", "--short=7", "HEAD~1")
    assert mlcli("diff", "--stat").stdout == (
        f"  0123456 is not in this repository: shown is {twin}, which has the same files\n  train.py  +1 -1\n"
    )


def test_uncommitted_code_is_named_with_the_commit_that_it_was_on(record, repo, mlcli, git) -> None:
    record()
    (repo / "train.py").write_text("print(2)\n")
    dirty = record()
    head = git("rev-parse", "--short=7", "HEAD")
    line = f"code {head} -> {dirty.git.code[:7]} (uncommitted, on {head})"
    assert mlcli("diff").stdout.splitlines()[2] == line
    assert mlcli("why").stdout.splitlines()[-2:] == [f"   {line.replace('code ', 'code  ')}", "   train.py: top level"]


def test_a_dirty_tree_that_was_not_kept_is_warned_of(two, workspace, mlcli) -> None:
    unkept = {"dirty": True, "snapshot": None, "unkept": "the disk is full"}
    workspace.store.change_run(two[0].id, lambda run: replace(run, git=replace(run.git, **unkept)))
    done = mlcli("diff", "--stat")
    assert (done.stdout, done.stderr) == (
        "  train.py  +1 -1\n",
        "mlcli: warning: what was not committed for 3f2a9c1d one is not compared: the disk is full\n",
    )


def test_many_packages_are_cut_on_the_screen_and_whole_in_json(two, workspace, mlcli) -> None:
    import json

    many = {f"package-{number:02}": "1.0" for number in range(30)}
    workspace.store.change_run(
        two[0].id, lambda run: replace(run, environment=replace(run.environment, packages=many, python="3.9"))
    )
    workspace.store.change_run(
        two[1].id, lambda run: replace(run, environment=replace(run.environment, packages={}, python="3.12"))
    )

    lines = mlcli("diff").stdout.partition("environment\n")[2].splitlines()

    assert lines[:2] == ["    python      3.9 -> 3.12", "  - package-00  1.0"]
    assert (len(lines), lines[-1]) == (22, "  (10 more packages differ: --json)")
    assert len(json.loads(mlcli("diff", "--json").stdout)["environment"]) == 31


def test_json_holds_the_patch_where_code_is_asked_for(two, mlcli, git) -> None:
    import json

    patches = [json.loads(mlcli("diff", "--json", *more).stdout)["patch"] for more in ([], ["--code"])]

    assert patches == [None, git("diff", "--full-index", "HEAD~1", "HEAD") + "\n"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 3, "no run matches 'nope'\nhint: mlcli ls"),
        (["one", "@9"], 3, "there are 2 runs: none lies 9 before the newest\nhint: mlcli ls"),
        (["iris@1"], 3, "no model is called 'iris'\nhint: mlcli register iris"),
        (["one", "two", "three"], 2, "Got unexpected extra argument(s) (three)\nhint: mlcli diff --help"),
        (["--", "--output=/tmp/evil", "@"], 3, "no run matches '--output=/tmp/evil'\nhint: mlcli ls"),
    ],
)
def test_a_ref_that_names_nothing_is_one_line_and_a_hint(
    two, mlcli, arguments: list[str], code: int, said: str
) -> None:
    done = mlcli("diff", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"mlcli: error: {said}\n")


def test_where_nothing_was_recorded_there_is_nothing_to_compare(repo, mlcli) -> None:
    assert mlcli("diff").returncode == 3


@pytest.mark.terminal
@pytest.mark.parametrize("columns", [60, 100])
def test_a_table_of_files_is_aligned(two, repo, git, columns: int) -> None:
    (repo / "a-longer-name.py").write_text("1\n2\n")
    git("add", "-A")
    git("commit", "-qm", "More")
    text = in_terminal("mlcli diff one HEAD --stat", columns=columns, env=PLAIN).text
    assert screen(text, columns=columns) == ["  a-longer-name.py  added +2", "  train.py          +1 -1"]
