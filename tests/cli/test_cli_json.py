"""Each --json is one strict JSON object that its published schema allows, and says what the screens say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract import faults_of

ANSWERS = [
    (("ls",), "mlcli.runs/1"),
    (("ls", "metrics.accuracy > 0.95", "--sort", "name"), "mlcli.runs/1"),
    (("show", "second"), "mlcli.run/1"),
    (("show", "iris@2"), "mlcli.version/1"),
    (("show", "main"), "mlcli.found/1"),
    (("compare", "first", "second", "broken"), "mlcli.comparison/1"),
    (("diff", "first", "dirty"), "mlcli.diff/1"),
    (("diff", "main", "iris@2", "--code"), "mlcli.diff/1"),
    (("why", "first", "iris@production"), "mlcli.why/1"),
    (("why", "second", "dirty", "--metric", "accuracy"), "mlcli.why/1"),
    (("register", "iris", "second", "--once"), "mlcli.registered/1"),
    (("register", "other", "first", "-m", "why"), "mlcli.registered/1"),
    (("promote", "iris@1", "staging"), "mlcli.promoted/1"),
    (("promote", "iris@2", "production", "--once"), "mlcli.promoted/1"),
    (("rollback", "iris"), "mlcli.promoted/1"),
    (("alias", "iris@1", "champion"), "mlcli.aliased/1"),
    (("approve", "iris@2", "-m", "why"), "mlcli.approved/1"),
    (("models",), "mlcli.models/1"),
    (("history", "iris"), "mlcli.history/1"),
    (("history", "iris", "--at", "2026-11-21 06:41"), "mlcli.standing/1"),
    (("report",), "mlcli.report/1"),
    (("report", "--stage", "staging"), "mlcli.report/1"),
    (("show", "iris@production", "--at", "2026-11-21 07:00"), "mlcli.version/1"),
    (("lineage", "iris@production"), "mlcli.lineage/1"),
    (("lineage", "broken"), "mlcli.lineage/1"),
    (("lineage", "main"), "mlcli.lineage/1"),
    (("lineage", "main", "--up"), "mlcli.lineage/1"),
    (("lineage", "first", "--down"), "mlcli.lineage/1"),
    (("check",), "mlcli.check/1"),
    (("check", "iris@1"), "mlcli.check/1"),
    (("doctor",), "mlcli.doctor/1"),
    (("rm", "broken"), "mlcli.removed/1"),
    (("restore",), "mlcli.trash/1"),
    (("gc",), "mlcli.gc/1"),
    (("scrub", "first", "Ada Lovelace", "--dry-run"), "mlcli.scrubbed/1"),
    (("gc", "--dry-run", "--older-than", "0"), "mlcli.gc/1"),
]


def strict(text: str) -> Any:
    def refused(token: str) -> None:
        raise ValueError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refused)


@pytest.mark.parametrize(
    ("arguments", "schema"), ANSWERS, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)
def test_an_answer_is_what_its_schema_says(story, mlcli, arguments, schema) -> None:
    done = mlcli(*arguments, "--json")

    answer = strict(done.stdout)

    assert (answer["schema"], faults_of(answer), done.stderr) == (schema, [], "")


def test_a_schema_that_no_longer_fits_is_caught(story, mlcli) -> None:
    answer = strict(mlcli("models", "--json").stdout)
    answer["models"][0]["versions"][0]["number"] = answer["models"][0]["versions"][0].pop("version")

    assert faults_of(answer) == [
        "$.models[0].versions[0]: version is missing",
        "$.models[0].versions[0]: number is not in the schema",
    ]


def test_ls_json_holds_what_was_logged(story, mlcli) -> None:
    runs = strict(mlcli("ls", "--json").stdout)["runs"]

    assert [
        (run["name"], run["status"], run["params"], run["metrics"].get("accuracy", {}).get("last")) for run in runs
    ] == [
        ("dirty", "finished", {"depth": {"value": 7, "source": "logged", "origin": ""}}, 0.99),
        ("broken", "failed", {"depth": {"value": 3, "source": "logged", "origin": ""}}, None),
        ("second", "finished", {"depth": {"value": 10, "source": "logged", "origin": ""}}, 0.97),
        ("first", "finished", {"depth": {"value": 1, "source": "logged", "origin": ""}}, 0.9),
    ]


def test_compare_json_is_exact(story, mlcli) -> None:
    answer = strict(mlcli("compare", "first", "second", "--json").stdout)

    rows = [row for row in answer.pop("rows") if row["group"] in {"params", "metrics"}]
    assert answer == {"schema": "mlcli.comparison/1", "runs": [story["first"].id, story["second"].id]}
    assert rows == [
        {"group": "params", "key": "depth", "values": [1, 10], "same": False, "best": []},
        {"group": "metrics", "key": "accuracy", "values": [0.9, 0.97], "same": False, "best": [1]},
    ]


def test_models_json_is_exact(story, mlcli, git) -> None:
    answer = strict(mlcli("models", "--json").stdout)

    head = git("rev-parse", "HEAD")
    versions = answer["models"][0]["versions"]
    assert [version.pop("digest")[:7] for version in versions] == ["sha256:", "sha256:"]
    assert [version.pop("registered_at")[:10] for version in versions] == ["2026-11-21", "2026-11-21"]
    assert answer == {
        "schema": "mlcli.models/1",
        "models": [
            {
                "name": "iris",
                "aliases": {},
                "versions": [
                    {"version": 1, "stage": "archived", "run_id": story["first"].id, "commit": head},
                    {"version": 2, "stage": "production", "run_id": story["second"].id, "commit": head},
                ],
            }
        ],
    }


def test_history_json_is_exact(story, mlcli, git) -> None:
    answer = strict(mlcli("history", "iris", "--json").stdout)

    ada = {"name": "Ada Lovelace", "email": "ada@example.com"}
    same = {"by": ada, "commit": git("rev-parse", "HEAD"), "alias": "", "tags": {}, "gates": {}, "forced": {}}
    same |= {"rollback": False, "signed": False}
    for entry in answer["entries"]:
        assert entry.pop("digest").startswith("sha256:")
        assert entry.pop("at").startswith("2026-11-21T06:4")
    registered = {"action": "registered", "from_stage": None, "to_stage": None, "archived": [], "why": "", **same}
    moved = {"action": "moved", "from_stage": "none", "to_stage": "production", **same}
    assert answer == {
        "schema": "mlcli.history/1",
        "model": "iris",
        "entries": [
            {"version": 2, **moved, "archived": [1], "why": "better"},
            {"version": 2, **registered},
            {"version": 1, **moved, "archived": [], "why": "the first"},
            {"version": 1, **registered},
        ],
    }


def test_promote_json_is_exact(story, mlcli) -> None:
    assert strict(mlcli("promote", "iris@1", "Production", "--json").stdout) == {
        "schema": "mlcli.promoted/1", "model": "iris", "version": 1, "from_stage": "archived", "to_stage": "production",
        "archived": [2], "gates": {}, "forced": {}, "signed": False, "made": True,
    }  # fmt: skip


def test_check_json_names_what_is_wrong_and_exits_1(story, mlcli) -> None:
    mlcli("register", "iris", "dirty")
    mlcli("promote", "iris@3", "production")

    done = mlcli("check", "--stage", "production", "--json")

    assert done.returncode == 1
    assert strict(done.stdout) == {
        "schema": "mlcli.check/1",
        "passed": False,
        "versions": ["iris@3"],
        "findings": [
            {
                "code": "dirty", "severity": "error", "subject": "iris@3",
                "message": "it was made from uncommitted code: train.py", "hint": "commit, then run and register again",
            }
        ],
    }  # fmt: skip


def test_a_document_that_cannot_be_read_is_told_within_ls_json(story, mlcli, repo) -> None:
    run_id = story["first"].id
    document = repo / ".mlruns" / "runs" / run_id[:2] / f"{run_id}.json"
    document.write_text("{")

    done = mlcli("ls", "--json")

    answer = strict(done.stdout)
    assert (done.returncode, faults_of(answer), [run["name"] for run in answer["runs"]]) == (
        0,
        [],
        ["dirty", "broken", "second"],
    )
    assert [(problem["code"], problem["hint"]) for problem in answer["problems"]] == [("corrupt", "mlcli doctor")]


def test_numbers_that_json_does_not_have_are_texts(workspace, record, mlcli) -> None:
    record(
        name="odd",
        metrics={"loss": float("nan"), "gain": float("inf"), "drop": float("-inf")},
        params={"rate": float("nan")},
    )

    answer = strict(mlcli("show", "odd", "--json").stdout)

    assert {key: metric["last"] for key, metric in answer["run"]["metrics"].items()} == {
        "loss": "NaN", "gain": "Infinity", "drop": "-Infinity",
    }  # fmt: skip
    assert (answer["run"]["params"]["rate"]["value"], faults_of(answer)) == ("NaN", [])
