"""Why a metric changed: what differs between two runs, and what other runs show of each cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli.difference import Side
from mlcli.domain.run import Input, Run
from mlcli.domain.source import Command, GitState, LeftOut, Snapshot
from mlcli.errors import NotFound, UsageError
from mlcli.explanation import Cause, Explanation, Moved, explanation
from mlcli.explanation.code import Touched
from mlcli.explanation.experiments import Evidence

NOWHERE = "0123456789abcdef0123456789abcdef01234567"
TRAIN = "DEPTH = 1\n\n\ndef fit(x):\n    return x\n\n\ndef score(x):\n    return 1\n"


@pytest.fixture
def amend(workspace):
    """Change what a recorded run says of itself."""

    def change(run: Run, **fields) -> Run:
        git = {key: fields.pop(key) for key in list(fields) if key in GitState.__struct_fields__}
        noted = {key: fields.pop(key) for key in list(fields) if key in {"python", "packages", "cpus", "variables"}}
        return workspace.store.change_run(
            run.id,
            lambda old: replace(
                old, **fields, git=replace(old.git, **git), environment=replace(old.environment, **noted)
            ),
        )

    return change


@pytest.fixture
def train(repo: Path, git):
    """Commit a text of train.py."""

    def commit(text: str, path: str = "train.py") -> str:
        (repo / path).write_text(text)
        git("add", path)
        git("commit", "-qm", f"Change {path}")
        return git("rev-parse", "HEAD")

    return commit


def side(run: Run) -> Side:
    return Side(name=f"{run.id[:8]} {run.name}", kind="run", run_id=run.id, commit=run.git.code)


def evidence(run: Run, beside: str, effect: float) -> Evidence:
    value = run.metrics["accuracy"].last
    return Evidence(run_id=run.id, name=run.name, beside=beside, value=value, effect=pytest.approx(effect))


def moved(a: float | None, b: float | None, metric: str = "accuracy") -> Moved:
    change = None if a is None or b is None else pytest.approx(b - a)
    return Moved(metric=metric, a=a, b=b, change=change)


def kinds(found: Explanation) -> list[tuple[str, str]]:
    return [(cause.kind, cause.key) for cause in found.causes]


def test_one_thing_that_differs_is_the_cause(workspace, record) -> None:
    one = record(params={"depth": 1, "seed": 0}, metrics={"accuracy": 0.9})
    other = record(params={"depth": 10, "seed": 0}, metrics={"accuracy": 0.97})

    assert explanation(workspace, one.id, other.id) == Explanation(
        a=side(one),
        b=side(other),
        metric="accuracy",
        metrics=[moved(0.9, 0.97)],
        verdict="only",
        causes=[Cause(kind="params", key="depth", a=1, b=10)],
    )


def test_runs_that_changed_one_thing_only_rank_the_causes_by_effect(workspace, record) -> None:
    one = record(params={"depth": 1, "rate": 0.1, "trees": 10}, metrics={"accuracy": 0.90})
    deeper = record(params={"depth": 10, "rate": 0.1, "trees": 10}, metrics={"accuracy": 0.91})
    more = record(params={"depth": 10, "rate": 0.1, "trees": 99}, metrics={"accuracy": 0.92})
    record(params={"depth": 7, "rate": 0.2, "trees": 10}, metrics={"accuracy": 0.5})
    other = record(params={"depth": 10, "rate": 0.2, "trees": 99}, metrics={"accuracy": 0.97})

    found = explanation(workspace, one.id, other.id)

    assert found == Explanation(
        a=side(one),
        b=side(other),
        metric="accuracy",
        metrics=[moved(0.90, 0.97)],
        verdict="ranked",
        causes=[
            Cause(kind="params", key="rate", a=0.1, b=0.2, evidence=[evidence(more, "b", 0.05)]),
            Cause(kind="params", key="depth", a=1, b=10, evidence=[evidence(deeper, "a", 0.01)]),
            Cause(kind="params", key="trees", a=10, b=99),
        ],
    )


def test_a_cause_may_be_shown_from_both_sides_and_the_newest_run_speaks(workspace, record) -> None:
    one = record(params={"depth": 1, "rate": 0.1}, metrics={"accuracy": 0.90})
    record(params={"depth": 2, "rate": 0.1}, metrics={"accuracy": 0.1})
    deeper = record(params={"depth": 2, "rate": 0.1}, metrics={"accuracy": 0.94})
    slower = record(params={"depth": 1, "rate": 0.2}, metrics={"accuracy": 0.91})
    other = record(params={"depth": 2, "rate": 0.2}, metrics={"accuracy": 0.96})

    assert explanation(workspace, one.id, other.id).causes == [
        Cause(
            kind="params", key="depth", a=1, b=2, evidence=[evidence(deeper, "a", 0.04), evidence(slower, "b", 0.05)]
        ),
        Cause(
            kind="params", key="rate", a=0.1, b=0.2, evidence=[evidence(slower, "a", 0.01), evidence(deeper, "b", 0.02)]
        ),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"status": "failed"},
        {"argv": ("python", "other.py")},
        {"params": {"depth": 2, "rate": 0.1, "third": 1}},
        {"params": {"depth": 2}},
        {"params": {"depth": 3, "rate": 0.1}},
        {"metrics": {"f1": 0.5}},
        {"metrics": {"accuracy": float("nan")}},
    ],
    ids=["failed", "another program", "another param", "a param less", "a third value", "no such metric", "no number"],
)
def test_what_is_no_experiment_is_no_evidence(workspace, record, more) -> None:
    one = record(params={"depth": 1, "rate": 0.1}, metrics={"accuracy": 0.90})
    record(**{"params": {"depth": 2, "rate": 0.1}, "metrics": {"accuracy": 0.94}, **more})
    other = record(params={"depth": 2, "rate": 0.2}, metrics={"accuracy": 0.96})
    assert [cause.evidence for cause in explanation(workspace, one.id, other.id).causes] == [[], []]


@pytest.mark.parametrize("changed", ["packages", "inputs", "cpus", "variables", "code"])
def test_a_run_in_which_something_else_differed_is_no_evidence(workspace, record, amend, train, changed: str) -> None:
    one = record(params={"depth": 1, "rate": 0.1}, metrics={"accuracy": 0.90})
    other = record(params={"depth": 2, "rate": 0.2}, metrics={"accuracy": 0.96})
    if changed == "code":
        train(TRAIN)
    near = record(params={"depth": 2, "rate": 0.1}, metrics={"accuracy": 0.94})
    if changed != "code":
        value = {
            "packages": {"attrs": "1.0"}, "inputs": [Input(path="x", size=1, digest="sha256:x")], "cpus": 999,
            "variables": {"PYTHONHASHSEED": "1"},
        }[changed]  # fmt: skip
        amend(near, **{changed: value})
    assert [cause.evidence for cause in explanation(workspace, one.id, other.id).causes] == [[], []]


def test_code_is_told_by_functions_and_shown_by_runs_of_either_text(workspace, record, train, git) -> None:
    before = train(TRAIN)
    one = record(params={"depth": 1}, metrics={"accuracy": 0.90})
    (Path(workspace.root) / "extra.py").write_text("1\n")
    git("add", "extra.py")
    after = train(TRAIN.replace("return x", "return x + 1").replace("DEPTH = 1", "DEPTH = 2"))
    recoded = record(params={"depth": 1}, metrics={"accuracy": 0.93})
    other = record(params={"depth": 2}, metrics={"accuracy": 0.96})

    assert explanation(workspace, one.id, other.id).causes == [
        Cause(
            kind="code",
            key="code",
            a=before,
            b=after,
            files=[
                Touched(path="train.py", status="changed", names=["fit()", "DEPTH"]),
                Touched(path="extra.py", status="added"),
            ],
            evidence=[evidence(recoded, "a", 0.03)],
        ),
        Cause(kind="params", key="depth", a=1, b=2, evidence=[evidence(recoded, "b", 0.03)]),
    ]


def test_what_changes_nothing_in_the_code_is_no_cause_and_hides_no_evidence(workspace, record, train) -> None:
    train(TRAIN)
    one = record(params={"depth": 1, "rate": 0.1}, metrics={"accuracy": 0.90})
    train(TRAIN.replace("return x", "return x  # a comment"))
    train("# Read me\n\nThis.\n", "README.md")
    deeper = record(params={"depth": 2, "rate": 0.1}, metrics={"accuracy": 0.94})
    train('"""Train."""\n' + TRAIN)
    other = record(params={"depth": 2, "rate": 0.2}, metrics={"accuracy": 0.96})

    found = explanation(workspace, one.id, other.id)

    assert (found.inert, found.causes) == (
        [
            Touched(path="README.md", status="added", inert=True),
            Touched(path="train.py", status="changed", inert=True),
        ],
        [
            Cause(kind="params", key="depth", a=1, b=2, evidence=[evidence(deeper, "a", 0.04)]),
            Cause(kind="params", key="rate", a=0.1, b=0.2, evidence=[evidence(deeper, "b", 0.02)]),
        ],
    )


def test_functions_of_other_languages_are_named_as_git_names_them(workspace, record, train) -> None:
    text = "fit <- function(x) {\n  y <- 1\n  z <- 2\n  y\n}\n"
    train(text, "train.R")
    one = record(metrics={"accuracy": 0.9})
    train(text.replace("z <- 2", "z <- 3"), "train.R")
    other = record(metrics={"accuracy": 0.8})
    found = explanation(workspace, one.id, other.id)
    assert found.causes[0].files == [Touched(path="train.R", status="changed", names=["fit <- function(x) {"])]


def test_an_input_that_git_tracks_is_an_input_and_no_code(workspace, record, amend, train) -> None:
    train("1\n", "data.csv")
    one = amend(record(metrics={"accuracy": 0.9}), inputs=[Input(path="data.csv", size=2, digest="sha256:a")])
    train("2\n", "data.csv")
    other = amend(record(metrics={"accuracy": 0.8}), inputs=[Input(path="data.csv", size=2, digest="sha256:b")])
    assert explanation(workspace, one.id, other.id).causes == [
        Cause(kind="inputs", key="data.csv", a="sha256:a", b="sha256:b")
    ]


def test_without_evidence_causes_are_ranked_by_kind(workspace, record, amend, train) -> None:
    machine = {
        "python": "3.11.1",
        "cpus": 4,
        "variables": {"CI": "1"},
        "packages": {"attrs": "1", "numpy": "1", "zope": "1", "same": "1"},
    }
    one = record(params={"random_state": 1, "lr": 0.1, "model.seed": 3}, metrics={"accuracy": 0.9})
    amend(one, **machine, inputs=[Input(path="a.csv", size=1, digest="sha256:a")])
    train("print(1)\n")
    other = record(params={"random_state": 2, "lr": 0.2, "model.seed": 3}, metrics={"accuracy": 0.8})
    amend(
        other,
        python="3.12.0",
        cpus=8,
        packages={"attrs": "2", "numpy": "2", "new": "1", "same": "1"},
        variables={"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "2", "SLURM_JOB_ID": "7"},
        inputs=[Input(path="a.csv", size=1, digest="sha256:b")],
        command=Command(argv=["python", "train.py", "fast"]),
    )

    found = explanation(workspace, one.id, other.id)

    assert kinds(found) == [
        ("code", "code"), ("code", "command"), ("params", "lr"), ("inputs", "a.csv"), ("packages", "python"),
        ("packages", "numpy"), ("packages", "other packages"), ("seed", "random_state"), ("seed", "PYTHONHASHSEED"),
        ("hardware", "cpus"), ("hardware", "OMP_NUM_THREADS"),
    ]  # fmt: skip
    assert found.causes[1] == Cause(kind="code", key="command", a="train.py", b="train.py fast")
    assert found.causes[6] == Cause(
        kind="packages", key="other packages", a={"attrs": "1", "zope": "1"}, b={"attrs": "2", "new": "1"}
    )


def test_many_inputs_that_differ_together_are_one_cause_with_its_evidence(workspace, record, amend) -> None:
    def run(depth: int, digit: str, accuracy: float) -> Run:
        files = [Input(path=f"data/{number}.csv", size=1, digest=f"sha256:{digit}") for number in range(9)]
        return amend(record(params={"depth": depth}, metrics={"accuracy": accuracy}), inputs=files)

    one, near, other = run(1, "a", 0.9), run(1, "b", 0.8), run(2, "b", 0.85)

    digests = [{f"data/{number}.csv": f"sha256:{digit}" for number in range(9)} for digit in "ab"]
    assert explanation(workspace, one.id, other.id).causes == [
        Cause(
            kind="inputs", key="input files", a=digests[0], b=digests[1], evidence=[evidence(near, "a", -0.1)]
        ),
        Cause(kind="params", key="depth", a=1, b=2, evidence=[evidence(near, "b", 0.05)]),
    ]  # fmt: skip


def test_functions_are_named_also_where_the_repository_hides_its_texts(workspace, record, train) -> None:
    train("* -diff\n", ".gitattributes")
    train(TRAIN)
    record(metrics={"accuracy": 0.9})
    train(TRAIN.replace("return x", "return 2 * x"))
    record(metrics={"accuracy": 0.8})
    found = explanation(workspace, "@1", "@")
    assert found.causes[0].files == [Touched(path="train.py", status="changed", names=["fit()"])]


def test_a_run_without_packages_differs_in_one_thing_by_that(workspace, record, amend) -> None:
    one, other = record(metrics={"accuracy": 0.9}), record(metrics={"accuracy": 0.8}, params={"depth": 1})
    amend(one, packages={"numpy": "1", "attrs": "1"}, python="3.12.1")
    amend(other, packages={}, python="")
    assert explanation(workspace, one.id, other.id).causes == [
        Cause(kind="params", key="depth", b=1),
        Cause(kind="packages", key="packages", a="2 recorded", b="none recorded"),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["python", "train.py", "--lr", "0.1"], ["python", "train.py", "--lr", "0.2"]),
        (["python", "-m", "churn", "--fast"], ["python", "-m", "churn", "--no-fast"]),
        (["python", "train.py", "lr=0.1"], ["python", "train.py", "lr=0.2"]),
        (["/usr/bin/python", "train.py", "-n", "5"], ["/opt/bin/python", "train.py", "-n", "6"]),
        (["./train.sh", "--lr", "1e-1"], ["bin/train.sh", "--lr", "2e-1"]),
    ],
)
def test_options_are_params_and_no_other_command(workspace, record, one: list[str], other: list[str]) -> None:
    from mlcli.capture.command import params

    for argv in (one, other):
        given = {key: param.value for key, param in params(argv).items()}
        record(argv=argv, params=given, metrics={"accuracy": len(argv[-1]) + hash(str(given)) % 1000 / 1000})
    assert {kind for kind, _ in kinds(explanation(workspace, "@1", "@"))} == {"params"}


def test_a_metric_that_changes_by_itself_is_said_to(workspace, record) -> None:
    same = {"params": {"depth": 1}}
    one = record(**same, metrics={"accuracy": 0.9})
    again = record(**same, metrics={"accuracy": 0.92})
    other = record(**same, metrics={"accuracy": 0.95})

    assert explanation(workspace, one.id, other.id) == Explanation(
        a=side(one),
        b=side(other),
        metric="accuracy",
        metrics=[moved(0.9, 0.95)],
        verdict="unexplained",
        causes=[],
        repeats=[evidence(again, "a", 0.02)],
    )


def test_runs_made_again_show_how_far_a_metric_varies(workspace, record) -> None:
    one = record(params={"depth": 1}, metrics={"accuracy": 0.9})
    first = record(params={"depth": 1}, metrics={"accuracy": 0.9})
    other = record(params={"depth": 2}, metrics={"accuracy": 0.95})
    second = record(params={"depth": 2}, metrics={"accuracy": 0.94})

    found = explanation(workspace, one.id, other.id)

    assert (found.verdict, found.causes[0].evidence, found.repeats) == (
        "only",
        [],
        [evidence(second, "b", 0.01), evidence(first, "a", 0.0)],
    )


def test_equal_metrics_are_said_to_be_and_what_differs_is_still_told(workspace, record) -> None:
    one = record(params={"depth": 1}, metrics={"accuracy": 0.9, "loss": float("nan")})
    other = record(params={"depth": 2}, metrics={"accuracy": 0.9, "loss": float("nan")})
    assert explanation(workspace, one.id, other.id) == Explanation(
        a=side(one), b=side(other), metric=None, metrics=[], verdict="equal",
        causes=[Cause(kind="params", key="depth", a=1, b=2)],
    )  # fmt: skip


def test_the_metric_that_changed_most_of_itself_comes_first_times_last(workspace, record) -> None:
    record(metrics={"fit_seconds": 1.0, "auc": 0.90, "loss": 0.5, "gone": 1.0, "same": 3.0, "bad": float("inf")})
    record(metrics={"fit_seconds": 9.0, "auc": 0.91, "loss": 0.4, "new": 1.0, "same": 3.0, "bad": 1.0})

    found = explanation(workspace, "@1", "@")

    assert (found.metric, found.metrics) == (
        "loss",
        [
            moved(0.5, 0.4, "loss"),
            moved(0.90, 0.91, "auc"),
            moved(1.0, 9.0, "fit_seconds"),
            moved(1.0, None, "gone"),
            Moved(metric="bad", a=float("inf"), b=1.0, change=None),
            moved(None, 1.0, "new"),
        ],
    )


def test_one_metric_can_be_asked_for(workspace, record) -> None:
    one = record(params={"depth": 1, "rate": 1}, metrics={"accuracy": 0.5, "auc": 0.90})
    near = record(params={"depth": 2, "rate": 1}, metrics={"accuracy": 0.6, "auc": 0.91})
    other = record(params={"depth": 2, "rate": 2}, metrics={"accuracy": 0.9, "auc": 0.94})

    found = explanation(workspace, one.id, other.id, "auc")

    assert (found.metric, found.metrics) == ("auc", [moved(0.90, 0.94, "auc")])
    shown = [(each.run_id, each.value) for cause in found.causes for each in cause.evidence]
    assert shown == [(near.id, 0.91), (near.id, 0.91)]


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        ("acuracy", "did you mean accuracy?"),
        ("zzz", "they have accuracy, loss"),
        ("\x1b[31m", "they have accuracy, loss"),
    ],
)
def test_a_metric_that_neither_has_is_an_error_that_names_close_ones(workspace, record, metric: str, hint: str) -> None:
    record(metrics={"accuracy": 0.9, "loss": 1})
    record(metrics={"accuracy": 0.8})
    with pytest.raises(NotFound) as caught:
        explanation(workspace, "@1", "@", metric)
    assert (caught.value.message.startswith("neither run has a metric '"), caught.value.hint) == (True, hint)


def test_runs_without_metrics_are_explained_as_far_as_they_go(workspace, record) -> None:
    record(params={"depth": 1})
    record(params={"depth": 2}, status="failed")
    found = explanation(workspace, "@1", "@")
    assert (found.verdict, found.metrics, kinds(found)) == ("unmeasured", [], [("params", "depth")])


def test_a_commit_has_no_metrics_to_explain(workspace, record) -> None:
    record()
    with pytest.raises(UsageError, match="'main' names a commit, and only runs have metrics"):
        explanation(workspace, "main", "@")


def test_versions_are_explained_by_their_runs(story, workspace) -> None:
    found = explanation(workspace, "iris@1", "iris@production")
    assert (found.a.name, found.b.name, found.verdict, kinds(found)) == (
        "iris@1",
        "iris@2",
        "only",
        [("params", "depth")],
    )


def test_dirty_runs_are_explained_by_their_snapshots(workspace, record, amend, repo, git) -> None:
    made = []
    for text in (TRAIN, TRAIN.replace("return x", "return 2 * x")):
        (repo / "train.py").write_text(text)
        made.append(record(metrics={"accuracy": len(made)}))
    assert [run.git.commit for run in made] == [git("rev-parse", "HEAD")] * 2
    found = explanation(workspace, "@1", "@")
    assert (found.verdict, found.causes[0].files) == (
        "only",
        [Touched(path="train.py", status="changed", names=["fit()"])],
    )


def test_functions_of_a_submodule_are_named(workspace, record, repo, git, machine) -> None:
    library = machine / "work" / "library"
    library.mkdir()
    git("init", "-q", at=library)
    (library / "model.py").write_text(TRAIN)
    git("add", "-A", at=library)
    git("commit", "-qm", "One", at=library)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    git("commit", "-qm", "Library")
    record(metrics={"accuracy": 0.9})
    (repo / "lib" / "model.py").write_text(TRAIN.replace("return x", "return 2 * x"))
    record(metrics={"accuracy": 0.8})

    assert explanation(workspace, "@1", "@").causes[0].files == [
        Touched(path="lib/model.py", status="changed", names=["fit()"]),
        Touched(path="lib", status="changed"),
    ]


def test_large_files_beside_a_snapshot_are_inputs_and_nested_repositories_code(workspace, record, amend, git) -> None:
    one, other = record(metrics={"accuracy": 1}), record(metrics={"accuracy": 2})
    head, tree = git("rev-parse", "HEAD"), git("rev-parse", "HEAD^{tree}")
    for run, digit in ((one, "a"), (other, "b")):
        left = [LeftOut(path="big.csv", size=9, digest=f"sha256:{digit}", reason="large")]
        amend(run, dirty=True, snapshot=Snapshot(commit=head, tree=tree, left_out=left, nested={"lib": digit * 40}))
    assert explanation(workspace, one.id, other.id).causes == [
        Cause(kind="code", key="lib", a="a" * 40, b="b" * 40),
        Cause(kind="inputs", key="big.csv", a="sha256:a", b="sha256:b"),
    ]


def test_code_that_cannot_be_compared_is_a_cause_that_says_why(workspace, record, amend) -> None:
    one, other = record(metrics={"accuracy": 0.9}), record(metrics={"accuracy": 0.8})
    amend(one, commit=NOWHERE, tree=NOWHERE)

    found = explanation(workspace, one.id, other.id)

    assert (found.verdict, found.hint, found.causes) == (
        "unexplained",
        "git fetch origin 'refs/mlruns/*:refs/mlruns/*'",
        [
            Cause(
                kind="code", key="code", a=NOWHERE, b=other.git.commit,
                reason="commit 0123456789ab is not in this repository",
            )
        ],
    )  # fmt: skip


def test_what_was_not_committed_and_is_gone_may_be_the_cause(workspace, record, amend) -> None:
    one, other = record(metrics={"accuracy": 0.9}), record(metrics={"accuracy": 0.8})
    amend(other, dirty=True, snapshot=None, unkept="the disk is full")
    found = explanation(workspace, one.id, other.id)
    assert [cause.reason for cause in found.causes] == [
        f"what was not committed for {other.id[:8]} {other.name} is gone: the disk is full"
    ]


def test_a_damaged_run_is_passed_over_as_evidence(workspace, record, repo) -> None:
    one = record(params={"depth": 1, "rate": 0.1}, metrics={"accuracy": 0.90})
    near = record(params={"depth": 2, "rate": 0.1}, metrics={"accuracy": 0.94})
    other = record(params={"depth": 2, "rate": 0.2}, metrics={"accuracy": 0.96})
    (repo / ".mlruns" / "runs" / near.id[:2] / f"{near.id}.json").write_text("{")
    assert kinds(explanation(workspace, one.id, other.id)) == [("params", "depth"), ("params", "rate")]
