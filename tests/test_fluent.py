"""The Python API, shaped as MLflow's, in real scripts of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Python = Callable[..., Done]


@pytest.fixture
def python(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Python:
    """Run a script of the project, alone or within `mlcli run`."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")

    def run(script: str, *arguments: str, within: bool = False) -> Done:
        (repo / "script.py").write_text(textwrap.dedent(script))
        command = [sys.executable, "script.py", *arguments]
        return subprocess.run(
            ["mlcli", "run", "--", *command] if within else command, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def runs(mlcli) -> Callable[[], list[dict]]:
    """Every run, oldest first, as `ls --json` tells them."""
    return lambda: json.loads(mlcli("ls", "--sort", "started", "--json").stdout)["runs"]


ISSUE = """\
import mlcli as mlflow
import mlcli.sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

X, y = load_iris(return_X_y=True)
rf = RandomForestClassifier(n_estimators=100, random_state=0)
with mlflow.start_run(run_name="Iris RF Example"):
    mlflow.log_param("n_estimators", 100)
    rf.fit(X, y)
    mlflow.log_metric("accuracy", rf.score(X, y))
    mlflow.sklearn.log_model(rf, "random-forest-model")
print(mlflow.get_artifact_uri())
"""


@pytest.mark.slow
@pytest.mark.parametrize("within", [False, True], ids=["alone", "within mlcli run"])
def test_the_example_of_mlflow_works_as_it_stands(repo, python, runs, within: bool) -> None:
    done = python(ISSUE, within=within)

    (run,) = runs()
    directory = repo / ".mlruns" / "runs" / run["id"][:2] / run["id"] / "artifacts"
    assert (done.returncode, done.stdout, done.stderr if not within else "") == (0, f"{directory.as_uri()}\n", "")
    assert (run["name"], run["status"]) == ("Iris RF Example", "finished")
    assert run["params"] == {"n_estimators": {"value": 100, "source": "logged", "origin": ""}}
    assert run["metrics"]["accuracy"]["last"] == 1.0
    assert [(model["path"], model["flavor"], model["python_class"]) for model in run["models"]] == [
        ("random-forest-model", "sklearn", "sklearn.ensemble._forest.RandomForestClassifier")
    ]
    assert {path.name for path in (directory / "random-forest-model").iterdir()} == {"model.joblib", "model.json"}


def test_within_mlcli_run_the_script_joins_the_wrapped_run(python, runs) -> None:
    done = python(
        """
        import mlcli
        with mlcli.start_run(run_name="told by the script") as active:
            mlcli.log_param("lr", 0.5)
            print(active.info.run_id)
        mlcli.log_metric("after", 1)
        """,
        "--lr", "0.1", "--depth", "3", within=True,
    )  # fmt: skip
    first = runs()[0]
    assert first["id"] == done.stdout.strip()
    assert {key: param["value"] for key, param in first["params"].items()} == {"lr": 0.5, "depth": 3}
    assert (first["name"], first["status"], first["exit_code"]) == ("told by the script", "finished", 0)


def test_a_name_given_to_mlcli_run_stays(repo, python, mlcli, runs) -> None:
    (repo / "script.py").write_text("import mlcli\nmlcli.start_run(run_name='other')\n")
    mlcli("run", "--name", "asked", "--", sys.executable, "script.py")
    assert [run["name"] for run in runs()] == ["asked"]


def test_a_call_without_a_run_starts_one_that_ends_with_the_program(python, runs) -> None:
    done = python("import mlcli\nmlcli.log_metric('accuracy', 0.5)\nmlcli.log_metric('accuracy', 0.6, step=1)\n")
    (run,) = runs()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (run["status"], run["metrics"]["accuracy"]["last"], run["metrics"]["accuracy"]["count"]) == (
        "finished",
        0.6,
        2,
    )
    assert run["command"]["argv"][1:] == ["script.py"]


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("raise ValueError('bad data')", "failed"),
        ("raise KeyboardInterrupt", "killed"),
        ("raise SystemExit(3)", "failed"),
        ("raise SystemExit(0)", "finished"),
        ("raise SystemExit", "finished"),
        ("pass", "finished"),
    ],
)
def test_how_the_block_ends_is_how_the_run_ends(python, runs, ending: str, status: str) -> None:
    python(f"import mlcli\nwith mlcli.start_run():\n    mlcli.log_param('a', 1)\n    {ending}\n")
    (run,) = runs()
    assert (run["status"], run["params"]["a"]["value"]) == (status, 1)


def test_an_exception_outside_a_block_fails_the_run_that_a_call_started(python, runs) -> None:
    done = python("import mlcli\nmlcli.log_metric('accuracy', 0.5)\nraise ValueError('bad data')\n")
    (run,) = runs()
    assert (done.returncode, run["status"], "ValueError: bad data" in done.stderr) == (1, "failed", True)


def test_an_interrupt_outside_a_block_kills_the_run_that_a_call_started(python, runs) -> None:
    python("import mlcli\nmlcli.log_metric('accuracy', 0.5)\nraise KeyboardInterrupt\n")
    assert [run["status"] for run in runs()] == ["killed"]


def test_a_failed_script_within_mlcli_run_fails_the_wrapped_run(python, runs) -> None:
    done = python("import mlcli\nwith mlcli.start_run():\n    raise ValueError\n", within=True)
    (run,) = runs()
    assert (done.returncode, run["status"], run["exit_code"]) == (1, "failed", 1)


def test_nested_runs_are_children(python, runs) -> None:
    python("""
        import mlcli
        with mlcli.start_run(run_name="outer"):
            for depth in (1, 2):
                with mlcli.start_run(run_name=f"inner {depth}", nested=True):
                    mlcli.log_param("depth", depth)
            mlcli.log_param("inner", 2)
        """)
    outer, first, second = runs()
    assert [(run["name"], run["parent_id"]) for run in (outer, first, second)] == [
        ("outer", None), ("inner 1", outer["id"]), ("inner 2", outer["id"]),
    ]  # fmt: skip
    assert [set(run["params"]) for run in (outer, first, second)] == [{"inner"}, {"depth"}, {"depth"}]


def test_a_second_run_without_nested_is_refused_as_mlflow_does(python) -> None:
    done = python("import mlcli\nmlcli.start_run()\nmlcli.start_run()\n")
    assert re.search(r"NoActiveRun: run [0-9a-f]{8} is active already", done.stderr)


def test_a_run_is_taken_up_again_by_its_id(python, runs) -> None:
    python("""
        import mlcli
        with mlcli.start_run() as run:
            mlcli.log_param("a", 1)
        with mlcli.start_run(run_id=run.info.run_id):
            mlcli.log_param("b", 2)
        assert mlcli.active_run() is None
        assert mlcli.last_active_run().info.run_id == run.info.run_id
        """)
    (run,) = runs()
    assert (set(run["params"]), run["status"]) == ({"a", "b"}, "finished")


def test_every_kind_of_artifact_is_kept(repo, python, runs) -> None:
    (repo / "plots").mkdir()
    (repo / "plots" / "a.txt").write_text("a")
    (repo / "model.bin").write_text("model")
    done = python("""
        import mlcli
        mlcli.log_artifact("model.bin")
        mlcli.log_artifact("model.bin", "kept")
        mlcli.log_artifacts("plots")
        mlcli.log_artifacts("plots", "below")
        mlcli.log_text("hello é", "notes/hello.txt")
        mlcli.log_dict({"a": [1, 2.5, None]}, "config.json")
        """)
    (run,) = runs()
    kept = {file["path"]: file["size"] for file in run["artifacts"]}
    assert (done.stderr, sorted(kept)) == ("", ["a.txt", "below/a.txt", "config.json", "kept/model.bin", "model.bin", "notes/hello.txt"])  # fmt: skip
    directory = repo / ".mlruns" / "runs" / run["id"][:2] / run["id"] / "artifacts"
    assert (directory / "notes" / "hello.txt").read_text(encoding="utf-8") == "hello é"
    assert json.loads((directory / "config.json").read_text()) == {"a": [1, 2.5, None]}


@pytest.mark.slow
def test_a_matplotlib_figure_is_kept_as_a_picture(repo, python, runs) -> None:
    pytest.importorskip("matplotlib")
    done = python("""
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        import mlcli
        figure, axes = plt.subplots()
        axes.plot([1, 2, 3])
        mlcli.log_figure(figure, "plots/loss.png")
        """)
    (run,) = runs()
    assert (done.returncode, [file["path"] for file in run["artifacts"]]) == (0, ["plots/loss.png"])
    picture = repo / ".mlruns" / "runs" / run["id"][:2] / run["id"] / "artifacts" / "plots" / "loss.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_tags_and_experiments(python, runs) -> None:
    python("""
        import mlcli
        mlcli.set_experiment("trees")
        with mlcli.start_run(tags={"team": "vision"}, description="a note"):
            mlcli.set_tag("stage", 1)
            mlcli.set_tags({"draft": True, "gone": "x"})
            mlcli.delete_tag("gone")
        """)
    (run,) = runs()
    assert (run["experiment"], run["tags"], run["note"]) == (
        "trees",
        {"team": "vision", "stage": "1", "draft": "True"},
        "a note",
    )


def test_params_keep_their_type_and_metrics_their_steps(python, runs) -> None:
    python("""
        import mlcli
        mlcli.log_params({"i": 3, "f": 0.5, "t": "x", "b": True, "n": None, "l": [1, "a"], "d": {"k": 1}})
        for step in range(5):
            mlcli.log_metrics({"loss": 1 / (step + 1), "gain": step}, step=step)
        mlcli.log_metric("odd", float("nan"))
        """)
    (run,) = runs()
    assert {key: param["value"] for key, param in run["params"].items()} == {
        "i": 3, "f": 0.5, "t": "x", "b": True, "n": None, "l": [1, "a"], "d": {"k": 1},
    }  # fmt: skip
    loss = run["metrics"]["loss"]
    assert (loss["last"], loss["step"], loss["min"], loss["max"], loss["max_step"], loss["count"]) == (
        0.2,
        4,
        0.2,
        1.0,
        0,
        5,
    )
    assert run["metrics"]["odd"]["last"] == "NaN"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("log_metric('accuracy', 'high')", "InvalidValue: metric 'accuracy' must be a number, not 'high'"),
        ("log_metric('accuracy', None)", "InvalidValue: metric 'accuracy' must be a number, not 'None'"),
        ("log_metric('accuracy', 1, step=1.5)", "InvalidValue: a step must be a whole number of 64 bits, not '1.5'"),
        ("log_metric('a=b', 1)", "InvalidName: 'a=b' cannot name a metric: '=' and control characters are not allowed"),
        ("log_param('depth', 8)", "AlreadyLogged: param 'depth' was logged as '7' and cannot become '8'"),
        ("log_artifact('nowhere.bin')", "InvalidValue: no such file or directory: 'nowhere.bin'"),
        (
            "log_artifact('script.py', '../..')",
            "InvalidName: '../..' cannot name an artifact: it holds the part '..'",
        ),
        ("end_run('DONE')", "InvalidValue: 'DONE' is no status"),
        ("load_model('models:/iris/1')", "NotFound: no model is called 'iris'"),
        ("load_model('runs:/ffffffff/model')", "NotFound: no run matches 'ffffffff'"),
        ("register_model('runs:/' + mlcli.active_run().info.run_id + '/model', 'iris')", "NotFound: run "),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(python, call: str, error: str) -> None:
    done = python(f"""
        import mlcli
        mlcli.log_param("depth", 7)
        try:
            mlcli.{call}
        except mlcli.MlcliError as fault:
            print(f"{{type(fault).__name__}}: {{fault.message}}")
        """)
    assert (done.stderr, done.stdout.startswith(error), done.stdout.count("\n")) == ("", True, 1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("log_metrik", "mlcli has no 'log_metrik'; the nearest is 'log_metric'"),
        ("start_runn", "mlcli has no 'start_runn'; the nearest is 'start_run'"),
        ("xyzzy", "mlcli has no 'xyzzy'"),
    ],
)
def test_an_unknown_call_names_the_nearest(python, name: str, told: str) -> None:
    assert (
        python(f"import mlcli\nmlcli.{name}('a', 1)\n")
        .stderr.splitlines()[-1]
        .partition(". Did you")[0]
        .endswith(f": {told}")
    )


def test_the_same_param_with_the_same_value_may_be_logged_again(python, runs) -> None:
    done = python("import mlcli\nmlcli.log_param('a', 1)\nmlcli.log_param('a', 1)\n")
    assert (done.returncode, runs()[0]["params"]["a"]["value"]) == (0, 1)


MODEL = """
    import mlcli
    with mlcli.start_run() as run:
        info = mlcli.log_model({"weights": [1, 2, 3]}, "model", registered_model_name=NAME)
    print(info.model_uri, info.registered_model_version)
"""


def test_a_model_is_registered_and_loaded_by_every_uri(python) -> None:
    done = python(
        "NAME = 'iris'\n"
        + textwrap.dedent(MODEL)
        + textwrap.dedent("""
        version = mlcli.register_model(info.model_uri, "other")
        print(version.ref, mlcli.register_model(info.model_uri, "other").ref)
        for uri in (info.model_uri, "models:/iris/1", "models:/iris/latest", "iris@1", "iris", run.info.run_id[:6]):
            assert mlcli.load_model(uri) == {"weights": [1, 2, 3]}, uri
        """)
    )
    first, second = done.stdout.splitlines()
    assert (done.stderr, first.endswith("/model 1"), second) == ("", True, "other@1 other@1")


EQUAL = """
    import mlcli, mlcli.sklearn
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    texts = ["good wine", "bad wine", "good day", "bad day"]
    for name in ("first", "second"):
        forest = RandomForestClassifier(5, random_state=0).fit(*load_wine(return_X_y=True))
        reader = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, [1, 0, 1, 0])
        with mlcli.start_run(run_name=name):
            for path, model in {"forest": forest, "reader": reader}.items():
                mlcli.sklearn.log_model(model, path)
                print(mlcli.log_model(model, f"again/{path}").description.digest)
"""


@pytest.mark.slow
def test_equal_models_have_equal_digests_in_whatever_run_process_or_place(python, runs) -> None:
    told = [digest for _ in range(2) for digest in python(textwrap.dedent(EQUAL)).stdout.split()]
    digests = [{model["path"]: model["digest"] for model in run["models"]} for run in runs()]
    assert (len(told), len(set(told)), len(digests)) == (8, 2, 4)
    assert digests == [digests[0]] * 4
    assert [digests[0][path] for path in ("forest", "again/forest", "reader", "again/reader")] == [
        told[0], told[0], told[1], told[1],
    ]  # fmt: skip


def test_a_model_in_a_stage_is_loaded_in_any_case(python, mlcli) -> None:
    python("NAME = 'iris'\n" + textwrap.dedent(MODEL))
    mlcli("promote", "iris@1", "production")
    done = python(
        "import mlcli\nprint(mlcli.load_model('models:/iris/Production'), mlcli.load_model('iris@production'))\n"
    )
    assert done.stdout == "{'weights': [1, 2, 3]} {'weights': [1, 2, 3]}\n"


@pytest.mark.parametrize(
    ("damage", "kind", "told"),
    [
        (lambda path: path.unlink(), "Missing", "'model/model.joblib' is not in this clone: .mlruns/objects/"),
        (lambda path: (path.chmod(0o644), path.write_bytes(b"altered")), "Corrupt", "'model/model.joblib' was altered: .mlruns/objects/"),
    ],
    ids=["deleted", "altered"],
)  # fmt: skip
def test_a_model_file_that_was_damaged_is_never_loaded(repo, python, runs, damage, kind: str, told: str) -> None:
    python("NAME = 'iris'\n" + textwrap.dedent(MODEL))
    digest = next(file["digest"] for file in runs()[0]["artifacts"] if file["path"].endswith(".joblib")).removeprefix(
        "sha256:"
    )
    damage(repo / ".mlruns" / "objects" / digest[:2] / digest)

    done = python("""
        import mlcli
        try:
            mlcli.load_model("models:/iris/1")
        except mlcli.MlcliError as fault:
            print(type(fault).__name__, fault.message)
        """)

    assert (done.stderr, done.stdout.startswith(f"{kind} {told}"), done.stdout.count("\n")) == ("", True, 1)


def test_runs_are_searched_as_a_list(python) -> None:
    done = python("""
        import mlcli
        for depth in range(4):
            with mlcli.start_run(run_name=f"depth {depth}"):
                mlcli.log_param("depth", depth)
                mlcli.log_metric("accuracy", depth / 4)
        found = mlcli.search_runs(filter_string="metrics.accuracy > 0.2", order_by=["metrics.accuracy DESC"], max_results=2, output_format="list")
        print([run.name for run in found])
        print([run.name for run in mlcli.search_runs(output_format="list", order_by=["start_time ASC"])])
        print(mlcli.search_runs(experiment_names=["other"], output_format="list"))
        """)
    assert (done.stderr, done.stdout.splitlines()) == (
        "", ["['depth 3', 'depth 2']", "['depth 0', 'depth 1', 'depth 2', 'depth 3']", "[]"],
    )  # fmt: skip


@pytest.mark.slow
def test_runs_are_searched_as_a_data_frame(python) -> None:
    pytest.importorskip("pandas")
    done = python("""
        import mlcli
        with mlcli.start_run(run_name="one", tags={"team": "vision"}):
            mlcli.log_param("depth", 3)
            mlcli.log_metric("accuracy", 0.5)
        frame = mlcli.search_runs()
        print(list(frame.columns))
        print(frame[["run_name", "status", "metrics.accuracy", "params.depth", "tags.team"]].values.tolist())
        print(len(mlcli.search_runs(filter_string="params.depth = '4'")))
        """)
    assert (done.stderr, done.stdout.splitlines()) == ("", [
        "['run_id', 'experiment_id', 'status', 'start_time', 'end_time', 'run_name', 'metrics.accuracy', 'params.depth', 'tags.team']",
        "[['one', 'FINISHED', 0.5, 3, 'vision']]",
        "0",
    ])  # fmt: skip


def test_many_threads_log_to_one_run_by_its_id(python, runs) -> None:
    done = python("""
        import threading
        import mlcli
        with mlcli.start_run() as run:
            def work(number):
                for step in range(25):
                    mlcli.log_metric(f"m{number}", step, step=step, run_id=run.info.run_id)
                mlcli.log_params({f"p{number}": number}, run_id=run.info.run_id)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        """)
    (run,) = runs()
    assert (done.stderr, {metric["count"] for metric in run["metrics"].values()}, len(run["metrics"])) == ("", {25}, 8)
    assert {key: param["value"] for key, param in run["params"].items()} == {
        f"p{number}": number for number in range(8)
    }


def test_threads_have_runs_of_their_own(python, runs) -> None:
    done = python("""
        import threading
        import mlcli
        def work(number):
            with mlcli.start_run(run_name=str(number)):
                mlcli.log_metric("m", number)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """)
    assert done.stderr == ""
    assert sorted((run["name"], run["metrics"]["m"]["last"], run["status"]) for run in runs()) == [
        (str(number), float(number), "finished") for number in range(4)
    ]


def test_a_run_tells_of_itself_as_mlflows_does(python) -> None:
    done = python("""
        import mlcli
        with mlcli.start_run(run_name="one") as run:
            mlcli.log_param("a", 1)
            mlcli.log_metric("m", 2)
            print(run.info.run_name, run.info.status, run.data.params, run.data.metrics)
        print(run.info.status, run.info.end_time >= run.info.start_time, run.info.artifact_uri == mlcli.get_artifact_uri())
        print(mlcli.get_run(run.info.run_id).data.metrics, mlcli.get_artifact_uri("x/y").endswith("/artifacts/x/y"))
        """)
    assert (done.stderr, done.stdout.splitlines()) == (
        "", ["one RUNNING {'a': '1'} {'m': 2.0}", "FINISHED True True", "{'m': 2.0} True"],
    )  # fmt: skip


def test_without_a_repository_a_script_is_recorded_where_it_runs(machine, monkeypatch, mlcli) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import mlcli; mlcli.log_metric('m', 1)"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, json.loads(mlcli("ls", "--json").stdout)["runs"][0]["git"]["commit"]) == (0, None)


def test_a_name_of_mlcli_is_listed_and_documented() -> None:
    import mlcli

    assert set(mlcli.__all__) - {"__version__"} <= set(dir(mlcli))
    assert [name for name in mlcli.__all__ if name != "__version__" and not getattr(mlcli, name).__doc__] == []
