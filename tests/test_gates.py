"""Gates: what each lets pass and what not, what it tells, and that none is taken for passed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import registry
from mlcli.domain.gate import KNOWN, Approved, Bound, Plain
from mlcli.domain.history import Action, Event
from mlcli.domain.observed import Capture
from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.run import Input, Metric, MetricSource
from mlcli.domain.stage import Stage
from mlcli.errors import InvalidSettings
from mlcli.gates import Outcome, judged
from mlcli.settings import Settings, read_settings
from mlcli.workspace import Workspace

BIN = Path(sys.executable).parent
WHEN = datetime(2026, 11, 21, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def ruled(workspace: Workspace, *gates: str, stage: str = "production", more: str = "") -> Workspace:
    """The workspace, with these gates before a stage."""
    listed = ", ".join(f"'''{gate}'''" for gate in gates)
    Path(workspace.root, "mlcli.toml").write_text(f"[stages.{stage}]\nrequire = [{listed}]\n{more}\n")
    return Workspace(workspace.root, now=workspace.now, new_id=workspace.new_id)


def ask(workspace: Workspace, gate: str, version=None, *, event: Event | None = None, more: str = "") -> Outcome:
    """What one gate before Production says of a version, iris@1 where none is given."""
    there = ruled(workspace, gate, more=more)
    version = version or there.store.version("iris", 1)
    (outcome,) = judged(there, version, Stage.PRODUCTION, there.store.history("iris"), event=event)
    assert outcome.gate == gate
    return outcome


def silent(workspace: Workspace, gate: str, event: Event) -> bool:
    """Whether a gate is left out where a version is judged again."""
    there = ruled(workspace, gate)
    return (
        judged(there, there.store.version("iris", 1), Stage.PRODUCTION, there.store.history("iris"), event=event) == []
    )


def with_run(workspace: Workspace, **changes):
    """iris@1, had its run been another."""
    version = workspace.store.version("iris", 1)
    return replace(version, run=replace(version.run, **changes))


def metric(value: float, source: MetricSource = MetricSource.LOGGED) -> Metric:
    return Metric(last=value, step=0, at=WHEN, min=value, min_step=0, max=value, max_step=0, count=1, source=source)


@pytest.fixture
def iris(workspace, record) -> Workspace:
    """A workspace with iris@1, of a clean run with accuracy 0.9 and latency 100."""
    run = record(model="first", metrics={"accuracy": [0.5, 0.9], "latency": 100}, name="first")
    registry.register(workspace, "iris", run.id)
    return workspace


@pytest.fixture
def two(iris, record) -> Workspace:
    """The same, in Production, and iris@2 with accuracy 0.94 and latency 110."""
    registry.promote(iris, "iris@1", "production")
    run = record(model="second", metrics={"accuracy": 0.94, "latency": 110}, name="second")
    registry.register(iris, "iris", run.id)
    return iris


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch):
    """Let somebody else be git's user."""

    def become(name: str) -> None:
        monkeypatch.setenv("GIT_AUTHOR_NAME", name.capitalize())
        monkeypatch.setenv("GIT_AUTHOR_EMAIL", f"{name}@example.com" if name else "")

    return become


# Settings


def test_where_no_stage_has_rules_there_are_none_and_nothing_is_judged(iris):
    assert iris.settings.stages == {}
    assert judged(iris, iris.store.version("iris", 1), Stage.PRODUCTION, iris.store.history("iris")) == []


def test_rules_are_read_from_either_file_of_the_project_with_stages_in_any_case(repo: Path):
    (repo / "pyproject.toml").write_text(
        "[tool.mlcli.stages.Production]\nrequire = ['clean', 'approved:2']\nforce = true\ntimeout = '2 m'\n"
    )
    (repo / "mlcli.toml").write_text("sign = true\n[stages.STAGING]\nrequire = ['metrics.x > 1']\n")
    settings = read_settings(str(repo), {})
    assert settings.sign == "yes"
    assert {stage: (rules.require, rules.force, rules.timeout) for stage, rules in settings.stages.items()} == {
        "production": ((Plain("clean", "clean"), Approved("approved:2", 2)), True, 120.0),
        "staging": ((Bound("metrics.x > 1", "x", ">", 1.0),), False, 600.0),
    }


@pytest.mark.parametrize(
    "text",
    ["[tool.'mlcli'.stages.production]\nrequire = ['clean']\n", "[ tool . mlcli . stages . production ]\nrequire = ['clean']\n",
     "[tool]\nmlcli = {stages = {production = {require = ['clean']}}}\n"],
)  # fmt: skip
def test_rules_are_in_force_however_their_table_is_spelt(repo: Path, text: str):
    (repo / "pyproject.toml").write_text(text)
    assert read_settings(str(repo), {}).stages["production"].require == (Plain("clean", "clean"),)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("[stages.prod]\n", "'prod' in .*mlcli.toml is no stage", "did you mean production? stages are none, staging"),
        ("[stages.live]\n", "'live' in .*mlcli.toml is no stage", "stages are none, staging"),
        ("[stages.productoin]\n", "'productoin' in .*mlcli.toml is no stage", "did you mean production?"),
        ("[stages.production]\nrequires = []\n", "stage production in .* has no setting 'requires'", "did you mean require?"),
        ("[stages.production]\nrequire = 'clean'\n", "require of stage production in .* must be a list of texts", "as: "),
        ("[stages.production]\nrequire = ['clean', 5]\n", "require of stage production in .* must be a list of texts", "as: "),
        ("[stages.production]\nrequire = ['cleen']\n", "stage production in .*mlcli.toml: 'cleen' is no gate", "did you mean clean?"),
        ("[stages.production]\nrequire = ['metrics.x >> 1']\n", "stage production in .*, column 11: expected one of", "as: metrics"),
        ("[stages.production]\nforce = 'yes'\n", "force of stage production in .* must be true or false, not 'yes'", None),
        ("[stages.production]\ntimeout = 600\n", "timeout of stage production in .* is '600'", "use a time, as '10 m'"),
        ("[stages.production]\ntimeout = '0'\n", "timeout of stage production in .* is '0'", "use a time, as '10 m'"),
        ("[stages.production]\ntimeout = 'soon'\n", "timeout of stage production in .* is 'soon'", "use a time, as '10 m'"),
        ("[stages]\nproduction = ['clean']\n", "stage production in .* must be a table", "as: "),
        ("stages = 5\n", "stages in .* must be a table, not '5'", "as: "),
        ("[stages.production]\n[stages.Production]\n", "the rules of stage production are in .* twice", "keep them"),
        ("[stage.production]\nrequire = ['clean']\n", "has a table 'stage', which says nothing", "did you mean stages?"),
        ("sign = 'maybe'\n", "sign in .*mlcli.toml is 'maybe'", "use one of yes, no"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_read_are_an_error_and_never_none(repo: Path, text: str, told: str, hint: str | None):
    (repo / "mlcli.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=told) as caught:
        read_settings(str(repo), {})
    assert (hint or "") in (caught.value.hint or "")


def test_the_rules_of_a_stage_stand_in_one_file(repo: Path):
    (repo / "mlcli.toml").write_text("[stages.production]\nrequire = ['signed']\n")
    (repo / "pyproject.toml").write_text("[tool.mlcli.stages.production]\nrequire = []\n")
    with pytest.raises(InvalidSettings, match=r"both in .*mlcli\.toml and in .*pyproject\.toml"):
        read_settings(str(repo), {})


def test_the_users_own_file_gives_no_rules(repo: Path, machine: Path):
    (machine / "mlcli").mkdir()
    (machine / "mlcli" / "config.toml").write_text("[stages.production]\nrequire = []\n")
    with pytest.raises(InvalidSettings, match="which are the project's"):
        read_settings(str(repo), {"XDG_CONFIG_HOME": str(machine)})


@pytest.mark.parametrize("name", ["remotes", "storage", "usage"])
def test_a_table_of_a_newer_mlcli_is_left_alone(repo: Path, name: str):
    (repo / "mlcli.toml").write_text(f"[{name}.origin]\nurl = 'x'\n")
    assert read_settings(str(repo), {}) == Settings()


def test_a_malformed_gate_ends_a_command_with_one_line(iris, mlcli):
    Path(iris.root, "mlcli.toml").write_text("[stages.production]\nrequire = ['metrics.x => 1']\n")
    done = mlcli("promote", "iris@1", "production")
    assert (done.returncode, done.stdout) == (2, "")
    assert "mlcli.toml: 'metrics.x => 1', column 11: expected one of > >= < <= =" in done.stderr
    assert "Traceback" not in done.stderr


def gates_of_the_page() -> list[str]:
    page = (Path(__file__).resolve().parent.parent / "docs" / "gates.md").read_text()
    table = page.partition("## All gates")[2].partition("\n\n**")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.M)


@pytest.mark.parametrize("gate", gates_of_the_page())
def test_each_gate_of_the_reference_page_can_be_read(repo: Path, gate: str):
    (repo / "mlcli.toml").write_text(f"[stages.production]\nrequire = ['{gate}']\n")
    assert [each.text for each in read_settings(str(repo), {}).stages["production"].require] == [gate]


def test_the_reference_page_has_every_gate():
    told = {re.split(r"[ :.]", gate)[0] for gate in gates_of_the_page()}
    assert told == {re.split(r"[ :.]", gate)[0] for gate in KNOWN}


# Code


def test_a_version_of_a_clean_commit_is_clean(iris):
    commit = iris.head()
    assert ask(iris, "clean") == Outcome(gate="clean", passed=True, told=f"committed as {commit[:7]}")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dirty": True, "changed": ["train.py"], "untracked": ["a", "b"]}, "uncommitted: train.py and 2 more"),
        ({"dirty": True}, "uncommitted: changes"),
        ({"commit": None, "reason": "not a git repository"}, "it was made where there was no commit: not a git repository"),
    ],
)  # fmt: skip
def test_a_version_of_what_was_not_committed_is_not_clean(iris, changes, told: str):
    git = replace(iris.store.version("iris", 1).run.git, **changes)
    assert ask(iris, "clean", with_run(iris, git=git)) == Outcome(gate="clean", passed=False, told=told)


def test_a_commit_that_a_branch_leads_to_is_reachable(iris, git):
    git("branch", "release/1.0")
    told = [ask(iris, gate).passed for gate in ("reachable", "reachable:main", "reachable:release/1.0")]
    assert told == [True, True, True]


def test_a_commit_that_nothing_leads_to_is_not_reachable_and_its_twin_is_named(iris, git):
    before = iris.head()[:7]
    git("commit", "-q", "--amend", "-m", "Start anew")
    there = git("rev-parse", "--short=7", "HEAD")
    assert ask(iris, "reachable").told == f"no branch or tag leads to {before}; the same tree is {there} on main"
    assert ask(iris, "reachable:main").told == f"main does not lead to {before}"


def test_a_commit_that_is_not_here_is_not_reachable(iris):
    git = replace(iris.store.version("iris", 1).run.git, commit="f" * 40)
    found = [ask(iris, gate, with_run(iris, git=git)) for gate in ("reachable", "reachable:main")]
    assert [(each.passed, each.told.partition(";")[0]) for each in found] == [
        (False, "commit ffffffffffff is not in this repository")
    ] * 2


@pytest.mark.parametrize("gate", ["reachable", "reachable:main"])
def test_a_clone_that_is_cut_short_says_so(iris, git, machine: Path, gate: str):
    version = iris.store.version("iris", 1)
    git("commit", "-q", "--allow-empty", "-m", "Later")
    git("clone", "-q", "--depth", "1", f"file://{iris.root}", str(machine / "clone"))
    there = Workspace(str(machine / "clone"), now=iris.now, new_id=iris.new_id)
    outcome = ask(there, gate, version)
    assert (outcome.passed, outcome.told.partition("; ")[2]) == (False, "git fetch --unshallow")
    git("fetch", "-q", "--depth", "1", "origin", version.run.git.commit, at=machine / "clone")
    assert ask(there, gate, version).told.endswith("; this clone is shallow: git fetch --unshallow")


def test_a_commit_of_another_branch_is_told_so(iris, git, record):
    git("checkout", "-qb", "feature")
    git("commit", "-q", "--allow-empty", "-m", "Try")
    registry.register(iris, "rose", record(model="x").id)
    version = iris.store.version("rose", 1)
    outcome = ask(iris, "reachable:main", version)
    assert (outcome.passed, outcome.told) == (
        False, f"main does not lead to {version.run.git.commit[:7]}, it was made on feature"
    )  # fmt: skip


@pytest.mark.parametrize("branch", ["nowhere", "-x", "--help", "HEAD", "refs"])
def test_a_branch_that_is_nowhere_lets_nothing_pass(iris, branch: str):
    outcome = ask(iris, f"reachable:{branch}")
    assert (outcome.passed, outcome.told) == (False, f"there is no branch {branch}, here or on a remote: git fetch")


@pytest.mark.parametrize("remote", ["origin", "upstream"])
def test_a_branch_may_be_a_remotes(iris, git, remote: str):
    git("update-ref", f"refs/remotes/{remote}/stable", "HEAD")
    outcome = ask(iris, "reachable:stable")
    assert (outcome.passed, outcome.told) == (True, f"{remote}/stable leads to {iris.head()[:7]}")


def test_a_branch_whose_name_begins_with_a_dash_is_no_option(iris, git):
    git("update-ref", "refs/heads/-x", "HEAD")
    assert ask(iris, "reachable:-x").passed


# Evidence


def test_an_artifact_that_is_here_unaltered_passes(iris):
    assert ask(iris, "artifact") == Outcome(gate="artifact", passed=True, told="1 file as registered")


def test_an_altered_or_missing_artifact_does_not_pass(iris):
    version = iris.store.version("iris", 1)
    path = Path(iris.store.content_path(version.files[0]))
    path.chmod(0o644)
    path.write_text("other")
    altered = ask(iris, "artifact")
    path.unlink()
    missing = ask(iris, "artifact")
    assert (altered.passed, missing.passed) == (False, False)
    assert altered.told != missing.told


def test_a_version_without_files_has_no_artifact(iris):
    outcome = ask(iris, "artifact", with_run(iris, artifacts=[]))
    assert outcome == Outcome(gate="artifact", passed=False, told="its run has no artifact model")


def known(path: str, digest: str = "sha256:1") -> Input:
    return Input(path=path, size=1, digest=digest)


@pytest.mark.parametrize(
    ("changes", "passed", "told"),
    [
        ({"inputs": [known("a.csv")]}, True, "1 input with a digest"),
        ({"inputs": [known("a.csv"), known("b.csv")]}, True, "2 inputs with digests"),
        ({"capture": Capture(complete=True)}, True, "0 inputs with digests"),
        ({"capture": Capture(complete=True, off=["inputs"])}, False,
         "no input of its run is known: mlcli run --input PATH -- COMMAND"),
        ({"capture": Capture()}, False, "no input of its run is known: mlcli run --input PATH -- COMMAND"),
        ({}, False, "no input of its run is known: mlcli run --input PATH -- COMMAND"),
        ({"inputs": [known("a.csv"), known("b.csv", "")]}, False, "of what its run read, b.csv has no digest"),
        ({"inputs": [known("a.csv", ""), known("b.csv", "")]}, False,
         "of what its run read, a.csv and 1 more has no digest"),
        ({"inputs": [known("a.csv")], "urls": ["https://example.com/x.csv"]}, False,
         "of what its run read, https://example.com/x.csv has no digest"),
    ],
)  # fmt: skip
def test_inputs_are_all_known_or_not(iris, changes, passed: bool, told: str):
    version = with_run(iris, **changes)
    assert ask(iris, "inputs", version) == Outcome(gate="inputs", passed=passed, told=told)


@pytest.mark.parametrize(
    ("verdicts", "passed", "told"),
    [
        ([], False, "it was not made again: mlcli reproduce iris@1"),
        ([Verdict.IDENTICAL], True, "made again as 00000000: identical"),
        ([Verdict.EQUIVALENT], True, "made again as 00000000: equivalent"),
        ([Verdict.DIFFERENT], False, "made again as 00000000: different"),
        ([Verdict.DIFFERENT, Verdict.IDENTICAL], True, "made again as 11111111: identical"),
        ([Verdict.IMPOSSIBLE, None], False, "made again as 00000000: impossible"),
    ],
)
def test_a_run_that_came_out_the_same_is_reproduced(iris, verdicts: list[Verdict], passed: bool, told: str):
    again = [Reproduction(run_id=str(at) * 32, at=WHEN, verdict=verdict) for at, verdict in enumerate(verdicts)]
    version = with_run(iris, reproductions=again)
    assert ask(iris, "reproduced", version) == Outcome(gate="reproduced", passed=passed, told=told)


def test_a_reproduction_after_the_registration_counts(iris):
    run = iris.store.version("iris", 1).run
    again = Reproduction(run_id="7" * 32, at=WHEN, verdict=Verdict.IDENTICAL)
    iris.store.change_run(run.id, lambda old: replace(old, reproductions=[again]))
    assert ask(iris, "reproduced") == Outcome(gate="reproduced", passed=True, told="made again as 77777777: identical")


# Figures


@pytest.mark.parametrize(
    ("gate", "passed", "told"),
    [
        ("metrics.accuracy >= 0.9", True, "0.9, and at least 0.9 is asked"),
        ("metrics.accuracy > 0.9", False, "0.9, and above 0.9 is asked"),
        ("metrics.accuracy >= 0.95", False, "0.9, and at least 0.95 is asked"),
        ("metrics.latency <= 100", True, "100, and at most 100 is asked"),
        ("metrics.latency < 100", False, "100, and below 100 is asked"),
        ("metrics.latency = 100", True, "100, and exactly 100 is asked"),
        ("metrics.acc >= 0.9", False, "its run has no metric 'acc', it has accuracy, latency; at least 0.9 is asked"),
    ],
)
def test_a_metrics_last_value_is_held_against_a_number(iris, gate: str, passed: bool, told: str):
    assert ask(iris, gate) == Outcome(gate=gate, passed=passed, told=told)


@pytest.mark.parametrize(
    ("value", "gate", "passed", "told"),
    [
        (float("nan"), "metrics.x >= 0", False, "'x' is NaN; at least 0 is asked"),
        (float("nan"), "metrics.x <= 0", False, "'x' is NaN; at most 0 is asked"),
        (float("inf"), "metrics.x >= 0", True, "inf, and at least 0 is asked"),
        (float("-inf"), "metrics.x >= 0", False, "-inf, and at least 0 is asked"),
        (0.9499999999, "metrics.x >= 0.95", False, "0.9499999999, and at least 0.95 is asked"),
    ],
)
def test_what_is_no_number_passes_no_gate_and_no_figure_is_rounded(iris, value, gate: str, passed: bool, told: str):
    version = with_run(iris, metrics={"x": metric(value)})
    assert ask(iris, gate, version) == Outcome(gate=gate, passed=passed, told=told)


@pytest.mark.parametrize("gate", ["metrics.x >= 0", "metrics.x <= 1", "metrics.x >= current"])
def test_a_number_that_was_only_printed_passes_no_gate(iris, gate: str):
    outcome = ask(iris, gate, with_run(iris, metrics={"x": metric(0.5, MetricSource.PRINTED)}))
    assert (outcome.passed, outcome.told.partition(":")[0]) == (False, "0.5 was only printed, which is not trusted")


@pytest.mark.parametrize("source", [source for source in MetricSource if source is not MetricSource.PRINTED])
def test_a_number_of_any_other_source_is_trusted(iris, source: MetricSource):
    assert ask(iris, "metrics.x >= 0", with_run(iris, metrics={"x": metric(0.5, source)})).passed


def test_before_anything_is_in_the_stage_it_is_as_good_as_that(iris):
    gate = "metrics.accuracy > current"
    assert ask(iris, gate) == Outcome(gate=gate, passed=True, told="0.9, and nothing else is in Production yet")


@pytest.mark.parametrize(
    ("gate", "passed", "told"),
    [
        ("metrics.accuracy >= current", True, "0.94, and iris@1 in Production has 0.9"),
        ("metrics.accuracy > current + 0.04", False, "0.94, and iris@1 in Production has 0.9: above 0.94 is asked"),
        ("metrics.accuracy >= current + 0.04", True, "0.94, and iris@1 in Production has 0.9: at least 0.94 is asked"),
        ("metrics.accuracy >= current + 0.05", False, "0.94, and iris@1 in Production has 0.9: at least 0.95 is asked"),
        ("metrics.accuracy <= current", False, "0.94, and iris@1 in Production has 0.9"),
        ("metrics.accuracy < current", False, "0.94, and iris@1 in Production has 0.9: below that is asked"),
        ("metrics.latency <= 1.1 * current", True, "110, and iris@1 in Production has 100: at most 110 is asked"),
        ("metrics.latency >= 1.1 * current", True, "110, and iris@1 in Production has 100: at least 110 is asked"),
        ("metrics.latency <= current * 1.09", False, "110, and iris@1 in Production has 100: at most 109 is asked"),
        ("metrics.latency <= current - 1", False, "110, and iris@1 in Production has 100: at most 99 is asked"),
    ],
)  # fmt: skip
def test_a_metric_is_held_against_the_version_in_place_as_people_reckon(two, gate: str, passed: bool, told: str):
    assert ask(two, gate, two.store.version("iris", 2)) == Outcome(gate=gate, passed=passed, told=told)


def test_a_metric_that_the_version_in_place_does_not_have_cannot_be_compared(two):
    version = two.store.version("iris", 2)
    version = replace(version, run=replace(version.run, metrics={"f1": metric(1.0)}))
    told = "1, and of iris@1 in Production: its run has no metric 'f1', it has accuracy, latency"
    assert ask(two, "metrics.f1 >= current", version) == Outcome(gate="metrics.f1 >= current", passed=False, told=told)


def test_the_version_that_is_in_the_stage_is_not_held_against_itself(two):
    assert ask(two, "metrics.accuracy > current").told == "0.9, and nothing else is in Production yet"


def test_a_version_in_place_that_is_not_here_cannot_be_compared_with(two):
    next(Path(two.store.root, "models", "iris", "versions").glob("1.json")).unlink()
    outcome = ask(two, "metrics.accuracy >= current", two.store.version("iris", 2))
    assert (outcome.passed, outcome.told) == (
        False, "the version in Production is not here, to be compared with: mlcli check iris"
    )  # fmt: skip


def test_where_branches_disagree_what_stands_in_the_stage_all_of_it_is_compared(two, record):
    history = two.store.history("iris")
    run = record(model="third", metrics={"accuracy": 0.92}, name="third")
    third = registry.register(two, "iris", run.id).version
    moved = replace(history.events[-1], version=third.digest, archived=[], at=two.now(), signature="")
    last = next(each for each in reversed(history.events) if each.action is Action.MOVED)
    two.store.add_event(replace(moved, parents=last.parents, from_stage=Stage.NONE, to_stage=Stage.PRODUCTION,
                                action=Action.MOVED, number=None, digest=""))  # fmt: skip
    assert two.store.history("iris").torn
    told = ask(two, "metrics.accuracy >= current", two.store.version("iris", 2)).told
    assert sorted(told.split("; ")) == [
        "0.94, and iris@1 in Production has 0.9", "0.94, and iris@3 in Production has 0.92"
    ]  # fmt: skip


# People


def test_so_many_others_than_the_registrant_must_have_approved_it(iris, acting):
    none = ask(iris, "approved:2")
    registry.approve(iris, "iris@1")
    acting("grace")
    registry.approve(iris, "iris@1")
    registry.approve(iris, "iris@1")
    one = ask(iris, "approved:2")
    acting("edsger")
    registry.approve(iris, "iris@1")
    both = ask(iris, "approved:2")
    registry.unapprove(iris, "iris@1")
    asked = "and at least 2 people other than who registered it must"
    assert [(each.passed, each.told) for each in (none, one, both, ask(iris, "approved:2"))] == [
        (False, f"approved by 0, {asked}"),
        (False, f"approved by 1 (Grace), {asked}; Ada Lovelace registered it"),
        (True, f"approved by 2 (Edsger, Grace), {asked}; Ada Lovelace registered it"),
        (False, f"approved by 1 (Grace), {asked}; Ada Lovelace registered it"),
    ]


def test_the_same_person_under_another_name_or_in_other_letters_is_no_other(iris, monkeypatch):
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ADA@example.com")
    registry.approve(iris, "iris@1")
    assert not ask(iris, "approved").passed


def test_an_approval_is_of_one_version(two, acting):
    acting("grace")
    registry.approve(two, "iris@2")
    assert (ask(two, "approved").passed, ask(two, "approved", two.store.version("iris", 2)).passed) == (False, True)


def test_an_unsigned_approval_does_not_count_where_signatures_are_asked_for(iris, acting):
    acting("grace")
    registry.approve(iris, "iris@1")
    there = ruled(iris, "approved", "signed")
    outcomes = judged(there, there.store.version("iris", 1), Stage.PRODUCTION, there.store.history("iris"))
    assert outcomes[0].told.endswith("the approval of Grace does not count: it is not signed")
    assert [each.passed for each in outcomes] == [False, False]


# Stages


def test_a_version_must_have_been_in_a_stage(iris):
    before = ask(iris, "stage:staging")
    registry.promote(iris, "iris@1", "staging")
    during = ask(iris, "stage:staging")
    registry.promote(iris, "iris@1", "archived")
    after = [ask(iris, gate).passed for gate in ("stage:staging", "stage:archived", "stage:production")]
    assert before.told == "it was never in Staging: mlcli promote iris@1 staging"
    assert (before.passed, during.passed, after) == (False, True, [True, True, False])


def test_a_version_that_another_replaced_was_archived(two):
    registry.promote(two, "iris@2", "production")
    assert (ask(two, "stage:archived").passed, ask(two, "age:archived >= 1s").passed) == (True, True)


def at(workspace: Workspace, moment: datetime) -> Workspace:
    return Workspace(workspace.root, now=lambda: moment, new_id=workspace.new_id)


DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def staged(iris) -> tuple[Workspace, datetime]:
    """iris@1 put in Staging, and when."""
    since = iris.now() + DAY
    registry.promote(at(iris, since), "iris@1", "staging")
    return iris, since


@pytest.mark.parametrize(
    ("later", "passed", "told"),
    [
        (HOUR, False, "1h in Staging, and at least 1d is asked"),
        (DAY - timedelta(seconds=1), False, "23h 59m in Staging, and at least 1d is asked"),
        (DAY, True, "1d in Staging, and at least 1d is asked"),
        (3 * DAY + 2 * HOUR, True, "3d 2h in Staging, and at least 1d is asked"),
        (timedelta(seconds=90), False, "1m 30s in Staging, and at least 1d is asked"),
        (-DAY, False, "0s in Staging, and at least 1d is asked"),
    ],
)
def test_a_version_must_have_been_in_a_stage_for_a_while(staged, later: timedelta, passed: bool, told: str):
    workspace, since = staged
    gate = "age:staging >= 1d"
    assert ask(at(workspace, since + later), gate) == Outcome(gate=gate, passed=passed, told=told)


def test_times_in_a_stage_are_not_added_up(staged):
    workspace, since = staged
    registry.promote(at(workspace, since + 20 * HOUR), "iris@1", "archived")
    registry.promote(at(workspace, since + 22 * HOUR), "iris@1", "staging")
    assert ask(at(workspace, since + 30 * HOUR), "age:staging >= 1d").told.startswith("20h in Staging")


def test_a_version_that_was_never_there_has_no_age(iris):
    assert ask(iris, "age:staging >= 1s").told == "it was never in Staging, and at least 1s is asked"


# Commands


def test_a_command_that_gives_0_passes_and_knows_what_it_is_asked_about(iris):
    run = iris.store.version("iris", 1).run
    told = (
        'echo "$MLCLI_REF $MLCLI_MODEL $MLCLI_VERSION $MLCLI_STAGE $MLCLI_SOURCE_RUN $MLCLI_COMMIT" > told; pwd >> told'
    )
    outcome = ask(iris, f"command: {told}")
    assert (outcome.passed, outcome.told.startswith("exit code 0 after ")) == (True, True)
    words = Path(iris.root, "told").read_text().split()
    assert words == ["iris@1", "iris", "1", "production", run.id, run.git.commit, os.path.realpath(iris.root)]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exit 3", "exit code 3 after "),
        ("kill -9 $$", "signal 9 after "),
        ("no-such-command-here", "exit code 127 after "),
    ],
)
def test_a_command_that_does_not_give_0_does_not_pass(iris, command: str, told: str):
    outcome = ask(iris, f"command: {command}")
    assert (outcome.passed, outcome.told.startswith(told)) == (False, True)


def test_the_last_line_of_a_command_that_fails_is_told_without_secrets_or_control_characters(iris):
    outcome = ask(iris, r"command: echo first; printf 'password=hunter2secret \033[31mred\n\n' >&2; exit 1")
    assert "hunter2secret" not in outcome.told
    assert outcome.told.endswith(r"\x1b[31mred")


def test_a_command_reads_nothing_and_has_none_of_gits_own_variables(iris, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("MLCLI_RUN_ID", "f" * 32)
    assert ask(iris, 'command: test -z "$(cat)$GIT_DIR$MLCLI_RUN_ID"').passed


def test_a_command_finds_mlcli_and_the_version(iris, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    outcome = ask(iris, "command: cd / && mlcli show $MLCLI_REF > $MLCLI_ROOT/shown")
    assert outcome.passed, outcome.told
    assert Path(iris.root, "shown").read_text().startswith("iris@1")


def left(path: Path) -> list[int]:
    """Those of the processes that wrote their number into a file which still live five seconds from now."""
    return [pid for pid in map(int, path.read_text().split()) if not is_gone(pid)]


def is_gone(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 5)[0])
    finally:
        os.close(process)


@pytest.mark.parametrize(
    "command",
    [
        "echo $$ >> pids; while true; do sleep 1; done",
        "echo $$ >> pids; yes",
        "(trap '' TERM; sh -c 'echo $$ >> pids; sleep 60'; sleep 60) & trap '' TERM; echo $$ >> pids; sleep 60; sleep 60",
    ],
)
def test_a_command_that_never_ends_fails_and_leaves_nothing_behind(iris, command: str):
    began = time.monotonic()
    outcome = ask(iris, f"command: {command}", more="timeout = '1s'")
    assert (outcome.passed, outcome.told.partition(":")[0]) == (False, "it did not end within 1 s")
    assert time.monotonic() - began < 30
    assert left(Path(iris.root, "pids")) == []


def test_what_a_command_leaves_running_is_not_waited_for_and_ended(iris):
    began = time.monotonic()
    assert ask(iris, "command: sh -c 'echo $$ >> pids; exec sleep 60' & while ! test -s pids; do :; done").passed
    assert time.monotonic() - began < 30
    assert left(Path(iris.root, "pids")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_ends_a_promotion_ends_the_command_too(iris, number: int, code: int):
    ruled(iris, "command: echo $$ >> pids; mkfifo ready; echo > ready; sleep 60; sleep 60")
    promoting = subprocess.Popen([BIN / "mlcli", "promote", "iris@1", "production"], stderr=subprocess.DEVNULL)
    waiting = subprocess.run(["sh", "-c", "until test -p ready; do :; done; cat ready"], cwd=iris.root, timeout=30)
    promoting.send_signal(number)
    assert (waiting.returncode, promoting.wait(30)) == (0, code)
    assert left(Path(iris.root, "pids")) == []
    assert iris.store.history("iris").holders == {}


# All together, and again


def test_all_gates_are_judged_and_none_stops_the_others(iris):
    there = ruled(iris, "metrics.accuracy >= 0.95", "clean", "stage:staging", "command: exit 1", "artifact")
    outcomes = judged(there, there.store.version("iris", 1), Stage.PRODUCTION, there.store.history("iris"))
    assert [each.passed for each in outcomes] == [False, True, False, False, True]


def test_a_gate_that_cannot_be_judged_is_not_met_and_tells_why(workspace, record, repo: Path):
    registry.register(workspace, "iris", record(model="x").id)
    (repo / ".git").rename(repo / "not-git")
    outcome = ask(workspace, "reachable")
    assert (outcome.passed, outcome.told.partition(";")[0]) == (False, "not a git repository")


@pytest.fixture
def promoted(iris, acting) -> tuple[Workspace, Event]:
    """iris@1, approved by Grace and then in Production, and the event that put it there."""
    acting("grace")
    registry.approve(iris, "iris@1")
    acting("ada")
    registry.promote(iris, "iris@1", "staging")
    registry.promote(iris, "iris@1", "production")
    return iris, iris.store.history("iris").events[-1]


@pytest.mark.parametrize(
    "gate",
    ["clean", "reachable", "reachable:main", "artifact", "metrics.accuracy >= 0.9", "approved", "stage:staging", "age:staging >= 1s"],
)  # fmt: skip
def test_what_holds_is_found_to_hold_again(promoted, gate: str):
    workspace, event = promoted
    assert ask(workspace, gate, event=event).passed


@pytest.mark.parametrize(
    "gate",
    ["metrics.accuracy >= 0.95", "approved:2", "inputs", "reproduced", "signed", "age:staging >= 1d", "stage:archived"],
)
def test_what_does_not_hold_is_found_again(promoted, gate: str):
    workspace, event = promoted
    assert not ask(workspace, gate, event=event).passed


@pytest.mark.parametrize("gate", ["command: touch ran", "metrics.accuracy > current", "metrics.nothing > current"])
def test_commands_and_comparisons_are_not_judged_again(promoted, gate: str):
    workspace, event = promoted
    assert silent(workspace, gate, event)
    assert not Path(workspace.root, "ran").exists()


def test_it_is_judged_again_as_things_were_then(promoted, acting):
    workspace, event = promoted
    acting("grace")
    registry.unapprove(workspace, "iris@1")
    acting("edsger")
    registry.approve(workspace, "iris@1")
    assert ask(workspace, "approved", event=event).told.startswith("approved by 1 (Grace)")
    assert not ask(workspace, "approved:2", event=event).passed


def test_content_and_runs_that_are_not_in_a_clone_are_no_fault_there(promoted, git, machine: Path):
    workspace, event = promoted
    git("add", ".mlruns")
    git("commit", "-qm", "Promote")
    git("clone", "-q", workspace.root, str(machine / "clone"))
    clone = Workspace(str(machine / "clone"), now=workspace.now, new_id=workspace.new_id)
    assert silent(clone, "artifact", event)
    assert silent(clone, "reproduced", event)
    assert ask(clone, "clean", event=event).passed
    assert not ask(clone, "artifact").passed
