"""What the commands print on a pipe, whole: tab-separated, never cut, without colour."""

from __future__ import annotations

import re
import subprocess

import pytest


def told(text: str, git) -> str:
    """The text without what differs from machine to machine."""
    text = text.replace(git("rev-parse", "HEAD"), "COMMIT").replace(git("rev-parse", "--short=7", "HEAD"), "COMMIT7")
    text = re.sub(r"kept as [0-9a-f]{7}", "kept as COMMIT7", text)
    text = re.sub(r"python \d+\.\d+\.\d+\S*?(?=[ ,])", "python P", text)
    text = re.sub(r"\d+ packages", "N packages", text)
    text = re.sub(r"[a-z0-9]+ (x86_64|aarch64|arm64)", "PLATFORM", text)
    return re.sub(r"\d+ cpu", "N cpu", text)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ls"], """\
fcaa7074000000000000000000000000	2026-11-21T06:40:16Z	finished	dirty	default	COMMIT+	depth=7	accuracy=0.99
bd7fd457000000000000000000000000	2026-11-21T06:40:08Z	failed	broken	default	COMMIT	depth=3\t
7e55383a000000000000000000000000	2026-11-21T06:40:04Z	finished	second	default	COMMIT	depth=10	accuracy=0.97
3f2a9c1d000000000000000000000000	2026-11-21T06:40:00Z	finished	first	default	COMMIT	depth=1	accuracy=0.9
"""),
        (["ls", "--header", "-n", "1"], """\
id	started	status	name	experiment	commit	params	metrics
fcaa7074000000000000000000000000	2026-11-21T06:40:16Z	finished	dirty	default	COMMIT+	depth=7	accuracy=0.99
"""),
        (["ls", "-q", "status = 'failed'"], "bd7fd457000000000000000000000000\n"),
        (["ls", "--sort", "metrics.accuracy", "--columns", "run,name,params.*,metrics.accuracy"], """\
3f2a9c1d	first	1	0.9
7e55383a	second	10	0.97
fcaa7074	dirty	7	0.99
bd7fd457	broken	3\t
"""),
        (["ls", "--format", "csv", "--columns", "name,params,status", "-n", "2"], """\
name,params,status
dirty,depth=7,finished
broken,depth=3,failed
"""),
        (["ls", "--format", "md", "--columns", "name,params", "-n", "1"], """\
| name | params |
| --- | --- |
| dirty | depth=7 |
"""),
        (["ls", "name = 'nobody'"], ""),
        (["show", "first"], """\
run 3f2a9c1d first  finished · 3.0 s · 2026-11-21 06:40
  command    python train.py
  git        COMMIT7 main "Start"
  params     depth 1
  metrics    accuracy 0.9 ▁█  min 0.8 max 0.9 of 2
  model      model builtins.str sha256:478b74098a63
  artifacts  model/model.joblib 5 B sha256:a7937b64b8ca
  env        python P · N packages · PLATFORM · N cpu
  registered iris@1 Archived
"""),
        (["show", "dirty"], """\
run fcaa7074 dirty  finished · 2.0 s · 2026-11-21 06:40
  command    python train.py
  git        COMMIT7 main "Start" + uncommitted train.py, kept as COMMIT7
  params     depth 7
  metrics    accuracy 0.99
  model      model builtins.str sha256:7e9d9fa16dbe
  artifacts  model/model.joblib 5 B sha256:d0c92c764c56
  env        python P · N packages · PLATFORM · N cpu
"""),
        (["show", "iris@production"], """\
iris@2  Production
  artifact   model 6 B sha256:2ee5ffd1b682
  registered 2026-11-21 06:40 by Ada Lovelace

run 7e55383a second  finished · 3.0 s · 2026-11-21 06:40
  command    python train.py
  git        COMMIT7 main "Start"
  params     depth 10
  metrics    accuracy 0.97 ▁█  min 0.9 max 0.97 of 2
  model      model builtins.str sha256:2ee5ffd1b682
  artifacts  model/model.joblib 6 B sha256:16367aacb67a
  env        python P · N packages · PLATFORM · N cpu
"""),
        (["compare", "first", "second", "broken"], """\
	first	second	broken
depth	1	10	3
accuracy	0.9	0.97	-
"""),
        (["models", "--header"], """\
model	versions	staging	production	newest	when
iris	2	-	2	iris@2	2026-11-21T06:40:13Z
"""),
        (["models", "-q"], "iris\n"),
        (["lineage", "iris@production"], """\
iris@2  Production  sha256:2ee5ffd1b682  registered 2026-11-21 06:40 by Ada Lovelace
└─ run 7e55383a second  finished  2026-11-21 06:40
   ├─ command python train.py
   ├─ code COMMIT "Start" on main
   ├─ params depth 10
   ├─ metrics accuracy 0.97
   ├─ env python P, N packages, PLATFORM
   └─ artifacts
      └─ model/model.joblib  6 B  sha256:16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4
"""),
        (["lineage", "broken"], """\
run bd7fd457 broken  failed  2026-11-21 06:40
├─ command python train.py
├─ code COMMIT "Start" on main
├─ params depth 3
└─ env python P, N packages, PLATFORM
"""),
        (["check"], "2 versions: each leads to its run, commit and files\n"),
        (["check", "iris@2"], "1 version: it leads to its run, commit and files\n"),
        (["check", "--stage", "PRODUCTION"], "1 version in Production: it leads to its run, commit and files\n"),
        (["check", "--stage", "staging"], "nothing to check: no version in Staging\n"),
        (["check", "--quiet"], ""),
        (["tag", "first", "team=vision", "draft=yes"], "3f2a9c1d first: team=vision draft=yes\n"),
        (["note", "first", "hello"], "3f2a9c1d first: hello\n"),
        (["rm", "broken"], "bd7fd457 broken moved to the trash\n"),
        (["register", "other", "second"], "other@1 <- run 7e55383a model sha256:2ee5ffd1b682\n"),
        (["register", "iris", "second", "--once"], "iris@2 <- run 7e55383a model sha256:2ee5ffd1b682 (registered already)\n"),
        (["promote", "iris@1", "staging"], "iris@1: Archived -> Staging\n"),
        (["promote", "iris@1", "production"], """\
iris@1: Archived -> Production (archived iris@2)
  accuracy 0.97 -> 0.9
"""),
        (["promote", "iris@1", "production", "--keep"], """\
iris@1: Archived -> Production
  accuracy 0.97 -> 0.9
"""),
        (["promote", "iris", "production", "--once"], "iris@2 is in Production already\n"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_command_prints(story, mlcli, git, arguments: list[str], expected: str) -> None:
    done = mlcli(*arguments)
    assert (told(done.stdout, git), done.stderr, done.returncode) == (expected, "", 0)


def test_history_tells_who_when_and_why_newest_first(story, mlcli, git) -> None:
    rows = [line.split("\t") for line in mlcli("history", "iris").stdout.splitlines()]
    assert {row[4] for row in rows} == {git("rev-parse", "HEAD")}
    assert [(row[1], row[2], row[3], row[5]) for row in rows] == [
        ("iris@2", "None -> Production, archived 1", "Ada Lovelace", "better"),
        ("iris@2", "registered", "Ada Lovelace", ""),
        ("iris@1", "None -> Production", "Ada Lovelace", "the first"),
        ("iris@1", "registered", "Ada Lovelace", ""),
    ]


def test_a_dirty_version_is_warned_of_when_registered_and_refused_once_promoted(story, mlcli) -> None:
    registered = mlcli("register", "iris", "dirty")
    assert registered.stderr == (
        "mlcli: warning: its run was made from uncommitted code: check will refuse it in Staging and Production\n"
    )
    assert mlcli("check").returncode == 0
    mlcli("promote", "iris@3", "staging")

    done = mlcli("check", "--stage", "staging")

    assert (done.returncode, done.stdout, done.stderr) == (1, """\
error   dirty  iris@3: it was made from uncommitted code: train.py
        hint: commit, then run and register again
1 version in Staging: 1 error
""", "")  # fmt: skip


def test_strict_makes_a_warning_answer_no(story, mlcli) -> None:
    mlcli("register", "iris", "dirty")
    assert (mlcli("check").returncode, mlcli("check", "--strict").returncode) == (0, 1)


def test_the_ids_that_ls_prints_can_be_removed(story, mlcli) -> None:
    ids = mlcli("ls", "-q", "status = 'failed'").stdout.split()
    assert mlcli("rm", *ids).returncode == 0
    assert "broken" not in mlcli("ls").stdout


def test_a_reader_that_stops_early_ends_ls_quietly(story, mlcli) -> None:
    done = subprocess.run(
        "mlcli ls | head -1; mlcli ls --json | true; mlcli ls --format csv | head -c 1", shell=True,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.splitlines()[0][:8], done.stderr) == ("fcaa7074", "")


def test_a_full_stdout_is_one_error(story, mlcli) -> None:
    done = subprocess.run("mlcli ls > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert ("Traceback" not in done.stderr, done.returncode != 0) == (True, True)


def test_ls_of_an_empty_store_prints_nothing(repo, mlcli) -> None:
    mlcli("init")
    done = mlcli("ls")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_tags_are_removed_and_notes_emptied(story, mlcli) -> None:
    mlcli("tag", "first", "a=1", "b=2")
    assert mlcli("tag", "first", "-d", "a").stdout == "3f2a9c1d first: b=2\n"
    assert mlcli("tag", "first", "-d", "b").stdout == "3f2a9c1d first: no tags\n"
    mlcli("note", "first", "hello")
    assert mlcli("note", "first", "").stdout == "3f2a9c1d first: no note\n"
