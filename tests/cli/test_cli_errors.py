"""Bad input: one line that names the thing, a hint, the right exit code, nothing on stdout, no traceback, the store as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest


def state(directory: Path) -> dict[str, str]:
    """Every file of the store but for locks, by its digest."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


REF = "a ref is as 3f9a, @, best:accuracy, iris@3, iris@production, models:/iris/3, runs:/<id>/model or a file"
NAME = "use letters, digits, '-', '_' and '.', as in 'iris-forest'"
STAGES = "stages are None, Staging, Production, Archived"
BAD = [
    (["show", "zz"], 3, "no run matches 'zz'", "mlcli ls"),
    (["show", "secnod"], 3, "no run matches 'secnod'", "did you mean second?"),
    (["show", "@x"], 2, "'@x' is no ref: after '@' goes a number, as @1 for the run before", REF),
    (["show", "@9"], 3, "there are 4 runs: none lies 9 before the newest", "mlcli ls"),
    (["show", "best:los"], 3, "no finished run has a metric 'los'", "mlcli ls --columns id,metrics"),
    (["show", "iris@9"], 3, "iris has no version 9", "mlcli history iris"),
    (["show", "iris@champion"], 3, "iris has no alias 'champion'", "mlcli alias iris@N champion"),
    (["show", "iris@staging"], 3, "no version of iris is in Staging", "mlcli promote iris@2 staging"),
    (["show", "sha256:zz"], 2, "'sha256:zz' is no digest", "as sha256: and 7 to 64 hexadecimal digits"),
    (["lineage", "nope"], 3, "no run matches 'nope'", "mlcli ls"),
    (["compare", "@"], 2, "compare needs two runs or more", "mlcli compare @ @1"),
    (["compare", "@", "zz"], 3, "no run matches 'zz'", "mlcli ls"),
    (["history", "iriss"], 3, "no model is called 'iriss'", "did you mean iris?"),
    (["register", "a/b"], 2, "'a/b' cannot name a model: it holds '/'", NAME),
    (["register", ".."], 2, "'..' cannot name a model: it begins with '.'", NAME),
    (["register", "a\x1bb"], 2, "'a\\x1bb' cannot name a model: it holds '\\x1b'", NAME),
    (["register", "x" * 300], 2, f"'{'x' * 60}…' (300 characters) cannot name a model: it has 300 characters and at most 128 fit", NAME),
    (["register", "Iris", "second"], 2, "'Iris' and the model 'iris' differ in case or spelling only, which not every system can keep", "mlcli register iris …"),
    (["register", "new", "zz"], 3, "no run matches 'zz'", "mlcli ls"),
    (["register", "new", "first:nope"], 3, "run 3f2a9c1d has no artifact 'nope'; it has 'model/model.joblib'", "mlcli show 3f2a9c1d"),
    (["register", "new", "broken"], 3, "run bd7fd457 has no model", "log one with mlcli.sklearn.log_model, or name one of its files: RUN:FILE"),
    (["register", "iris", "second"], 1, "iris@2 is 'model' of run 7e55383a already", "mlcli register --once … accepts that"),
    (["promote", "iris@9", "production"], 3, "iris has no version 9", "mlcli history iris"),
    (["promote", "iris@2", "production"], 1, "iris@2 is in Production already", "mlcli promote --once … accepts that"),
    (["promote", "nope@1", "production"], 3, "no model is called 'nope'", "mlcli register nope"),
    (["check", "--stage", "nope"], 2, "'nope' is no stage", STAGES),
    (["check", "nope"], 3, "no model is called 'nope'", "mlcli register nope"),
    (["rm", "first"], 3, "run 3f2a9c1d cannot be removed: iris@1 stands on it", "mlcli lineage iris@1"),
    (["rm", "broken", "second"], 3, "run 7e55383a cannot be removed: iris@2 stands on it", "mlcli lineage iris@2"),
    (["tag", "@"], 2, "tag needs K=V, or --delete K", "mlcli tag @ team=vision"),
    (["tag", "@", "x"], 2, "tag wants KEY=VALUE, not 'x'", "as tag lr=0.1"),
    (["ls", "--sort", "nope"], 2, "cannot sort by 'nope'", "use metrics.…, params.…, tags.… or one of started, ended, seconds, name, status, experiment, id, with :desc"),
    (["ls", "metrics.a >"], 2, "filter, column 12: expected a number, true, false or a text in quotes, found the end", "as: metrics.accuracy > 0.9 and params.max_depth = 10 and status = 'finished'"),
    (["ls", "--limit", "x"], 2, "Invalid value for '--limit' / '-n': 'x' is not a valid int range", "mlcli ls --help"),
    (["ls", "--format", "nope"], 2, "Invalid value for '--format': 'nope' is not one of 'auto', 'table', 'plain', 'json', 'jsonl', 'csv', 'md'", "mlcli ls --help"),
    (["ls", "--nope"], 2, "No such option: --nope", "mlcli ls --help"),
    (["ls", "--jso"], 2, "No such option: --jso (Possible options: --json, --sort)", "mlcli ls --help"),
    (["lss"], 2, "No such command 'lss'. Did you mean 'ls'?", "mlcli --help"),
    (["show"], 2, "Missing argument 'REF'", "mlcli show --help"),
    (["--color", "pink", "ls"], 2, "Invalid value for '--color': 'pink' is not one of 'auto', 'always', 'never'", "mlcli --help"),
    (
        ["run", "--lr", "0.1", "--", "true"], 2, "No such option: --lr",
        "the command's own options come after --: mlcli run -- python train.py --lr 0.1",
    ),
    (["log", "param", "depth=8", "--run", "@"], 3, "param 'depth' was logged as '7' and cannot become '8'", "a param is written once: log a changing value as a metric, or begin another run"),
    (["log", "metric", "a=1"], 3, "mlcli log works inside a run", "mlcli run -- sh train.sh, or mlcli log … --run @"),
    (["log", "artifact", "nope.bin", "--run", "@"], 2, "no such file or directory: 'nope.bin'", None),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "message", "hint"), BAD, ids=[" ".join(case[0])[:50] for case in BAD])
def test_bad_input_is_one_line_and_a_hint(story, mlcli, repo: Path, arguments, code, message, hint) -> None:
    before = state(repo / ".mlruns")

    done = mlcli(*arguments)

    expected = f"mlcli: error: {message}\n" + (f"hint: {hint}\n" if hint else "")
    assert (done.stderr, done.stdout, done.returncode) == (expected, "", code)
    assert state(repo / ".mlruns") == before


def test_a_name_of_two_runs_lists_both(record, mlcli) -> None:
    first, second = record(name="twin"), record(name="twin")

    done = mlcli("show", "twin")

    listed = {first.id[:8], second.id[:8]}
    assert (done.returncode, done.stdout, {run_id for run_id in listed if run_id in done.stderr}) == (3, "", listed)


def test_check_and_doctor_pass_where_there_is_no_store(repo, mlcli) -> None:
    assert (mlcli("check").returncode, mlcli("doctor").returncode) == (0, 0)
    assert not (repo / ".mlruns").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"", "is empty"),
        (b"\0" * 4096, "holds only zero bytes"),
        (b"{", "is not readable as JSON"),
        (b"[]", "holds no JSON object"),
        (b'{"format": 99, "kind": "run"}', "has format 99; this mlcli knows formats up to 1"),
        (b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n", "holds an unresolved merge"),
        (b"[" * 100_000, "nested too deeply"),
        ("{}".encode("utf-16"), "is not readable as JSON"),
    ],
    ids=["empty", "zeros", "half", "list", "newer", "merge", "deep", "utf-16"],
)
def test_a_damaged_document_is_named_and_the_others_are_listed(story, mlcli, repo, damage: bytes, message: str) -> None:
    run_id = story["first"].id
    (repo / ".mlruns" / "runs" / run_id[:2] / f"{run_id}.json").write_bytes(damage)

    shown, listed = mlcli("show", run_id), mlcli("ls", "--columns", "name")

    assert (shown.returncode, shown.stdout, shown.stderr.count("\n")) == (3, "", 2)
    assert f".mlruns/runs/{run_id[:2]}/{run_id}.json" in shown.stderr
    assert message in shown.stderr
    assert (listed.returncode, listed.stdout) == (0, "dirty\nbroken\nsecond\n")
    assert listed.stderr.startswith("mlcli: warning: .mlruns/runs/")
    assert mlcli("doctor").returncode == 1


def test_debug_shows_where_an_error_came_from(story, mlcli) -> None:
    assert "Traceback" in mlcli("--debug", "show", "zz").stderr
    assert "Traceback" in mlcli("show", "zz", env={"MLCLI_DEBUG": "1"}).stderr


def test_a_bug_gives_a_report_to_paste_and_exits_4(machine) -> None:
    import subprocess
    import sys

    program = """
import sys
from mlcli import tracking
def broken(*given, **named):
    raise ZeroDivisionError("division by zero")
tracking.find_runs = broken
sys.argv = ["mlcli", "ls"]
from mlcli.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    first, *_, last = done.stderr.splitlines()
    assert first == "mlcli: error: this is a bug in mlcli: ZeroDivisionError: division by zero"
    assert last.startswith("hint: mlcli --debug … shows the traceback")
