"""Metrics from calls, by the names in real source; from files; and which of them stands where two tell the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mlcli.domain.run import MetricSource
from mlcli.observation.events import Fitted, Measured
from mlcli.observation.metrics import Series, from_file, measured, merged, searched
from mlcli.observation.printed import from_text

SOURCE = """\
acc = accuracy_score(y_test, pred)
scores = {"f1": f1_score(y, p), "auc": roc_auc_score(y, p)}
for _ in range(3):
    evaluate(accuracy_score(y, p))
print(accuracy_score(y_train, p), accuracy_score(y_valid, p))
folds = cross_val_score(model, X, y)
results = cross_validate(model, X, y)
report = classification_report(y, p, output_dict=True)
m = confusion_matrix(y, p)
model.fit(X, y)
p, r, f, _ = precision_recall_fscore_support(y, p, average="macro")
train_score = model.score(X_train, y_train)
"""


@pytest.fixture(autouse=True)
def source(machine: Path) -> Path:
    (machine / "work" / "train.py").write_text(SOURCE)
    return machine / "work"


def told(line: int, k: str, v: Any, t: float = 1.0, *, steps: bool = False) -> Measured:
    return Measured(t=t, k=k, v=v, at=(str(Path.cwd() / "train.py"), line), steps=steps)


def by_name(*events: Measured) -> dict[str, Any]:
    return {
        each.name: each.values[0] if len(each.values) == 1 else each.values
        for each in measured(events, str(Path.cwd()))
    }


def test_a_metric_has_the_users_name_and_says_where_it_comes_from():
    (series,) = measured([told(1, "accuracy_score", 0.9, 7.0)], str(Path.cwd()))
    assert series == Series(
        name="acc", values=[0.9], steps=[0], times=[7.0], source=MetricSource.LIBRARY,
        origin="accuracy_score at train.py:1 of y_test, pred",
    )  # fmt: skip


def test_names_of_variables_and_keys_and_of_functions_where_there_is_none():
    assert by_name(
        told(1, "accuracy_score", 0.9), told(2, "f1_score", 0.8), told(2, "roc_auc_score", 0.7), told(12, "score", 1)
    ) == {"acc": 0.9, "f1": 0.8, "auc": 0.7, "train_score": 1.0}
    assert by_name(told(4, "accuracy_score", 0.5)) == {"accuracy_score": 0.5}


def test_calls_of_one_line_are_the_steps_of_one_series_in_the_order_of_time():
    (series,) = measured([told(4, "accuracy_score", value, value) for value in (0.3, 0.1, 0.2)], str(Path.cwd()))
    assert (series.values, series.steps, series.times) == ([0.1, 0.2, 0.3], [0, 1, 2], [0.1, 0.2, 0.3])


def test_two_calls_by_one_name_are_told_apart_by_their_argument():
    assert by_name(told(5, "accuracy_score", 0.9, 1), told(5, "accuracy_score", 0.8, 2)) == {
        "accuracy_score_y_train": 0.9,
        "accuracy_score_y_valid": 0.8,
    }


def test_or_by_a_number_where_they_have_the_same():
    Path("train.py").write_text("acc = accuracy_score(y, p)\nacc = accuracy_score(y, p)\n")
    assert by_name(told(1, "accuracy_score", 0.9, 1), told(2, "accuracy_score", 0.8, 2)) == {"acc": 0.9, "acc_2": 0.8}


def test_a_variable_that_is_used_for_several_metrics_names_none():
    Path("train.py").write_text("score = accuracy_score(y, p)\nscore = f1_score(y, p)\n")
    assert by_name(told(1, "accuracy_score", 0.9), told(2, "f1_score", 0.8)) == {"accuracy_score": 0.9, "f1_score": 0.8}


def test_of_folds_the_mean_and_the_deviation():
    assert by_name(told(6, "cross_val_score", [0.9, 0.8, 1.0])) == {
        "folds_mean": pytest.approx(0.9), "folds_std": pytest.approx(math.sqrt(0.02 / 3)),
    }  # fmt: skip
    found = by_name(told(7, "cross_validate", {"fit_time": [1, 2], "score_time": [1, 2], "test_f1": [0.5, 0.7]}))
    assert found == {"results.test_f1_mean": pytest.approx(0.6), "results.test_f1_std": pytest.approx(0.1)}


def test_maps_are_flattened_and_matrices_are_no_metrics():
    assert by_name(told(8, "classification_report", {"0": {"precision": 0.5}, "accuracy": 0.7})) == {
        "report.0.precision": 0.5, "report.accuracy": 0.7,
    }  # fmt: skip
    assert by_name(told(9, "confusion_matrix", [[1, 2], [3, 4]]), told(1, "f1_score", [0.1, 0.2])) == {}
    assert by_name(told(1, "accuracy_score", "no number"), told(2, "f1_score", None), told(4, "x", True)) == {}


def test_what_is_not_finite():
    found = by_name(told(1, "accuracy_score", "NaN"), told(2, "f1_score", "-Infinity"))
    assert math.isnan(found["acc"])
    assert found["f1"] == -math.inf


def test_precision_recall_and_fscore():
    found = by_name(told(11, "precision_recall_fscore_support", [0.5, 0.6, 0.7, None]))
    assert found == {"precision": 0.5, "recall": 0.6, "fscore": 0.7}


def test_histories_are_series_with_steps():
    history = {"validation_0-logloss": [0.5, 0.4], "validation_1": {"auc": [0.8, "NaN"]}}
    (first, second) = measured([told(10, "evals_result", history, steps=True)], str(Path.cwd()))
    assert (first.name, first.values, first.steps) == ("validation_0-logloss", [0.5, 0.4], [0, 1])
    assert (second.name, second.steps) == ("validation_1-auc", [0, 1])
    assert first.origin == "evals_result at train.py:10"


def test_source_that_is_gone_leaves_the_functions_names():
    event = Measured(t=1.0, k="f1_score", v=0.5, at=("/tmp/ipykernel_1/2.py", 3))
    assert [(each.name, each.origin) for each in measured([event], "/root")] == [
        ("f1_score", "f1_score at /tmp/ipykernel_1/2.py:3")
    ]


def test_of_a_search_the_best_score_is_a_metric():
    at = (str(Path.cwd() / "train.py"), 10)
    fits = [
        Fitted(t=1.0, cls="sklearn.model_selection._search.GridSearchCV", oid=1, at=at, best={"C": 1}, best_score=0.9),
        Fitted(t=2.0, cls="sklearn.svm._classes.SVC", oid=2, at=at),
        Fitted(t=3.0, cls="xgboost.sklearn.XGBClassifier", oid=3, at=at, best={"iteration": 3}, best_score=0.3),
    ]
    assert [(each.name, each.values, each.origin) for each in searched(fits, str(Path.cwd()))] == [
        ("best_score", [0.9], "GridSearchCV at train.py:10")
    ]


# Files


def of_file(name: str, content: str) -> dict[str, list[tuple[int, float]]]:
    Path(name).write_text(content)
    return {each.name: list(zip(each.steps, each.values, strict=True)) for each in from_file(name, f"shown/{name}")}


def test_a_json_file_of_metrics():
    document = {"acc": 0.9, "val": {"f1": 0.8}, "name": "x", "ok": True, "matrix": [[1, 2]], "timestamp": 5, "n": 3}
    assert of_file("metrics.json", json.dumps(document)) == {"acc": [(0, 0.9)], "val.f1": [(0, 0.8)], "n": [(0, 3.0)]}
    assert of_file("eval_results.json", '{"step": 9, "loss": NaN, "acc": 0.5}')["acc"] == [(9, 0.5)]
    (series,) = from_file("metrics.json", "out/metrics.json")[:1]
    assert (series.source, series.origin, series.times) == (
        MetricSource.FILE, "out/metrics.json", [Path("metrics.json").stat().st_mtime],
    )  # fmt: skip


def test_records_with_steps_in_json_lines_of_json_and_tables():
    records = [{"step": 10, "loss": 0.5}, {"epoch": 1, "step": 20, "loss": 0.4, "val": {"acc": 0.7}}, {"loss": 9}]
    right = {"loss": [(10, 0.5), (20, 0.4)], "val.acc": [(20, 0.7)]}
    assert of_file("scores.json", json.dumps(records)) == right
    assert of_file("metrics.jsonl", "\n".join(map(json.dumps, records)) + '\n{"step": 3') == right
    assert of_file("trainer_state.json", json.dumps({"log_history": records, "best_metric": 1})) == right
    assert of_file("metrics.csv", "epoch,step,train_loss,val_loss\n0,49,0.5,\n0,49,,0.6\n1,99,0.4,\n") == {
        "train_loss": [(49, 0.5), (99, 0.4)], "val_loss": [(49, 0.6)],
    }  # fmt: skip
    assert of_file("results.csv", "  epoch,  mAP50\n 1, 0.5\n") == {"mAP50": [(1, 0.5)]}


def test_a_history_of_keras():
    assert of_file("history.json", '{"loss": [0.5, 0.4], "acc": [0.1, 0.2]}') == {
        "loss": [(0, 0.5), (1, 0.4)], "acc": [(0, 0.1), (1, 0.2)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"acc": 0.9}'), ("metrics.json", "{"), ("metrics.json", ""), ("metrics.json", "[1, 2]"),
        ("metrics.json", "[" * 50_000), ("scores.csv", "customer,score\n1,2\n"), ("metrics.txt", "acc: 1"), ("metrics.csv", ""),
        ("metrics.jsonl", "\n\n[]\n1\n"), ("metrics.json", '{"' + "a" * 300 + '": 1, "b=c": 2, " ": 3}'),
    ],
)  # fmt: skip
def test_a_file_without_metrics(name: str, content: str):
    assert of_file(name, content) == {}


def test_a_file_that_is_gone_or_no_text():
    Path("metrics.json").write_bytes(bytes(range(256)))
    Path("metrics.csv").mkdir()
    assert [from_file(name, name) for name in ("metrics.json", "gone_metrics.json", "metrics.csv")] == [[]] * 3


def test_of_a_file_of_many_names_only_so_many_are_taken():
    assert len(of_file("metrics.json", json.dumps({f"m{at}": at for at in range(5000)}))) == 400


# Which stands


def series(name: str, *values: float, source: MetricSource = MetricSource.LIBRARY) -> Series:
    steps = list(range(len(values)))
    return Series(name=name, values=list(values), steps=steps, times=[], source=source, origin="")


def test_what_was_logged_wins_then_the_library_then_files_then_what_was_printed():
    found = merged(
        [series("acc", 0.9), series("f1", 0.8)],
        [series("acc", 0.91, source=MetricSource.FILE), series("auc", 0.7, source=MetricSource.FILE)],
        from_text(b"auc: 0.61\nloss: 0.5\nacc: 0.62\nf2 score: 0.4\n"),
        {"f1"},
    )
    assert {each.name: (each.values, each.source.value) for each in found} == {
        "acc": ([0.9], "library"), "auc": ([0.7], "file"), "loss": ([0.5], "printed"), "f2_score": ([0.4], "printed"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "is_new"),
    [
        (b"accuracy: 0.9479", False), (b"accuracy: 0.948", False), (b"accuracy: 0.95", False), (b"accuracy: 94.8%", False),
        (b"accuracy: 94.79", False), (b"accuracy: 0.9478", True), (b"accuracy: 0.947", True), (b"accuracy: 94.9%", True),
        (b"accuracy: 0.500", False), (b"loss: nan", True),
    ],
)  # fmt: skip
def test_a_printed_value_that_is_known_already_is_no_metric_of_its_own(line: bytes, is_new: bool):
    assert bool(merged([], [], from_text(line), {"acc"}, [0.94789, 0.5])) == is_new
    found = merged([series("acc", 0.94789), series("b", 0.5)], [], from_text(line), set())
    assert len(found) == 2 + is_new


def test_of_a_long_history_only_what_is_likely_to_be_printed_again_counts():
    history = series("loss", *(at / 100 for at in range(100, 0, -1)))
    assert len(merged([history], [], from_text(b"f1: 0.55"), set())) == 2
    assert len(merged([history], [], from_text(b"final loss: 0.01"), set())) == 1
