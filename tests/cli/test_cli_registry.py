"""What people type to move, name, approve and ask after versions: the words they see, and the exit codes."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest


def told(done) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def gated(story, repo: Path):
    """The story, with gates before Production."""
    (repo / "mlcli.toml").write_text(
        '[stages.production]\nforce = true\nrequire = ["metrics.accuracy >= 0.98", "approved:1", "artifact"]\n'
    )
    return story


def test_all_gates_that_say_no_are_told_at_once_with_both_figures(gated, mlcli) -> None:
    code, out, err = told(mlcli("promote", "iris@1", "production"))
    assert (code, out) == (1, "")
    assert err.startswith(
        "mlcli: error: iris@1 is not let into Production: 2 of 3 gates say no\n  metrics.accuracy >= 0.98: 0.9"
    )
    assert "0.98" in err
    assert "\n  approved:1: " in err
    assert err.endswith("hint: mlcli promote iris@1 production --force -m WHY\n")
    assert mlcli("show", "iris@production").stdout.startswith("iris@2  Production")


def test_a_forced_promotion_says_what_it_passed_by_and_check_says_so_ever_after(gated, mlcli) -> None:
    code, out, err = told(mlcli("promote", "iris@1", "production", "--force", "-m", "the new one fails"))
    assert (code, out.splitlines()[0]) == (0, "iris@1: Archived -> Production (archived iris@2), 1 gate passed")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["mlcli", "mlcli"]
    assert "forced past approved:1" in err
    checked = mlcli("check", "iris")
    assert "warning forced  iris@1: " in checked.stdout
    assert "forced past metrics.accuracy >= 0.98, approved:1" in mlcli("history", "iris").stdout
    mlcli("promote", "iris@1", "archived")
    assert "note    forced  iris@1: " in mlcli("check", "iris").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("promote", "iris@1", "production", "--force"), 2, "--force needs a reason"),
        (("rollback", "iris", "staging"), 3, "no version of iris was in Staging"),
        (("rollback", "nope"), 3, "no model is called 'nope'"),
        (("alias", "iris@1", "production"), 2, "'production' cannot name an alias: it is reserved"),
        (("alias", "iris@1", "3"), 2, "'3' cannot name an alias: it is reserved"),
        (("alias", "iris@9", "best"), 3, "iris has no version 9"),
        (("unalias", "iris@champion"), 3, "iris has no alias 'champion'"),
        (("unalias", "iris@1"), 2, "'iris@1' names no alias"),
        (("unapprove", "iris@1"), 1, "iris@1 has no approval of Ada Lovelace"),
        (("approve", "second@1"), 3, "no model is called 'second'"),
        (("tag", "iris@1"), 2, "tag needs K=V"),
        (("history", "iris", "--at", "noon"), 2, "'noon' is no time"),
        (("show", "iris@production", "--at", "2020-01-01"), 3, "'iris@production' named no version at 2020-01-01"),
        (("show", "second", "--at", "2026-12-01"), 3, "no model is called 'second'"),
        (("show", "@", "--at", "2026-12-01"), 2, "only a model's versions, stages and aliases"),
        (("report", "--stage", "archived"), 2, "a report is of Staging or Production"),
    ],
)
def test_bad_input_is_one_line_with_what_helps(story, mlcli, arguments, code: int, says: str) -> None:
    done = mlcli(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"mlcli: error: {says}")
    assert re.search(r"\nhint: .+\n$", done.stderr)


def test_where_a_stage_allows_no_force_there_is_none(story, mlcli, repo: Path) -> None:
    (repo / "mlcli.toml").write_text('[stages.production]\nrequire = ["approved:2"]\n')
    code, out, err = told(mlcli("promote", "iris@1", "production", "--force", "-m", "please"))
    assert (code, out) == (1, "")
    assert err == (
        "mlcli: error: Production lets nobody force a version past its gates\n"
        "hint: set force = true in [tool.mlcli.stages.production]\n"
    )


def test_a_rollback_brings_back_the_version_before_and_again_the_one_before_that(
    story, workspace, record, mlcli
) -> None:
    from mlcli import registry

    registry.register(workspace, "iris", record(model="third", name="third").id)
    registry.promote(workspace, "iris@3", "production")
    steps = [mlcli("rollback", "iris"), mlcli("rollback", "iris", "-m", "worse still"), mlcli("rollback", "iris")]
    assert [step.stdout.partition("\n")[0] for step in steps] == [
        "iris@2: Archived -> Production (archived iris@3)",
        "iris@1: Archived -> Production (archived iris@2)",
        "",
    ]
    assert steps[2].stderr.startswith("mlcli: error: no version of iris was in Production before iris@1\n")
    lines = [line.split("\t") for line in mlcli("history", "iris").stdout.splitlines()]
    assert [(line[2], line[5]) for line in lines[:2]] == [
        ("back: Archived -> Production, archived 2", "worse still"),
        ("back: Archived -> Production, archived 3", "rollback from iris@3"),
    ]


def test_an_alias_is_a_ref_that_moves(story, mlcli) -> None:
    assert told(mlcli("alias", "iris@1", "champion"))[:2] == (0, "iris@champion -> iris@1\n")
    assert told(mlcli("alias", "iris@2", "champion", "-m", "better"))[:2] == (
        0,
        "iris@champion -> iris@2 (was iris@1)\n",
    )
    assert mlcli("alias", "iris@2", "champion").returncode == 1
    assert mlcli("alias", "iris@2", "champion", "--once").stdout == "iris@champion is iris@2 already\n"
    assert mlcli("show", "models:/iris@champion").stdout.startswith("iris@2  Production  @champion\n")
    assert mlcli("lineage", "iris@champion").stdout.startswith("iris@2")
    assert "differ in case" in mlcli("alias", "iris@1", "Champion").stderr
    mlcli("promote", "iris@2", "archived")
    assert "cannot be removed: it is iris@champion" in mlcli("rm", "iris@2").stderr
    assert mlcli("unalias", "iris@champion").stdout == "iris@champion names nothing now (was iris@2)\n"
    assert mlcli("rm", "iris@2").returncode == 0
    assert mlcli("check").returncode == 0


def test_approvals_are_of_people_and_the_registrant_is_told_that_his_counts_for_none(story, mlcli) -> None:
    bob = {"GIT_AUTHOR_NAME": "Bob", "GIT_AUTHOR_EMAIL": "bob@example.com"}
    assert told(mlcli("approve", "iris@2")) == (
        0, "iris@2: approved by Ada Lovelace\n", "mlcli: warning: you registered it: your approval counts for no gate\n",
    )  # fmt: skip
    assert told(mlcli("approve", "iris@2", "-m", "fine", env=bob)) == (0, "iris@2: approved by Ada Lovelace, Bob\n", "")
    assert mlcli("approve", "iris@2", env=bob).stdout == "iris@2: approved by Ada Lovelace, Bob (already)\n"
    assert mlcli("unapprove", "iris@2").stdout == "iris@2: approved by Bob\n"
    assert "approved   by Bob\n" in mlcli("show", "iris@2").stdout


def test_notes_and_tags_are_of_the_version_that_is_named_and_of_the_run_otherwise(story, mlcli) -> None:
    assert mlcli("tag", "iris@2", "team=vision", "draft=yes").stdout == "iris@2: team=vision draft=yes\n"
    assert mlcli("tag", "iris@2", "-d", "draft").stdout == "iris@2: team=vision\n"
    assert mlcli("note", "iris@production", "watch the drift").stdout == "iris@2: watch the drift\n"
    assert mlcli("tag", "second", "kind=run").stdout.endswith("second: kind=run\n")
    shown = mlcli("show", "iris@2").stdout
    assert "  tags       team=vision\n  note       watch the drift\n" in shown
    assert mlcli("check").returncode == 0


def test_what_stood_where_is_told_of_any_time(story, mlcli) -> None:
    standing = mlcli("history", "iris", "--at", "2026-11-22").stdout.split("\t")
    assert (standing[:2], standing[3]) == (["Production", "iris@2"], "Ada Lovelace")
    nothing = mlcli("history", "iris", "--at", "2026-10-01")
    assert told(nothing) == (0, "", "no stage and no alias of iris named a version at 2026-10-01 00:00 UTC\n")
    promoted = [line.split("\t") for line in mlcli("history", "iris").stdout.splitlines()][2][0]
    assert mlcli("show", "iris@production", "--at", promoted).stdout.startswith("iris@1  Production\n")


def test_a_promotion_is_reviewed_as_a_few_lines(story, mlcli, git, repo: Path) -> None:
    git("add", "-A")
    git("commit", "-qm", "The registry")
    mlcli("rollback", "iris")
    git("add", "-A")
    changed = git("diff", "--cached", "--stat", "--format=").splitlines()
    assert len(changed) == 3
    shown = git("diff", "--cached", "-U0", "--", ".mlruns/models/iris/stages/production.json").splitlines()
    assert '-  "version": 2,' in shown
    assert '+  "version": 1,' in shown


def test_in_a_clone_without_runs_every_version_is_shown_traced_compared_and_checked(
    whole, mlcli, git, tmp_path
) -> None:
    git("add", "-A")
    git("commit", "-qm", "The registry")
    clone = tmp_path / "clone"
    git("clone", "-q", os.getcwd(), str(clone))
    answers = [
        mlcli(*words, at=clone)
        for words in (
            ("show", "iris@1"),
            ("lineage", "iris@production"),
            ("diff", "iris@1", "iris@2"),
            ("check",),
            ("report",),
        )
    ]
    assert [(answer.returncode, answer.stderr) for answer in answers] == [(0, "")] * 5
    assert not (clone / ".mlruns" / "runs").exists()


# The report


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_report_tells_what_is_in_production_since_when_by_whom_why_and_from_what(story, mlcli, git) -> None:
    out = mlcli("report").stdout
    assert out.startswith("## In Production\n\n### iris@2\n")
    for line in (
        "| since | 2026-11-21 06:4", " UTC by Ada Lovelace |", "| why | better |", "| replaced | iris@1 |",
        f"| code | {git('rev-parse', 'HEAD')[:7]} Start (main) |", "| accuracy | 0.97 | 0.9 |",
        "\nEach leads back to its run, commit and files.",
    ):  # fmt: skip
        assert line in out


def test_a_report_as_a_page_says_the_same_and_runs_nothing_of_what_people_wrote(story, mlcli) -> None:
    hostile = "<script>alert(1)</script> | **bold** `code` [a](http://x)"
    mlcli("promote", "iris@1", "production", "-m", hostile)
    page = _Texts()
    page.feed(mlcli("report", "--format", "html").stdout)
    assert hostile in page.texts
    assert "script" not in page.tags
    assert "\\<script\\>alert(1)\\</script\\> \\| \\*\\*bold\\*\\*" in mlcli("report").stdout


def test_a_report_of_nothing_says_so(record, mlcli) -> None:
    record(model="first")
    assert mlcli("report").stdout == "## In Production\n\nNo version of any model is in Production.\n\n\n"
