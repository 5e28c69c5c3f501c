"""mlcli log: metrics, params, tags and artifacts from a shell script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SCRIPT = """\
set -e
mlcli log param lr=0.1 depth=10 kind=forest wide=true
for step in 1 2 3; do mlcli log metric loss=0.$((5 - step)) --step $step; done
mlcli log metric accuracy=0.97 f1=.9
mlcli log tag team=vision
mkdir -p plots/deep
echo model > model.bin; echo a > plots/a.txt; echo b > plots/deep/b.txt
mlcli log artifact model.bin plots
mlcli log artifact model.bin --to kept/here
cd plots && mlcli log metric below=1
"""


def test_a_shell_script_logs_to_the_run_it_is_in(repo: Path, mlcli) -> None:
    (repo / "train.sh").write_text(SCRIPT)

    done = mlcli("run", "--", "sh", "train.sh")

    run = json.loads(mlcli("show", "@", "--json").stdout)["run"]
    assert (done.returncode, done.stdout, run["status"]) == (0, "", "finished")
    assert {key: param["value"] for key, param in run["params"].items()} == {
        "lr": 0.1,
        "depth": 10,
        "kind": "forest",
        "wide": True,
    }
    assert {key: (metric["last"], metric["step"], metric["count"]) for key, metric in run["metrics"].items()} == {
        "loss": (0.2, 3, 3), "accuracy": (0.97, 0, 1), "f1": (0.9, 0, 1), "below": (1.0, 0, 1),
    }  # fmt: skip
    assert run["tags"] == {"team": "vision"}
    assert [file["path"] for file in run["artifacts"]] == [
        "kept/here/model.bin",
        "model.bin",
        "plots/a.txt",
        "plots/deep/b.txt",
    ]


def test_a_run_that_ended_can_be_added_to_by_its_ref(story, mlcli) -> None:
    mlcli("log", "metric", "auc=0.5", "--run", "first")
    mlcli("log", "tag", "late=yes", "--run", "first")
    run = json.loads(mlcli("show", "first", "--json").stdout)["run"]
    assert (run["metrics"]["auc"]["last"], run["metrics"]["accuracy"]["count"], run["tags"]) == (
        0.5,
        2,
        {"late": "yes"},
    )


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("nan", "NaN"),
        ("inf", "Infinity"),
        ("-inf", "-Infinity"),
        ("1e-5", 1e-05),
        ("-3", -3.0),
        (".5", 0.5),
        ("1e308", 1e308),
    ],
)
def test_every_number_is_kept(story, mlcli, text: str, last: object) -> None:
    done = mlcli("log", "metric", f"m={text}", "--run", "@")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["metrics"]["m"]["last"] == last


def test_the_greatest_step_is_kept(story, mlcli) -> None:
    assert mlcli("log", "metric", "m=1", "--step", "9223372036854775807", "--run", "@").returncode == 0
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["metrics"]["m"]["step"] == 9223372036854775807


def test_the_users_files_stay_as_they_were(repo: Path, mlcli) -> None:
    (repo / "model.bin").write_text("model")
    (repo / "model.bin").chmod(0o640)
    before = (repo / "model.bin").stat()

    mlcli("run", "--", "mlcli", "log", "artifact", "model.bin")
    (repo / "model.bin").write_text("another")

    after = (repo / "model.bin").stat()
    assert (after.st_ino, after.st_mode, after.st_nlink) == (before.st_ino, before.st_mode, before.st_nlink)
    assert next((repo / ".mlruns" / "runs").glob("*/*/artifacts/model.bin")).read_text() == "model"


@pytest.mark.parametrize("to", ["../x", "a/../../b", "a\\b", "con/x"])
def test_an_artifact_stays_below_its_run(story, mlcli, repo: Path, to: str) -> None:
    done = mlcli("log", "artifact", "train.py", "--to", to, "--run", "@")
    assert (done.returncode, done.stdout, done.stderr.startswith("mlcli: error: ")) == (2, "", True)


def test_a_link_out_of_a_directory_is_refused(story, mlcli, repo: Path) -> None:
    (repo / "plots").mkdir()
    (repo / "plots" / "passwd").symlink_to("/etc/passwd")
    done = mlcli("log", "artifact", "plots", "--run", "@")
    assert (done.returncode, "is a link out of the directory" in done.stderr) == (2, True)
