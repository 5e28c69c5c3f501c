"""Ten trainings, each of another kind of model, from committed and from uncommitted code: made again, each is the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from sklearn.datasets import load_diabetes

SCRIPTS = Path(__file__).parent / "reproduced"
NAMES = [
    "calibration", "clustering", "gradient_boosting", "grid_search", "mlp", "neighbours", "pipeline", "random_forest",
    "regression", "text",
]  # fmt: skip
SEED = "SEED = 0\n"
INPUT = "data/diabetes.csv"
Train = Callable[..., None]


@pytest.fixture(autouse=True)
def quick_disk(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def train(repo: Path, git, mlcli) -> Train:
    """Commit a script, and run it: from the commit, or with a change and a new module that are in no commit."""

    def run(name: str, *, dirty: bool) -> None:
        script = repo / f"{name}.py"
        shutil.copy(SCRIPTS / script.name, script)
        (repo / ".gitignore").write_text("/data/\n/*.csv\n__pycache__/\n")
        git("add", "-A")
        git("commit", "-qm", f"Train {name}")
        if dirty:
            (repo / "seeds.py").write_text("SEED = 7\n")
            committed = script.read_text()
            assert SEED in committed
            script.write_text(committed.replace(SEED, "from seeds import SEED\n"))
        options, arguments = ([], ["--C", "0.5"] if name == "pipeline" else [])
        if name == "regression":
            (repo / "data").mkdir()
            features, target = load_diabetes(return_X_y=True)
            numpy.savetxt(repo / INPUT, numpy.column_stack([features, target]), delimiter=",")
            options, arguments = ["--input", INPUT, "--keep-inputs"], [INPUT]
        done = mlcli("run", "--name", name, *options, "--", "python", script.name, *arguments)
        assert done.returncode == 0, done.stderr

    return run


def state(repo: Path, git) -> tuple[str, dict[str, bytes]]:
    """What git says of a tree, and the files in it."""
    files = {path.name: path.read_bytes() for path in repo.iterdir() if path.is_file()}
    return git("status", "--porcelain") + git("worktree", "list", "--porcelain") + git("stash", "list"), files


def again(mlcli) -> dict:
    """Make the newest run again: what is told of it, and how the command ended."""
    done = mlcli("reproduce", "@", "--json")
    told: dict = json.loads(done.stdout)
    return {"exit": done.returncode, **told}


def test_there_are_ten_and_each_has_its_seed_in_one_line():
    assert sorted(path.stem for path in SCRIPTS.glob("*.py")) == NAMES
    assert [path.stem for path in SCRIPTS.glob("*.py") if path.read_text().count(SEED) != 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("dirty", [False, True], ids=["committed", "uncommitted"])
@pytest.mark.parametrize("name", NAMES)
def test_a_training_is_made_again_and_gives_the_same(train, mlcli, git, repo: Path, name: str, dirty: bool):
    train(name, dirty=dirty)
    run = json.loads(mlcli("show", "@", "--json").stdout)["run"]
    assert (run["git"]["dirty"], run["git"]["untracked"]) == (dirty, ["seeds.py"] if dirty else [])
    assert run["params"]["seed"]["value"] == (7 if dirty else 0)

    git("checkout", "-q", "--", ".")  # the code that ran is in no file any more, nor is its data
    (repo / "seeds.py").unlink(missing_ok=True)
    (repo / f"{name}.py").write_text("raise SystemExit('the tree is not what ran')\n")
    shutil.rmtree(repo / "data", ignore_errors=True)
    before = state(repo, git)
    told = again(mlcli)

    assert (told["verdict"], told["exit"], told["differences"]) == ("identical", 0, []), json.dumps(told, indent=1)
    compared = told["compared"]
    assert (compared["metrics"], compared["models"]) == (len(run["metrics"]), len(run["models"]))
    assert min(compared["metrics"], compared["models"]) > 0
    assert (told["original"], told["packages"], told["absent"], state(repo, git)) == (run["id"], [], [], before)
    assert [each["origin"] for each in told["inputs"]] == (["store"] if name == "regression" else [])


SEARCH = """\
import mlcli as mlflow
import mlcli.sklearn
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

with mlflow.start_run():
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=2)
    search.fit(*load_iris(return_X_y=True))
    mlflow.log_metric("accuracy", search.best_score_)
    mlflow.sklearn.log_model(search, "model")
"""


@pytest.mark.slow
def test_a_model_that_keeps_how_long_its_training_took_is_equivalent(repo: Path, git, mlcli):
    (repo / "train.py").write_text(SEARCH)
    git("commit", "-qam", "Search")
    subprocess.run(["mlcli", "run", "--", "python", "train.py"], check=True, capture_output=True)
    told = again(mlcli)
    assert (told["verdict"], told["exit"]) == ("equivalent", 0)
    assert {each["key"] for each in told["differences"]} == {"model"}
