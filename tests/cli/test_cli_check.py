"""What `mlcli check` answers in each form: as its readers read it, whatever a name holds, with one exit code for all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import junitparser
import pytest
import sarif_pydantic
import typer
from msgspec.structs import asdict
from pydantic import BaseModel, ValidationError

from mlcli.checking import Finding, Report, Severity
from mlcli.checking.codes import CODES
from mlcli.cli import check, shortcut
from mlcli.cli.findings import WRITERS, CheckFormat, Told

FORMATS = [each.value for each in CheckFormat]
HOSTILE = "50%, a: b\r\n<&>\"'\x1b[31m\x00\x07\ud800\u202e]]> ::error::"
PROJECT = Path(__file__).resolve().parent.parent.parent


def finding(severity: Severity = Severity.ERROR, subject: str = "iris@2", message: str = "wrong", **more) -> Finding:
    return Finding(**{"code": "dirty", "severity": severity, "subject": subject, "message": message, **more})


def told(*findings: Finding, **more) -> Told:
    return Told(report=Report(versions=["iris@1", "iris@2"], findings=list(findings)), **more)


def written(form: str, *findings: Finding, **more) -> str:
    return WRITERS[CheckFormat(form)](told(*findings, **more))


# The answer


@pytest.fixture
def doubtful(whole, git):
    """A model whose first version was made from a commit that was amended: two warnings."""
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("checkout", "-q", "--orphan", "other")
    git("commit", "-qm", "Anew")
    git("branch", "-qD", "main")
    return whole


@pytest.fixture
def broken(whole):
    Path(whole.store.root, "models", "iris", "stages", "production.json").unlink()
    return whole


@pytest.mark.parametrize("form", FORMATS)
def test_an_error_answers_no_in_every_form(broken, mlcli, form: str):
    done = mlcli("check", f"--format={form}")
    assert (done.returncode, done.stderr, "stage-disagrees" in done.stdout) == (1, "", True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_warning_answers_yes_unless_it_is_strict_in_every_form(doubtful, mlcli, form: str):
    done, strict = mlcli("check", f"--format={form}"), mlcli("check", f"--format={form}", "--strict")
    assert (done.returncode, strict.returncode) == (0, 1)
    assert "commit-unreachable" in done.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_where_all_is_well_the_answer_is_yes_in_every_form(whole, mlcli, form: str):
    done = mlcli("check", "--format", form)
    assert (done.returncode, done.stderr) == (0, "")


def test_quiet_says_nothing_where_all_is_well(whole, mlcli):
    assert [mlcli("check", option).stdout for option in ("-q", "--quiet")] == ["", ""]


def test_an_unknown_form_or_stage_is_a_misuse(whole, mlcli):
    assert (mlcli("check", "--format=xml").returncode, mlcli("check", "--stage=moon").returncode) == (2, 2)


def test_from_a_directory_below_files_are_named_from_the_top_of_the_repository(broken, mlcli, repo: Path):
    (repo / "sub").mkdir()
    done = mlcli("check", "--format=github", at=repo / "sub")
    assert done.stdout.startswith("::error file=.mlruns/models/iris/stages/production.json,title=stage-disagrees%3A")


# Text


def test_people_read_two_lines_for_each_and_the_sum(broken, mlcli):
    assert mlcli("check").stdout == (
        "error   stage-disagrees  iris@production: the stage's file does not say what the history says\n"
        "        hint: mlcli doctor --fix\n"
        "2 versions: 1 error\n"
    )


# GitHub


def test_github_reads_workflow_commands_with_file_and_title():
    lines = written(
        "github",
        finding(hint="commit"),
        finding(Severity.WARNING, "iris"),
        finding(Severity.NOTE, "iris@champion", code="a"),
        store="sub/.mlruns",
    )
    assert lines.splitlines() == [
        "::error file=sub/.mlruns/models/iris/versions/2.json,title=dirty%3A iris@2::iris@2: wrong (hint: commit)",
        "::warning file=sub/.mlruns/models/iris,title=dirty%3A iris::iris: wrong",
        "::notice file=sub/.mlruns/models/iris/aliases/champion.json,title=a%3A iris@champion::iris@champion: wrong",
    ]


def test_nothing_that_a_name_holds_ends_githubs_line_or_begins_another():
    line = written("github", finding(subject=HOSTILE, message=HOSTILE))
    assert len(line.splitlines()) == 1
    properties = re.fullmatch(r"::error file=([^,:]*),title=([^,:]*)::(.*)", line)
    assert properties is not None
    assert "50%25%2C a%3A b" in properties[1]
    assert "50%25, a: b" in properties[3]


# GitLab


def test_gitlab_reads_a_code_quality_report():
    [first, second] = json.loads(
        written("gitlab", finding(hint="commit"), finding(Severity.NOTE, "iris@production", HOSTILE))
    )
    assert {**first, "fingerprint": ""} == {
        "description": "iris@2: wrong (hint: commit)", "check_name": "dirty", "fingerprint": "", "severity": "critical",
        "location": {"path": ".mlruns/models/iris/versions/2.json", "lines": {"begin": 1}},
    }  # fmt: skip
    assert (second["severity"], second["location"]["path"]) == ("info", ".mlruns/models/iris/stages/production.json")


def test_gitlab_knows_a_finding_again_though_its_words_changed():
    marks = [
        [each["fingerprint"] for each in json.loads(written("gitlab", *findings))]
        for findings in ([finding(), finding(), finding(subject="iris@1")], [finding(message="still wrong")])
    ]
    assert (len({*marks[0]}), marks[1][0]) == (3, marks[0][0])


# SARIF


def unknown_keys(model: BaseModel) -> list[str]:
    """What a model was given that SARIF does not know, at any depth."""
    inner = [value for each in model.__dict__.values() for value in (each if isinstance(each, list) else [each])]
    below = [key for each in inner if isinstance(each, BaseModel) for key in unknown_keys(each)]
    return [*(model.model_extra or {}), *below]


def test_sarif_is_what_its_readers_know():
    text = written("sarif", *(finding(severity, "iris@2", HOSTILE, hint="x") for severity in Severity))
    log = sarif_pydantic.Sarif.model_validate_json(text)
    [run] = log.runs
    assert ([each.level for each in run.results], unknown_keys(log)) == (["error", "warning", "note"], [])
    assert (log.version, run.tool.driver.rules[0].id) == ("2.1.0", "dirty")
    assert run.results[0].locations[0].physical_location.artifact_location.uri == ".mlruns/models/iris/versions/2.json"


@pytest.mark.parametrize("broken", [{"level": "grave"}, {"message": "text"}, {"locations": {}}])
def test_what_judges_sarif_rejects_a_broken_twin(broken):
    document = json.loads(written("sarif", finding()))
    document["runs"][0]["results"][0].update(broken)
    with pytest.raises(ValidationError):
        sarif_pydantic.Sarif.model_validate(document)


def test_what_judges_sarif_finds_a_key_that_it_does_not_know():
    document = json.loads(written("sarif", finding()))
    document["runs"][0]["results"][0]["surprise"] = 1
    assert unknown_keys(sarif_pydantic.Sarif.model_validate(document)) == ["surprise"]


def test_each_rule_of_sarif_has_help():
    log = json.loads(written("sarif", *(finding(code=code) for code in CODES)))
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(CODES)
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"].endswith(".") for rule in rules)
    assert [rules[each["ruleIndex"]]["id"] for each in log["runs"][0]["results"]] == list(CODES)


# JUnit


def test_junit_is_read_with_a_case_for_each_version_and_name():
    text = written(
        "junit",
        finding(),
        finding(code="no-commit"),
        finding(Severity.WARNING, "iris@1"),
        finding(subject="iris@production"),
    )
    [suite] = junitparser.JUnitXml.fromstring(text.encode())
    cases = {case.name: [type(result).__name__ for result in case.result] for case in suite}
    assert cases == {"iris@1": [], "iris@2": ["Failure"], "iris@production": ["Failure"]}
    assert (suite.tests, suite.failures, suite.errors) == (3, 2, 0)
    assert "no-commit" in next(case for case in suite if case.name == "iris@2").result[0].text


def test_a_warning_fails_its_case_where_warnings_answer_no():
    [suite] = junitparser.JUnitXml.fromstring(written("junit", finding(Severity.WARNING), strict=True).encode())
    assert suite.failures == 1


def test_junit_holds_whatever_a_name_holds():
    text = written(
        "junit", finding(subject=HOSTILE, message=HOSTILE), finding(Severity.NOTE, message=HOSTILE, hint=HOSTILE)
    )
    root = ElementTree.fromstring(text)
    assert root.find(".//failure") is not None
    assert "<&>\"'\\x1b[31m" in root.find(".//system-out").text


# Codes


def test_every_code_that_is_found_somewhere_is_listed_and_documented():
    sources = "".join(path.read_text() for path in (PROJECT / "mlcli" / "checking").glob("[!c]*.py"))
    commits = (PROJECT / "mlcli" / "checking" / "commits.py").read_text()
    used = set(re.findall(r'(?:fault|doubt)\(\s*"([a-z-]+)"|code="([a-z-]+)"', sources))
    yielded = set(re.findall(r'yield "([a-z-]+)"', commits))
    page = (PROJECT / "docs" / "check.md").read_text()
    assert {one or other for one, other in used} | yielded <= CODES.keys()
    assert [code for code in CODES if f"\n| `{code}` |" not in page] == []


# Without Typer


@pytest.mark.parametrize("line", ["check", "check --staged --quiet", "check --stage=production --json"])
def test_a_plain_check_loads_neither_typer_nor_gitpython(whole, git, line: str):
    git("add", "-A")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mlcli", *line.split()], capture_output=True, text=True
    )
    loaded = {row.rpartition("|")[2].strip().partition(".")[0] for row in done.stderr.splitlines()}
    assert (done.returncode, loaded & {"typer", "click", "git", "rich", "pydantic", "sqlite3"}) == (0, set())


LINES = [
    "",
    "iris iris@2",
    "--stage=production iris",
    "--staged --signed --strict --quiet --json",
    "-q --format=sarif",
]


def typers_command():
    app = typer.Typer(add_completion=False)
    app.command("check")(check.command)
    return typer.main.get_command(app)


@pytest.mark.parametrize("line", LINES)
def test_the_shortcut_reads_what_typer_reads(line: str):
    with typers_command().make_context("check", line.split()) as context:
        said = {name: list(value) if isinstance(value, tuple) else value for name, value in context.params.items()}
    asked = shortcut.read_check(line.split())
    assert asdict(asked) == {name: value for name, value in said.items() if name != "help"}


def test_the_shortcut_knows_all_of_typers_options():
    options = {
        name: param.name
        for param in typers_command().params
        if param.param_type_name == "option" and param.name != "help"
        for name in [*param.opts, *param.secondary_opts]
    }
    assert options == {**shortcut.CHECK_TEXTS, **shortcut.CHECK_FLAGS}


@pytest.mark.parametrize(
    "line", ["--help", "--bad", "--stage production", "--format=xml", "-- iris", "--strict=1", "-x"]
)
def test_the_shortcut_leaves_what_is_not_plain_to_typer(line: str):
    assert shortcut.read_check(line.split()) is None
