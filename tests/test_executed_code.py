"""diff and why by the code that runs executed, which is less than their commits hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlcli.difference import difference
from mlcli.explanation import explanation
from mlcli.workspace import Workspace

HELPER = "def mean(rows):\n    return sum(rows) / len(rows)\n"


@pytest.fixture
def trained(repo: Path, git, mlcli) -> Callable[..., str]:
    """Write files, commit them unless told otherwise, and run; the id of the run."""

    def run(commit: bool = True, env: dict[str, str] | None = None, **files: str) -> str:
        for name, text in files.items():
            (repo / f"{name}.py").write_text(text)
        if commit:
            git("add", "-A")
            git("commit", "-qm", "Next", "--allow-empty")
        # Python takes byte code for that of a source which was changed in the same second and to the same length.
        done = mlcli("run", "--", "python", "train.py", env={"PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
        assert done.returncode == 0, done.stderr
        return str(mlcli("ls", "-q", "--limit", "1").stdout.strip())

    return run


@pytest.fixture
def first(trained) -> str:
    """A run of a script and its module, beside a file that it does not execute."""
    return trained(train="import helper\nprint(f'accuracy: {helper.mean([1, 2])}')\n", helper=HELPER, another="x = 1\n")


@pytest.fixture
def workspace(repo: Path) -> Workspace:
    return Workspace(str(repo))


def test_commits_that_differ_may_have_the_same_executed_code(workspace, trained, first, mlcli) -> None:
    second = trained(another="x = 2\n")
    found = difference(workspace, first, second)
    assert found.executed is not None
    assert found.executed.same
    assert [file.path for file in found.code.files] == ["another.py"]
    assert "  what was executed is the same\n" in mlcli("diff", first, second).stdout
    why = explanation(workspace, first, second)
    assert (why.verdict, why.causes, why.inert) == ("equal", [], [])


def test_what_was_executed_comes_first_and_alone_is_a_cause(workspace, trained, first, mlcli) -> None:
    second = trained(another="x = 3\n", helper=HELPER.replace("sum", "max"))
    found = difference(workspace, first, second)
    assert [file.path for file in found.code.files] == ["helper.py", "another.py"]
    assert [(change.key, change.how) for change in found.executed.files] == [("helper.py", "changed")]
    assert "  executed: helper.py\n" in mlcli("diff", first, second).stdout
    assert [each["key"] for each in json.loads(mlcli("diff", "--json").stdout)["executed"]["files"]] == ["helper.py"]
    why = explanation(workspace, first, second)
    (cause,) = why.causes
    assert [(file.path, file.names) for file in cause.files] == [("helper.py", ["mean()"])]
    assert why.verdict == "only"


def test_a_comment_in_what_was_executed_is_no_cause(workspace, trained, first) -> None:
    second = trained(another="x = 4\n", helper=HELPER + "# the mean\n")
    why = explanation(workspace, first, second)
    assert (why.causes, [file.path for file in why.inert]) == ([], ["helper.py"])


def test_a_module_that_is_executed_anew_is_told(workspace, trained, first) -> None:
    second = trained(train="import another, helper\nprint(f'accuracy: {another.x}')\n")
    assert [(each.key, each.how) for each in difference(workspace, first, second).executed.files] == [
        ("train.py", "changed"), ("another.py", "added"),
    ]  # fmt: skip
    (cause,) = explanation(workspace, first, second).causes
    assert [file.path for file in cause.files] == ["train.py"]


def test_code_that_was_not_committed_and_not_kept_is_known_by_what_was_executed(workspace, trained, first) -> None:
    unkept = {"MLCLI_SNAPSHOT": "no"}
    second = trained(commit=False, env=unkept, another="x = 5\n")
    assert explanation(workspace, first, second).causes == []
    third = trained(commit=False, env=unkept, helper=HELPER.replace("sum", "min"))
    (cause,) = explanation(workspace, first, third).causes
    assert ([(file.path, file.status) for file in cause.files], cause.reason) == ([("helper.py", "changed")], None)


def test_where_it_is_not_known_what_was_executed_the_commits_are_compared(workspace, trained, first, mlcli) -> None:
    mlcli("run", "--no-capture", "code", "--", "python", "train.py")
    assert difference(workspace, first, "@").executed is None
    trained(another="x = 6\n")
    mlcli("run", "--no-capture", "code", "--", "python", "train.py")
    (cause,) = explanation(workspace, first, "@").causes
    assert [file.path for file in cause.files] == ["another.py"]


def test_a_run_of_the_same_executed_code_is_one_that_was_made_again(workspace, trained, first) -> None:
    again = trained(another="x = 7\n")
    other = trained(helper=HELPER.replace("sum", "max"))
    assert [each.run_id for each in explanation(workspace, first, other).repeats] == [again]
