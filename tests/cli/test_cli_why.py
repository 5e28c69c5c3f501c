"""mlcli why: what a person reads of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from terminal import in_terminal

from mlcli.domain.run import Input

TRAIN = "def fit(x):\n    return x\n\n\ndef score(x):\n    return 1\n"


@pytest.fixture
def five(workspace, record, repo: Path, git) -> list[str]:
    """Five runs: the first, it again, with one param changed, then with the code, too, then with all; two commits."""
    texts = (TRAIN, TRAIN, TRAIN, TRAIN.replace("return x", "return 2 * x"), TRAIN.replace("return x", "return 2 * x"))
    params = ({"depth": 1, "seed": 0}, {"depth": 1, "seed": 0}, {"depth": 10, "seed": 0}, {"depth": 10, "seed": 0},
              {"depth": 10, "seed": 1})  # fmt: skip
    made = []
    names = ("first", "again", "deeper", "doubled", "seeded")
    for name, text, given, accuracy in zip(names, texts, params, (0.9, 0.902, 0.95, 0.96, 0.97), strict=True):
        (repo / "train.py").write_text(text)
        git("add", "train.py")
        git("commit", "-q", "--allow-empty", "-m", "Try")
        made.append(record(name=name, params=given, metrics={"accuracy": accuracy, "loss": 1 - accuracy}).id[:8])
    return made


def test_causes_are_ranked_with_the_runs_that_show_them(five, mlcli, git) -> None:
    done = mlcli("why", five[0], "@", "--metric", "accuracy")

    commits = [git("rev-parse", "--short=7", f"HEAD~{back}") for back in (4, 0)]
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
3f2a9c1d first -> 3bd50c91 seeded
  accuracy  0.9 -> 0.97  +0.07

3 things differ; what other runs show of accuracy comes first:
1. depth  1 -> 10  params
   with only this changed, run bd7fd457 deeper had accuracy 0.95: +0.05 of +0.07
2. seed  0 -> 1
   with all but this changed, run fcaa7074 doubled had accuracy 0.96: +0.01 of +0.07
3. code  {commits[0]} -> {commits[1]}
   train.py: fit()
3f2a9c1d first was made again with nothing changed: 7e55383a 0.902; accuracy varies by itself
"""
    )


def test_without_refs_the_newest_run_is_held_against_the_one_before(five, mlcli) -> None:
    lines = mlcli("why").stdout.splitlines()
    assert lines[1:] == [
        "  loss      0.04 -> 0.03  -0.01",
        "  accuracy  0.96 -> 0.97  +0.01",
        "",
        "one thing differs, and it is the cause:",
        "   seed  0 -> 1",
    ]


def test_a_run_beside_itself_has_nothing_to_explain(five, mlcli) -> None:
    assert mlcli("why", "@", "@").stdout.splitlines()[-1] == "all metrics are equal; nothing else differs, either"


def test_runs_without_metrics_are_said_to_have_none(record, mlcli) -> None:
    record(params={"depth": 1})
    record(params={"depth": 2})
    assert [mlcli("why", *refs).stdout.splitlines()[2:] for refs in (["@1", "@"], ["@", "@"])] == [
        ["neither has a metric; 1 thing differs", "   depth  1 -> 2  params"],
        ["neither has a metric; nothing else differs, either"],
    ]


def test_what_varies_by_itself_is_said_to(five, mlcli) -> None:
    lines = mlcli("why", five[0], five[1]).stdout.splitlines()
    assert lines[-1] == (
        "nothing that was recorded differs: it varies by itself (is its seed set?), or reads what no run names"
    )


def test_an_effect_that_is_no_more_than_noise_is_said_to_be(workspace, record, mlcli) -> None:
    for depth, rate, accuracy in ((1, 1, 0.9), (1, 1, 0.93), (2, 1, 0.91), (2, 2, 0.96)):
        record(params={"depth": depth, "rate": rate}, metrics={"accuracy": accuracy})
    lines = mlcli("why", "@3", "@").stdout.splitlines()
    assert [line.partition("had ")[2] for line in lines if "had accuracy" in line] == [
        "accuracy 0.91: +0.05 of +0.06",
        "accuracy 0.91: +0.01 of +0.06, no more than it varies by itself",
    ]


def test_code_that_is_not_here_is_told_with_the_way_to_it(five, workspace, mlcli) -> None:
    run_id = workspace.store.run_ids(five[3])[0]
    missing = "0123456789abcdef0123456789abcdef01234567"
    workspace.store.change_run(run_id, lambda run: replace(run, git=replace(run.git, commit=missing, tree=missing)))

    lines = mlcli("why", five[3], five[4], "--metric", "accuracy").stdout.splitlines()

    assert [line for line in lines[3:] if " -> " not in line] == [
        "2 things differ, and no other run tells them apart; by kind:",
        "   commit 0123456789ab is not in this repository",
        "   hint: git fetch origin 'refs/mlruns/*:refs/mlruns/*'",
    ]


def test_many_inputs_are_one_line(workspace, record, mlcli) -> None:
    for digit in "ab":
        files = [Input(path=f"data/{number}.csv", size=1, digest=f"sha256:{digit}") for number in range(12)]
        run = record(metrics={"accuracy": ord(digit)})
        workspace.store.change_run(run.id, lambda old, files=files: replace(old, inputs=files))
    shown = ", ".join(f"data/{number}.csv" for number in range(8))
    assert mlcli("why").stdout.splitlines()[3:] == [
        "one thing differs, and it is the cause:",
        f"   input files  {shown} … and 4 more  inputs",
    ]
    assert mlcli("diff").stdout.splitlines()[-3:] == [
        "    data/9.csv   sha256:a -> sha256:b",
        "    data/10.csv  sha256:a -> sha256:b",
        "    data/11.csv  sha256:a -> sha256:b",
    ]


def test_many_packages_are_one_line(workspace, record, mlcli) -> None:
    for version in "12":
        run = record(metrics={"accuracy": float(version)})
        packages = {f"p{number}": version for number in range(12)} | {"numpy": f"{version}.0"}
        workspace.store.change_run(
            run.id, lambda old, packages=packages: replace(old, environment=replace(old.environment, packages=packages))
        )
    shown = ", ".join(f"p{number} 1 -> 2" for number in range(8))
    assert mlcli("why").stdout.splitlines()[3:] == [
        "2 things differ, and no other run tells them apart; by kind:",
        "1. numpy  1.0 -> 2.0  packages",
        f"2. other packages  {shown} … and 4 more  packages",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 3, "no run matches 'nope'\nhint: mlcli ls"),
        (["@", "HEAD"], 2, "'HEAD' names a commit, and only runs have metrics\nhint: mlcli diff compares commits"),
        (["--metric", "acuracy"], 3, "neither run has a metric 'acuracy'\nhint: did you mean accuracy?"),
        (["--metric", "zzz"], 3, "neither run has a metric 'zzz'\nhint: they have accuracy, loss"),
    ],
)
def test_what_cannot_be_explained_is_one_line_and_a_hint(five, mlcli, arguments: list[str], code: int, said) -> None:
    done = mlcli("why", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"mlcli: error: {said}\n")


@pytest.mark.terminal
def test_a_screen_shows_the_same_in_colours(five, mlcli) -> None:
    plain, painted = in_terminal("mlcli why", env={"NO_COLOR": "1"}), in_terminal("mlcli why")
    assert (plain.text, plain.exit_code) == (mlcli("why").stdout, 0)
    assert "\x1b[1mseed\x1b[0m" in painted.text
