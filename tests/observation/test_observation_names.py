"""What the source line calls a metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcli.observation.names import Calls, Named, label


def named(source: str, line: int = 1, function: str = "accuracy_score", nth: int = 0) -> Named:
    Path("train.py").write_text(source)
    return Calls().named("train.py", line, function, nth)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("acc = accuracy_score(y, p)", "acc"),
        ("acc: float = accuracy_score(y, p)", "acc"),
        ("acc = metrics.accuracy_score(y, p)", "acc"),
        ("self.acc = accuracy_score(y, p)", "acc"),
        ("scores['acc'] = accuracy_score(y, p)", "acc"),
        ("acc = round(accuracy_score(y, p), 3)", "acc"),
        ("acc = float(accuracy_score(y, p))", "acc"),
        ("acc = accuracy_score(y, p).mean()", "acc"),
        ("acc = np.mean(accuracy_score(y, p))", "acc"),
        ("if (acc := accuracy_score(y, p)) > 0.5: pass", "acc"),
        ("acc = accuracy_score(y, p) if y else None", "acc"),
        ("acc, n = accuracy_score(y, p), len(y)", "acc"),
        ("scores = {'f1': 1, 'acc': accuracy_score(y, p)}", "acc"),
        ("return_ = {'acc': round(accuracy_score(y, p), 2)}", "acc"),
        ("scores = dict(acc=accuracy_score(y, p))", "acc"),
        ("mlflow.log_metric('acc', accuracy_score(y, p))", "acc"),
        ("print('Test accuracy:', accuracy_score(y, p))", "test_accuracy"),
        ("print('n', 3, 'acc =', accuracy_score(y, p))", "acc"),
        ("print(f'Accuracy: {accuracy_score(y, p):.3f}')", "accuracy"),
        ("print(f'loss {loss}, test acc={accuracy_score(y, p)}')", "test_acc"),
        ("logging.info('acc: %.3f', accuracy_score(y, p))", None),
        ("1 - accuracy_score(y, p)", None),
        ("error = 1 - accuracy_score(y, p)", None),
        ("rmse = np.sqrt(accuracy_score(y, p))", None),
        ("rmse = accuracy_score(y, p) ** 0.5", None),
        ("total += accuracy_score(y, p)", None),
        ("scores[name] = accuracy_score(y, p)", None),
        ("accs.append(accuracy_score(y, p))", None),
        ("_ = accuracy_score(y, p)", None),
        ("print(accuracy_score(y, p))", None),
        ("scores = {name: accuracy_score(y, p)}", None),
        ("scores = {**old, 'acc': accuracy_score(y, p)}", "acc"),
        ("print(f'{accuracy_score(y, p)}')", None),
    ],
)
def test_the_name_is_the_users_word_for_the_value_as_it_is(source: str, name: str | None):
    assert named(source).name == name


def test_a_call_knows_its_variable_its_key_and_its_arguments():
    assert named("acc = accuracy_score(y_test, model.predict(X_test), normalize=True)") == Named(
        "acc", None, ["y_test", "model.predict(X_test)"]
    )
    assert named("a = {'acc': accuracy_score(y_true=y, y_pred=p)}") == Named(None, "acc", ["y", "p"])


def test_a_call_of_several_lines_is_found_by_any_of_them():
    source = "scores = {\n    'acc': accuracy_score(\n        y,\n        p,\n    ),\n    'f1': f1_score(y, p),\n}\n"
    assert [named(source, line).name for line in (2, 3, 4, 5)] == ["acc"] * 4
    assert named(source, 6, "f1_score").name == "f1"


def test_calls_of_one_line_take_turns():
    source = "scores = {'train': accuracy_score(a, b), 'test': accuracy_score(c, d)}\n"
    assert [named(source, nth=turn).name for turn in range(4)] == ["train", "test", "train", "test"]


def test_an_alias_is_known():
    assert named("from sklearn.metrics import accuracy_score as score_of\nacc = score_of(y, p)", 2).name == "acc"


@pytest.mark.parametrize(
    "source",
    ["", "acc = f1_score(y, p)", "\n\nacc = accuracy_score(y, p)", "def broken(", "a = '\0'", "(" * 500, "café = 1"],
)
def test_source_that_is_another_by_now_or_does_not_parse_names_nothing(source: str):
    assert named(source) == Named()


def test_source_that_is_gone_or_no_text_names_nothing():
    Path("binary.py").write_bytes(bytes(range(256)))
    calls = Calls()
    assert [calls.named(file, 1, "f") for file in ("gone.py", "binary.py", "<stdin>", ".")] == [Named()] * 4


def test_a_warning_of_the_source_is_not_ours():
    assert named("acc = accuracy_score(y, p); x = '\\d'; y is 1").name == "acc"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Test accuracy: ", "test_accuracy"), ("; AUC = ", "auc"), ("epoch 3, loss=", "loss"), ("F1 (macro): ", "f1_macro"),
        ("{}: ", None), ("The quick brown fox has jumped", None), ("", None), ("-> ", None),
    ],
)  # fmt: skip
def test_a_label(text: str, name: str | None):
    assert label(text) == name
