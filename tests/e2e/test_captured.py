"""Twelve projects that never heard of mlcli, run under it: all that is told of each run is what is right, and no more."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROJECTS = Path(__file__).parent / "captured"
SHARDS = 300
pytestmark = pytest.mark.slow
Prepared = Callable[[str], Path]


class Project(NamedTuple):
    """How a project is run, the libraries it needs, and what of it is not as its commit has it."""

    command: str
    needs: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()


RUNS = {
    "01_churn": Project(
        "python train.py --n-estimators 20 --max-depth=6", modified=("churn/features.py", "churn/plots.py")
    ),
    "02_houses": Project(
        "python -m houses.train --alpha 0.5 --folds=4",
        ("pyarrow",),
        untracked=("houses/loading.py", "houses/legacy.py"),
    ),
    "03_spam": Project("python train.py --epochs 4 --no-shuffle data/messages.jsonl", ("click", "yaml")),
    "04_turbines": Project("python train.py model=forest model.trees=20", ("hydra",)),
    "05_pipeline": Project("bash pipeline.sh"),
    "06_grid": Project("python train.py", modified=("train.py",)),
    "07_crossval": Project("python compare.py", ("polars",)),
    "08_loans": Project("python train.py --eta 0.5", ("duckdb", "xgboost")),
    "09_prices": Project("python train.py", ("lightgbm",), untracked=("train.py",)),
    "10_wine": Project("python -m nbconvert --to notebook --execute --output executed train.ipynb", ("nbconvert",)),
    "11_shards": Project("python count.py"),
    "12_sensors": Project("python -m sensors.app train --rounds 5", ("tensorboardX",)),
}
# Of each run, written down by hand: what it read; the code it executed, as git knows it; what it wrote, with kind, format,
# class of model and number of its fit; what it fitted, where, with which params set, of data of which shape; its params
# and metrics, the last value of so many, each with its source; what of it was not seen.
RIGHT: dict[str, dict[str, Any]] = {
    "01_churn": {
        "inputs": ["data/customers.csv"],
        "code": {"churn/__init__.py": "committed", "churn/features.py": "modified", "train.py": "committed"},
        "outputs": {
            "models/model.joblib": ("model", "pickle", "sklearn.ensemble._forest.RandomForestClassifier", 0),
        },
        "fits": [
            (
                "sklearn.ensemble._forest.RandomForestClassifier",
                "train.py:45",
                {"n_estimators": 20, "max_depth": 6, "random_state": 0},
                [180, 4],
            )
        ],
        "params": {
            "data": ("data/customers.csv", "default"),
            "n_estimators": (20, "given"),
            "max_depth": (6, "given"),
            "seed": (0, "default"),
            "out": ("models/model.joblib", "default"),
        },
        "metrics": {
            "acc": (0.8167, 1, "library"),
            "f1": (0.7556, 1, "library"),
            "auc": (0.9222, 1, "library"),
        },
    },
    "02_houses": {
        "inputs": ["data/houses.parquet", "data/weights.npy"],
        "code": {
            "houses/__init__.py": "committed",
            "houses/loading.py": "untracked",
            "houses/train.py": "committed",
        },
        "outputs": {
            "out/model.pkl": ("model", "pickle", "sklearn.linear_model._ridge.Ridge", 0),
            "out/predictions.npy": ("data", "npy", "", None),
        },
        "fits": [("sklearn.linear_model._ridge.Ridge", "houses/train.py:26", {"alpha": 0.5}, [150, 3])],
        "params": {"alpha": (0.5, "command line"), "folds": (4, "command line")},
        "metrics": {"test_mae": (8.5994, 1, "library"), "r2": (0.9611, 1, "library")},
    },
    "03_spam": {
        "inputs": ["config.yaml", "data/messages.jsonl"],
        "code": {"spam/__init__.py": "committed", "spam/model.py": "committed", "train.py": "committed"},
        "outputs": {"weights.npz": ("data", "npz", "", None)},
        "fits": [],
        "params": {
            "epochs": (4, "given"),
            "shuffle": (False, "given"),
            "config": ("config.yaml", "default"),
            "out": ("weights.npz", "default"),
            "data": ("data/messages.jsonl", "given"),
            "optimizer.rate": (0.5, "config file"),
            "optimizer.decay": (0.9, "config file"),
            "features": (4, "config file"),
        },
        "metrics": {"loss": (0.5340, 4, "printed"), "accuracy": (0.9, 4, "printed")},
    },
    "04_turbines": {
        "inputs": ["conf/config.yaml", "conf/model/forest.yaml", "data/turbines.csv"],
        "code": {"train.py": "committed"},
        "outputs": {
            "outputs/.hydra/config.yaml": ("file", "yaml", "", None),
            "outputs/.hydra/hydra.yaml": ("file", "yaml", "", None),
            "outputs/.hydra/overrides.yaml": ("file", "yaml", "", None),
            "outputs/model.joblib": ("model", "pickle+zlib", "sklearn.ensemble._forest.RandomForestRegressor", 0),
            "outputs/train.log": ("file", "log", "", None),
        },
        "fits": [
            (
                "sklearn.ensemble._forest.RandomForestRegressor",
                "train.py:30",
                {"n_estimators": 20, "max_depth": 6, "random_state": 3},
                [135, 3],
            )
        ],
        "params": {
            "model.name": ("forest", "given"),  # as all that model=forest brings
            "model.trees": (20, "given"),
            "model.depth": (6, "given"),
            "data": ("data/turbines.csv", "default"),
            "holdout": (0.25, "default"),
            "seed": (3, "default"),
        },
        "metrics": {"r2": (0.9872, 1, "library")},
    },
    "05_pipeline": {
        "inputs": ["data/raw.csv"],
        "code": {
            "evaluate.py": "committed",
            "lib/__init__.py": "committed",
            "lib/common.py": "committed",
            "pipeline.sh": "committed",
            "prepare.py": "committed",
            "train.py": "committed",
        },
        "outputs": {
            "models/tree.joblib": ("model", "pickle", "sklearn.tree._classes.DecisionTreeClassifier", 0),
            "reports/metrics.json": ("metrics", "json", "", None),
            "work/test.csv": ("data", "csv", "", None),
            "work/train.csv": ("data", "csv", "", None),
        },
        "fits": [
            (
                "sklearn.tree._classes.DecisionTreeClassifier",
                "train.py:13",
                {"max_depth": 4, "random_state": 0},
                [146, 3],
            )
        ],
        "params": {
            "raw": ("data/raw.csv", "given"),
            "to": ("work", "default"),
            "test_share": (0.3, "given"),
        },
        "metrics": {
            "accuracy": (0.8548, 1, "library"),
            "precision": (0.7941, 1, "library"),
            "recall": (0.9310, 1, "library"),
            "rows": (62, 1, "file"),
        },
        "missing": ["bash is no Python"],
    },
    "06_grid": {
        "inputs": ["data/measurements.txt"],
        "code": {"train.py": "modified"},
        "outputs": {"best.joblib": ("model", "pickle", "sklearn.pipeline.Pipeline", 0)},
        "fits": [
            (
                "sklearn.model_selection._search.GridSearchCV",
                "train.py:20",
                {
                    "estimator": "Pipeline(steps=[('standardscaler', StandardScaler()), ('svc', SVC())])",
                    "param_grid": {"svc__C": [0.1, 1, 10], "svc__kernel": ["linear", "rbf"]},
                    "scoring": "make_scorer(f1_score, response_method='predict')",
                    "n_jobs": 2,
                    "cv": 3,
                },
                [120, 5],
            )
        ],
        "best": [({"svc__C": 0.1, "svc__kernel": "linear"}, 0.8515)],
        "params": {},
        "metrics": {"test_f1": (0.8261, 1, "library"), "best_score": (0.8515, 1, "library")},
    },
    "07_crossval": {
        "inputs": ["data/patients.csv"],
        "code": {"compare.py": "committed"},
        "outputs": {"folds.csv": ("data", "csv", "", None)},
        "fits": [],
        "params": {},
        "metrics": {
            "bayes_mean": (0.815, 1, "library"),
            "bayes_std": (0.0497, 1, "library"),
            "results.test_accuracy_mean": (0.805, 1, "library"),
            "results.test_accuracy_std": (0.0296, 1, "library"),
            "results.test_roc_auc_mean": (0.9031, 1, "library"),
            "results.test_roc_auc_std": (0.0119, 1, "library"),
        },
    },
    "08_loans": {
        "inputs": ["data/train.parquet", "data/valid.csv"],
        "code": {"train.py": "committed"},
        "outputs": {"models/model.json": ("model", "xgboost-json", "xgboost.sklearn.XGBClassifier", 0)},
        "fits": [
            (
                "xgboost.sklearn.XGBClassifier",
                "train.py:19",
                {"n_estimators": 8, "learning_rate": 0.5, "max_depth": 3, "eval_metric": "logloss", "n_jobs": 1},
                [200, 4],
            )
        ],
        "params": {"rounds": (8, "default"), "eta": (0.5, "given")},
        "metrics": {
            "validation_0-logloss": (0.1715, 8, "library"),
            "validation_1-logloss": (0.3908, 8, "library"),
        },
    },
    "09_prices": {
        "inputs": ["data/train.csv", "data/valid.csv"],
        "code": {"train.py": "untracked"},
        "outputs": {"prices.txt": ("model", "lightgbm-text", "lightgbm.basic.Booster", 0)},
        "fits": [
            (
                "lightgbm.basic.Booster",
                "train.py:11",
                {
                    "objective": "regression",
                    "metric": ["l2", "l1"],
                    "num_leaves": 7,
                    "num_threads": 1,
                    "verbose": -1,
                    "header": True,
                    "label_column": "name:price",
                    "num_boost_round": 6,
                },
                [220, 3],
            )
        ],
        "params": {},
        "metrics": {"valid-l2": (6.0050, 6, "library"), "valid-l1": (1.9633, 6, "library")},
    },
    "10_wine": {
        "inputs": ["data/wine.csv", "train.ipynb"],
        "code": {"wine.py": "committed"},
        "outputs": {
            "executed.ipynb": ("file", "ipynb", "", None),
            "wine.joblib": ("model", "pickle", "sklearn.linear_model._logistic.LogisticRegression", 0),
        },
        "fits": [("sklearn.linear_model._logistic.LogisticRegression", "a cell:2", {"C": 0.5}, [112, 3])],
        "params": {},
        "metrics": {"balanced_accuracy_score": (0.9211, 1, "library")},
    },
    "11_shards": {
        "inputs": ["shards/"],
        "code": {"count.py": "committed", "reading.py": "committed"},
        "outputs": {"metrics.json": ("metrics", "json", "", None)},
        "fits": [],
        "params": {},
        "metrics": {
            "mean_error": (0.0099, 1, "file"),
            "worst_error": (0.016, 1, "file"),
            "shards": (300, 1, "file"),
        },
    },
    "12_sensors": {
        "inputs": ["data/readings.db"],
        "code": {"sensors/__init__.py": "committed", "sensors/app.py": "committed", "sensors/data.py": "committed"},
        "outputs": {
            "bundle.pkl": ("model", "pickle", "sklearn.ensemble._gb.GradientBoostingClassifier", 0),
            "events/events.out.tfevents": ("metrics", "tfevents", "", None),
        },
        "fits": [
            (
                "sklearn.ensemble._gb.GradientBoostingClassifier",
                "sensors/app.py:28",
                {"n_estimators": 5, "random_state": 0},
                [120, 2],
            )
        ],
        "params": {
            "database": ("data/readings.db", "default"),
            "rounds": (5, "given"),
            "rate": (0.1, "default"),
        },
        "metrics": {"accuracy": (0.75, 1, "library"), "deviance/train": (0.9057, 5, "file")},
    },
}


@pytest.fixture
def prepared(machine: Path, git, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """A project in a repository of its own, as the current directory: committed, but for what is modified or untracked."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")

    def prepare(name: str) -> Path:
        project = RUNS[name]
        for module in project.needs:
            pytest.importorskip(module)
        at = machine / "work" / name
        shutil.copytree(PROJECTS / name, at, ignore=shutil.ignore_patterns("__pycache__"))
        if name == "11_shards":
            shards(at / "shards")
        monkeypatch.chdir(at)
        (at / ".gitignore").write_text("__pycache__/\n")
        git("init", "-q")
        git("add", "-A")
        if project.untracked:
            git("rm", "-q", "--cached", *project.untracked)
        git("commit", "-qm", "As it is")
        for path in project.modified:
            with open(at / path, "a") as file:
                file.write("# not committed\n")
        return at

    return prepare


def shards(at: Path) -> None:
    at.mkdir()
    for number in range(SHARDS):
        (at / f"{number:03}.csv").write_text(f"error\n{number % 17}\n{number % 5}\n")


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of(path: Path) -> str:
    """What an input or output is known by: a directory by the digests and names of its files."""
    if path.is_dir():
        lines = sorted(f"{sha256(each.read_bytes())}  {each.name}\n" for each in path.iterdir())
        return sha256("".join(lines).encode())
    return sha256(path.read_bytes())


def blob_of(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def unnumbered(path: str) -> str:
    """A path without the time and machine in the name of an events file, the process in that of a notebook's cell."""
    return re.sub(r"/.*/ipykernel_\d+/\d+\.py", "a cell", re.sub(r"(tfevents)\..*", r"\1", path))


def seen(run: dict[str, Any]) -> dict[str, Any]:
    """What a run's document says was seen, as RIGHT has it."""
    fits, best = run["fits"], [each for each in run["fits"] if each.get("best") is not None]
    return {
        "inputs": sorted(each["path"] for each in run["inputs"]),
        "code": {each["path"]: each["state"] for each in run["code"]["modules"]},
        "outputs": {
            unnumbered(each["path"]): (each["kind"], each["format"], each["cls"], each["fit"])
            for each in run["outputs"]
        },
        "fits": [(each["cls"], unnumbered(each["at"]), each["params"], each["shape"]) for each in fits],
        "best": [(each["best"], round(each["best_score"], 4)) for each in best],
        "params": {name: (each["value"], each["source"]) for name, each in run["params"].items()},
        "metrics": {
            name: (round(each["last"], 4), each["count"], each.get("source", "logged"))
            for name, each in run["metrics"].items()
        },
        "missing": [line.partition(":")[0] for line in run["capture"]["missing"]],
    }


def told(mlcli) -> dict[str, Any]:
    done = mlcli("show", "@", "--json")
    assert done.returncode == 0, done.stderr
    run: dict[str, Any] = json.loads(done.stdout)["run"]
    return run


def test_there_are_twelve_and_none_knows_of_mlcli():
    assert sorted(path.name for path in PROJECTS.iterdir()) == sorted(RUNS) == sorted(RIGHT)
    assert len(RUNS) == 12
    files = [path for path in PROJECTS.rglob("*") if path.suffix in {".py", ".sh", ".ipynb", ".yaml"}]
    assert [path for path in files if "mlcli" in path.read_text()] == []


@pytest.mark.parametrize("name", RUNS)
def test_all_that_is_told_of_a_run_is_what_is_right(prepared: Prepared, mlcli, name: str):
    at = prepared(name)
    before = {path: digest_of(at / path) for path in RIGHT[name]["inputs"]}
    done = mlcli("run", "--", *RUNS[name].command.split())
    assert done.returncode == 0, done.stderr
    run = told(mlcli)

    right = {"best": [], "missing": [], **RIGHT[name]}
    found = seen(run)
    assert {each: (found[each], right[each]) for each in right if found[each] != right[each]} == {}
    assert found.keys() == right.keys()
    assert {each["path"]: each["digest"] for each in run["inputs"]} == before
    assert {each["path"]: each["digest"] for each in run["outputs"]} == {
        each["path"]: digest_of(at / each["path"]) for each in run["outputs"]
    }
    assert {each["path"]: each["blob"] for each in run["code"]["modules"]} == {
        path: blob_of(at / path) for path in right["code"]
    }
    assert (run["capture"]["complete"], run["capture"]["off"], run["urls"]) == (not right["missing"], [], [])
    assert [each["path"] for each in run["models"]] == [
        path for path, (kind, *_) in right["outputs"].items() if kind == "model"
    ]
    assert [each.get("files", 0) for each in run["inputs"] if each["path"].endswith("/")] == (
        [SHARDS] if name == "11_shards" else []
    )
    if run["capture"]["complete"]:
        need_not_run_again(mlcli, at, RUNS[name].command.split(), run)


def need_not_run_again(mlcli, at: Path, command: list[str], run: dict[str, Any]) -> None:
    """The run stands for its command, and puts back what is gone, until what it was made from changes."""
    for output in run["outputs"]:
        (at / output["path"]).unlink()
    again = mlcli("run", "--cached", "--", *command)
    assert f"cached run {run['id'][:8]}" in again.stderr
    assert [digest_of(at / each["path"]) for each in run["outputs"]] == [each["digest"] for each in run["outputs"]]
    for path in [run["inputs"][0]["path"].rstrip("/"), *(each["path"] for each in run["code"]["modules"])]:
        (at / path).rename(at / "away")
        assert f"{path}/ is gone" in (why := mlcli("run", "--why", "--", *command).stdout) or f"{path} is gone" in why
        (at / "away").rename(at / path)


@pytest.mark.parametrize("name", ["01_churn", "02_houses", "09_prices"])
def test_a_program_prints_and_writes_the_same_bytes_as_without(prepared: Prepared, mlcli, name: str):
    at = prepared(name)
    command = RUNS[name].command.split()
    python = [sys.executable, *command[1:]]
    bare = subprocess.run(python, capture_output=True, text=True, check=True)
    written = left(at)
    for path in written:
        (at / path).unlink()
    watched = mlcli("run", "--", *python)
    assert watched.returncode == 0, watched.stderr
    assert (watched.stdout, left(at)) == (bare.stdout, written)
    assert len(written) == len(RIGHT[name]["outputs"])


def left(at: Path) -> dict[str, bytes]:
    """The files that a run left in a project."""
    paths = [at / path for path in RIGHT[at.name]["outputs"]]
    return {str(path.relative_to(at)): path.read_bytes() for path in paths if path.exists()}
