"""Metrics in printed lines: of the libraries and loops that people use, and of lines that hold none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from mlcli.domain.run import MetricSource
from mlcli.observation.printed import MAX_LINE, MAX_NAMES, from_log, from_text


def values(text: str | bytes) -> dict[str, Any]:
    """The values by name: the one value, or the list of (step, value)."""
    found = from_text(text if isinstance(text, bytes) else text.encode())
    return {
        each.name: each.values[0] if len(each.values) == 1 else list(zip(each.steps, each.values, strict=True))
        for each in found
    }


LINES = [
    ("accuracy: 0.948", {"accuracy": 0.948}),
    ("Accuracy: 94.8%", {"accuracy": 0.948}),
    ("Accuracy 94.8 %", {"accuracy": 0.948}),
    ("Test accuracy = 0.9312", {"test_accuracy": 0.9312}),
    ("Test Accuracy is 0.9312", {"test_accuracy": 0.9312}),
    ("The final accuracy is: 0.91", {"final_accuracy": 0.91}),
    ("Model accuracy on test set: 0.93", {"model_accuracy_on_test_set": 0.93}),
    ("Random Forest accuracy: 0.95", {"random_forest_accuracy": 0.95}),
    ("F1-score: 0.8", {"f1-score": 0.8}),
    ("F1 (macro): 0.812", {"f1_macro": 0.812}),
    ("f1_macro=0.8 f1_micro=0.9", {"f1_macro": 0.8, "f1_micro": 0.9}),
    ("R^2: -0.8", {"r2": -0.8}),
    ("R2 score = 0.77", {"r2_score": 0.77}),
    ("ROC AUC: 0.923", {"roc_auc": 0.923}),
    ("ROC-AUC score -> 0.92", {"roc-auc_score": 0.92}),
    ("mAP@0.5: 0.63", {"map@0.5": 0.63}),
    (" * Acc@1 76.130 Acc@5 92.862", {"acc@1": 76.13, "acc@5": 92.862}),
    ("top-1 accuracy: 76.1%", {"top-1_accuracy": 0.761}),
    ("Mean Squared Error: 12.4", {"mean_squared_error": 12.4}),
    ("RMSE: 3", {"rmse": 3.0}),
    ("MAE -> 2.5", {"mae": 2.5}),
    ("Silhouette score: .55", {"silhouette_score": 0.55}),
    ("perplexity 23.4", {"perplexity": 23.4}),
    ("logloss 1.2e-03", {"logloss": 0.0012}),
    ("cohen's kappa 0.8", {"cohen-kappa": 0.8}),
    ("Cross-validation accuracy: 0.95 +/- 0.02", {"cross-validation_accuracy": 0.95}),
    ("Mean reward: 195.3 (std 3.2)", {"mean_reward": 195.3}),
    ("INFO:root:accuracy: 0.93", {"accuracy": 0.93}),
    ("2024-05-01 12:00:00,123 - train - INFO - val_acc=0.91", {"val_acc": 0.91}),
    ("[2024-05-01 12:00:00] epoch 3 val_auc: 0.91", {"val_auc": 0.91}),
    ("epoch 5 | train loss 0.231 | valid loss 0.41", {"train_loss": 0.231, "valid_loss": 0.41}),
    ("Epoch 3, step 200, train_loss=0.31, lr=0.001", {"train_loss": 0.31}),
    ("Epoch: [3][100/391]\tTime 0.1 (0.2)\tLoss 1.2 (1.3)\tAcc@1 56.2 (50.1)", {"loss": 1.2, "acc@1": 56.2}),
    ("train: Loss 0.5 Acc 0.8", {"loss": 0.5, "acc": 0.8}),
    ("│         test_acc          │    0.9312000274658203     │", {"test_acc": 0.9312000274658203}),
    ("Test set: Average loss: 0.0512, Accuracy: 9832/10000 (98%)", {"average_loss": 0.0512, "accuracy": 0.98}),
    ("Accuracy of the network on the 10000 test images: 55 %", {"accuracy": 0.55}),
    ("Scores: {'f1': 0.7556, 'auc': 0.9222}", {"f1": 0.7556, "auc": 0.9222}),
    ("Training accuracy: 1.0, Test accuracy: 0.96.", {"training_accuracy": 1.0, "test_accuracy": 0.96}),
    ("\x1b[32mval_loss\x1b[0m: \x1b[1m0.31\x1b[0m", {"val_loss": 0.31}),
    ("  3%|▎  | 3/100\r 99%|█ | 99/100, loss=0.5\r100%|██| 100/100 [00:03<00:00, 33it/s, loss=0.25]", {"loss": 0.25}),
    ("Best trial: 3. Best value: 0.93", {}),
    ("Early stopping, best valid_0's auc: 0.92", {"best_valid_0-auc": 0.92}),
]


@pytest.mark.parametrize(("line", "right"), LINES)
def test_a_line_with_a_metric(line: str, right: dict[str, float]):
    assert values(line) == right


@pytest.mark.parametrize(
    "line",
    [
        "Start training from score 0.510000", "[LightGBM] [Info] Start training from score -0.405465",
        "Elapsed time: 12.3s", "training took 3.2 seconds", "accuracy took 0.5s", "loss computed in 0.3 s",
        "scikit-learn 1.4.2", "Python 3.11.7", "numpy==2.4.6", "torch 2.1", "version: 0.9", "precision: 16", "precision=16",
        "Using 16bit precision", "loss scale: 65536.0", "loss weight 0.5", "loss_weight=0.3", "error code: 1.5", "Errors: 3",
        "Error 404: not found", "Saved to runs/accuracy/0.95/model.pt", "2024-05-01 score", "learning rate 0.001", "lr=0.01",
        "Loaded 5000 rows", "threshold for accuracy: 0.9", "min accuracy threshold: 0.8", "map 3 to 4", "num scores: 12",
        "epochs: 10", "seed=42", "score_time: 0.003", "accuracy: 0.5s", "GPU mem 1.2GB", "train loss every 10 steps",
        "Namespace(lr=0.1, loss='mse', alpha=0.5)", "val_loss improved from 0.412 to 0.391, saving model to best.pt",
        "Validation loss decreased (0.412 --> 0.391).  Saving model ...", "patience 5, min_delta 0.001",
        "Fitting 5 folds for each of 4 candidates, totalling 20 fits", "127.0.0.1:8080", "score 3/10", "10:32:11", "", "   ",
        "[CV 1/5; 1/4] END ......C=1, kernel=rbf;, score=0.933 total time=   0.0s", "n_estimators=100, max_depth=6",
        "Training loss did not improve more than tol=0.000100 for 10 consecutive epochs. Stopping.", "loss: 0x1f",
        "target accuracy: 0.99", "RandomForestClassifier(ccp_alpha=0.0, min_samples_leaf=0.1)", "loss: v1.2.3", "acc 5",
    ],
)  # fmt: skip
def test_a_line_without_one(line: str):
    assert values(line) == {}


def test_xgboost():
    assert values(
        "[0]\tvalidation_0-logloss:0.54321\tvalidation_1-auc:0.91\n[10]\tvalidation_0-logloss:0.44321\tvalidation_1-auc:0.92\n"
    ) == {"validation_0-logloss": [(0, 0.54321), (10, 0.44321)], "validation_1-auc": [(0, 0.91), (10, 0.92)]}


def test_lightgbm():
    assert values(
        "[LightGBM] [Info] Number of positive: 212, number of negative: 357\n[LightGBM] [Info] Total Bins 4542\n"
        "[100]\ttraining's binary_logloss: 0.0212\tvalid_1's auc: 0.9912\n"
        "[200]\ttraining's binary_logloss: 0.0112\tvalid_1's auc: 0.9934\nDid not meet early stopping. Best iteration is:\n"
    ) == {"training-binary_logloss": [(100, 0.0212), (200, 0.0112)], "valid_1-auc": [(100, 0.9912), (200, 0.9934)]}


def test_catboost():
    assert values(
        "0:\tlearn: 0.6523\ttest: 0.6612\tbest: 0.6612 (0)\ttotal: 50ms\tremaining: 49s\n"
        "1:\tlearn: 0.6423\ttest: 0.6512\tbest: 0.6512 (1)\ttotal: 50ms\tremaining: 49s\nbestIteration = 1\n"
    ) == {"learn": [(0, 0.6523), (1, 0.6423)], "test": [(0, 0.6612), (1, 0.6512)]}


def test_keras_tells_the_epoch_on_a_line_before():
    assert values(
        "Epoch 1/2\n1875/1875 [==============================] - 3s 2ms/step - loss: 0.2912 - val_accuracy: 0.95\n"
        "Epoch 2/2\n 12/1875 [>....] - ETA: 3s - loss: 0.3\b\b\b\b\b\b\b"
        "1875/1875 ━━━━━━━━━━━━ 3s 2ms/step - loss: 0.1412 - val_accuracy: 0.96\n"
    ) == {"loss": [(1, 0.2912), (2, 0.1412)], "val_accuracy": [(1, 0.95), (2, 0.96)]}


def test_transformers():
    assert values(
        "{'loss': 0.3123, 'grad_norm': 1.23, 'learning_rate': 5e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 0.29, 'eval_accuracy': 0.91, 'eval_runtime': 1.2, 'eval_samples_per_second': 123.4, 'epoch': 1.0}\n"
        "{'loss': 0.2123, 'grad_norm': 1.13, 'learning_rate': 4e-05, 'epoch': 2.0}\n"
    ) == {"loss": [(1, 0.3123), (2, 0.2123)], "eval_loss": 0.29, "eval_accuracy": 0.91}


def test_scikit_learns_perceptron_and_boosting_tell_a_loss_a_round():
    assert values("Iteration 1, loss = 0.69314718\nIteration 2, loss = 0.61234\n") == {
        "loss": [(1, 0.69314718), (2, 0.61234)]
    }
    assert values(
        "      Iter       Train Loss   Remaining Time \n         1           1.2345            0.50s\n"
        "         2           1.1345            0.40s\nloss: 0.5\n"
    ) == {"train_loss": [(1, 1.2345), (2, 1.1345)], "loss": 0.5}
    assert values("-- Epoch 1\nNorm: 59.50, NNZs: 5, Bias: -35.8, T: 300, Avg. loss: 1.96, Objective: 2.13\n") == {
        "avg_loss": 1.96
    }


def test_fastais_table():
    assert values(
        "epoch     train_loss  valid_loss  accuracy  time    \n0         0.520134    0.312345    0.871234  00:12     \n"
        "1         0.420134    0.302345    0.881234  00:12     \n"
    ) == {
        "train_loss": [(0, 0.520134), (1, 0.420134)], "valid_loss": [(0, 0.312345), (1, 0.302345)],
        "accuracy": [(0, 0.871234), (1, 0.881234)],
    }  # fmt: skip


def test_a_classification_report():
    from sklearn.metrics import classification_report

    report = classification_report([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    assert values(f"{report}\nkappa: 0.6\n") == {
        "accuracy": 0.8, "macro_avg_precision": 0.83, "macro_avg_recall": 0.83, "macro_avg_f1": 0.8,
        "weighted_avg_precision": 0.87, "weighted_avg_recall": 0.8, "weighted_avg_f1": 0.8, "kappa": 0.6,
    }  # fmt: skip


def test_steps_that_do_not_go_up_are_counted():
    lines = "".join(f"Train Epoch: 1 [{at}/60000 (0%)]\tLoss: {2.5 - at}\n" for at in (0, 1, 2))
    assert values(lines) == {"loss": [(0, 2.5), (1, 1.5), (2, 0.5)]}


def test_what_is_not_finite_is_a_value_too():
    (series,) = from_text(b"loss: nan\nloss: inf\nloss: -inf\n")
    assert [str(value) for value in series.values] == ["nan", "inf", "-inf"] or math.isnan(series.values[0])


def test_a_series_says_with_how_many_decimals_it_was_printed():
    found = {each.name: each.decimals for each in from_text(b"acc: 0.950\nf1: 94.8%\nmse: 12\nloss: 1.25e-03\n")}
    assert found == {"acc": 3, "f1": 3, "mse": 0, "loss": 5}
    (series,) = from_text(b"acc: 0.950")
    assert (series.source, series.times, series.steps) == (MetricSource.PRINTED, [], [0])


def test_of_a_long_log_the_beginning_and_the_end_are_read():
    text = b"".join(b"Epoch %d, loss: 0.%d\n" % (at, at) for at in range(1, 101))
    (series,) = from_text(text, limit_lines=10)
    assert series.steps == [1, 2, 3, 4, 5, 96, 97, 98, 99, 100]
    for limit in (99, 100, 101, 200):
        assert len(from_text(text, limit_lines=limit)[0].values) == min(limit // 2 * 2, 100)
    assert len(from_text(text.rstrip(b"\n"), limit_lines=10)[0].values) == 10


def test_of_a_large_log_the_beginning_and_the_end_are_read_in_whole_lines(machine: Path):
    log = machine / "output.log"
    log.write_text("".join(f"Epoch {at}, loss: 0.{at}\n" for at in range(100, 1000)))
    with log.open("rb") as file:
        assert len(from_log(file.fileno())[0].values) == 900
        (series,) = from_log(file.fileno(), limit=205)
    assert (series.steps, series.values) == (
        [100, 101, 102, 103, 996, 997, 998, 999],
        [0.1, 0.101, 0.102, 0.103, 0.996, 0.997, 0.998, 0.999],
    )


def test_a_line_that_is_too_long_holds_nothing_and_costs_nothing():
    assert from_text(b"loss: 0.5 " * 200_000) == []
    assert from_text(b"x" * (MAX_LINE - 10) + b" loss: 0.5") != []
    assert from_text(b"x" * (MAX_LINE + 1) + b" loss: 0.5\nacc: 0.5")[0].name == "acc"


def test_hostile_lines_are_read_in_time_that_is_bounded_by_their_number():
    for line in (
        b"1 " * 999,
        b"0." * 999,
        b"loss " * 399,
        b"epoch " + b" " * 1900,
        b"9" * 1999,
        b"\x1b[" * 999,
        b"| loss " * 280,
    ):
        assert len(from_text((line + b"\n") * 100_000, limit_lines=200)) <= 1
    assert len(from_text(b"".join(b"loss_%d_acc: 0.5\n" % at for at in range(1000)))) == MAX_NAMES
    assert from_text(bytes(range(256)) * 100) == []
    assert from_text(b"\r" * 1_000_000 + b"\x08" * 1_000_000) == []


def test_what_mlcli_says_of_a_run_within_is_none_of_this_one():
    assert from_text(b"mlcli finished in 6.4 s \xc2\xb7 acc 0.99  final.acc: 0.99\n") == []
