"""`.mlruns-example/` is a store as a clone of this repository has it: whole, readable, and every link of it holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Ask = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ask(clone: Path, mlcli, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Ask the example of a clone, in its top directory."""
    monkeypatch.chdir(clone)
    return lambda *arguments: mlcli("--store", ".mlruns-example", *arguments)


def whole_history(clone: Path) -> bool:
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    return subprocess.run(shallow, cwd=clone, capture_output=True, text=True, check=True).stdout == "false\n"


def test_every_link_of_the_example_holds(ask, clone):
    if not whole_history(clone):
        pytest.skip("a shallow clone lacks the commit that the example was made from")
    done = ask("check", "--strict")
    assert (done.returncode, done.stdout) == (0, "4 versions: each leads to its run, commit and files\n")


def test_doctor_finds_all_well(ask):
    done = ask("doctor")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == ["store      6 runs, 2 models, 4 versions", "all is well"]


def test_ls_lists_runs_with_params_and_metrics_and_one_that_failed(ask):
    lines = ask("ls", "--columns", "name,status,experiment,params.data,params.n_estimators,metrics.accuracy").stdout
    name = ask("ls", "status = 'failed'", "--columns", "name").stdout.strip()
    assert lines.replace(name, "FAILED") == (
        "vintage\tfinished\twine\twine\t20\t1.0\n"
        "cellar\tfinished\twine\twine\t10\t0.9583333333333334\n"
        "deeper\tfinished\tiris\tiris\t20\t0.9833333333333333\n"
        "FAILED\tfailed\tiris\tirises\t\t\n"
        "baseline\tfinished\tiris\tiris\t10\t0.9666666666666667\n"
        "stump\tfinished\tiris\tiris\t5\t0.8833333333333333\n"
    )


def test_history_tells_who_moved_what_and_why(ask):
    rows = [line.split("\t") for line in ask("history", "iris").stdout.splitlines()]
    assert [(row[1], row[2], row[3], row[5]) for row in rows] == [
        ("iris@2", "Staging -> Production, archived 1", "Ada Lovelace", "Better on the same unseen flowers."),
        ("iris@2", "None -> Staging", "Ada Lovelace", "One more of sixty told right."),
        ("iris@2", "registered", "Ada Lovelace", ""),
        ("iris@1", "Staging -> Production", "Ada Lovelace", "A week in staging without complaint."),
        ("iris@1", "None -> Staging", "Ada Lovelace", "Tried beside the old rules."),
        ("iris@1", "registered", "Ada Lovelace", "Good enough to begin with."),
    ]


def test_lineage_leads_from_production_to_a_commit_of_this_repository(ask, clone):
    told = json.loads(ask("lineage", "iris@production", "--json").stdout)
    commit = told["links"][0]["run"]["git"]["commit"]
    script = subprocess.run(
        ["git", "show", f"{commit}:docs/demo/train.py"], cwd=clone, capture_output=True, text=True, check=False
    )
    assert script.returncode == 0 or not whole_history(clone)
    assert told["links"][0]["run"]["command"]["argv"][:2] == ["python", "docs/demo/train.py"]
    assert [file["here"] for file in told["links"][0]["artifacts"]] == [True, True]


def test_a_metric_has_its_steps(ask):
    shown = json.loads(ask("show", "deeper", "--json").stdout)
    assert shown["run"]["metrics"]["loss"]["count"] == 10


def test_nothing_in_it_tells_on_which_machine_it_was_made(clone):
    documents = [path.read_bytes() for path in (clone / ".mlruns-example").rglob("*.json*")]
    documents += [path.read_bytes() for path in (clone / ".mlruns-example").rglob("*.log")]
    told = b"\n".join(documents)
    assert [word for word in (b"/home/", b"/root", b"/tmp", b"/work", b"/Users", b'"host"') if word in told] == []


def test_it_is_small(clone):
    files = [path for path in (clone / ".mlruns-example").rglob("*") if path.is_file() and ".cache" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 300_000


def test_it_can_be_read_where_it_cannot_be_written(clone, read_only):
    listed = read_only(clone / ".mlruns-example", "mlcli", "--store", ".mlruns-example", "ls", "-q", at=clone)
    assert (listed.returncode, listed.stdout.count("\n"), listed.stderr) == (0, 6, "")
