"""What is fitted, measured and saved by the program's own code, and that it comes out the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlcli.observation.events import Dumped, Fitted, Measured, Opened, Repeated, Trouble

pytest.importorskip("sklearn")

PROGRAM = """
    import joblib, pickle, sys, numpy as np
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, make_scorer, roc_curve
    from sklearn.metrics import classification_report
    from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    np.random.seed(0)
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500))
    model.fit(X, y)
    forest = RandomForestClassifier(n_estimators=5, random_state=0, n_jobs=2).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    accuracy = accuracy_score(y, model.predict(X))
    print(confusion_matrix(y, model.predict(X)))
    print(classification_report(y, model.predict(X)))
    roc_curve(y == 1, forest.predict_proba(X)[:, 1])
    print(model.score(X, y), forest.score(X, y))
    folds = cross_val_score(model, X, y, cv=3)
    more = cross_validate(model, X, y, cv=3, return_estimator=True)
    search = GridSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.1, 1]}, cv=2, n_jobs=int(sys.argv[1]), scoring=make_scorer(f1_score, average="macro")
    )
    search.fit(X, y)
    print(search.score(X, y), search.best_params_)
    joblib.dump({"model": model, "note": "x"}, "model.joblib")
    joblib.dump(forest, "forest.joblib", compress=3)
    with open("model.pkl", "wb") as file:
        pickle.dump([search, model], file)
    for _ in range(100):
        accuracy_score(y, y)
    print(np.random.rand())
"""


def names(path: str) -> str:
    return os.path.basename(path)


def test_a_program_of_scikit_learn(watched):
    done = watched(PROGRAM, "2")
    files = {name: hashlib.sha256(Path(name).read_bytes()).digest() for name in ("model.joblib", "forest.joblib")}
    bare = watched(PROGRAM, "1", bare=True)
    assert (done.code, done.out, done.err) == (0, bare.out, bare.err)
    assert files == {name: hashlib.sha256(Path(name).read_bytes()).digest() for name in files}
    assert done.told(Trouble) == []

    pipeline, forest, scaler, search = done.told(Fitted)
    assert [fit.cls.rpartition(".")[2] for fit in (pipeline, forest, scaler, search)] == [
        "Pipeline", "RandomForestClassifier", "StandardScaler", "GridSearchCV",
    ]  # fmt: skip
    assert pipeline.set == {
        "steps": [
            ["standardscaler", "StandardScaler()"],
            ["logisticregression", "LogisticRegression(C=0.5, max_iter=500)"],
        ]
    }
    assert (pipeline.sub["logisticregression__C"], pipeline.shape) == (0.5, [150, 4])
    assert (forest.set, scaler.set) == ({"n_estimators": 5, "random_state": 0, "n_jobs": 2}, {})
    assert search.best is not None
    assert set(search.best) == {"C"}
    assert search.best_score is not None
    assert pipeline.at == (os.path.abspath("program.py"), 15)

    measured = done.told(Measured)
    kinds = [event.k for event in measured]
    assert kinds[:8] == [
        "accuracy_score", "confusion_matrix", "score", "score", "cross_val_score", "cross_validate", "score", "accuracy_score",
    ]  # fmt: skip
    assert measured[0].v == pytest.approx(0.9533, abs=0.01)
    assert (measured[2].cls, measured[2].oid) == (pipeline.cls, pipeline.oid)
    assert len(measured[4].v) == 3
    assert set(measured[5].v) == {"fit_time", "score_time", "test_score"}
    assert kinds.count("accuracy_score") == 1 + 20 + 2  # then at 32 and 64
    assert [event.n for event in done.told(Repeated)] == [100]

    dumps = {names(event.p): event for event in done.told(Dumped)}
    part = dumps["model.joblib"].parts["model"]
    assert (dumps["model.joblib"].how, dumps["model.joblib"].cls) == ("joblib.dump", "builtins.dict")
    assert (part.oid, part.fitted_here) == (pipeline.oid, True)
    assert dumps["forest.joblib"].parts["."].oid == forest.oid
    assert {key: each.oid for key, each in dumps["model.pkl"].parts.items()} == {"0": search.oid, "1": pipeline.oid}
    assert "iris.csv" in {names(event.p) for event in done.told(Opened)}


def test_a_class_of_the_users_loads_where_nothing_is_watched(watched):
    pytest.importorskip("cloudpickle")
    done = watched(
        """
        import cloudpickle
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.metrics import accuracy_score
        class Mine(ClassifierMixin, BaseEstimator):
            def fit(self, X, y): self.seen_ = open("program.py").read()[:3]; return self
            def predict(self, X): return [0 for _ in X]
            def good(self, X, y): return accuracy_score(y, self.predict(X))
        model = Mine().fit([[1]], [0])
        print(model.good([[1]], [0]), model.score([[1]], [0]))
        with open("mine.pkl", "wb") as file:
            cloudpickle.dump(model, file)
        """
    )
    assert (done.code, done.err) == (0, "")
    loaded = watched(
        argv=("-c", "import pickle; print(pickle.load(open('mine.pkl', 'rb')).good([[1]], [0]))"), bare=True
    )
    assert (loaded.out, loaded.err) == ("1.0\n", "")
    [dumped] = done.told(Dumped)
    assert (dumped.how, dumped.cls, dumped.parts["."].fitted_here) == ("cloudpickle.dump", "__main__.Mine", False)


def test_xgboost(watched):
    pytest.importorskip("xgboost")
    done = watched(
        """
        import numpy as np, xgboost as xgb
        X = np.random.RandomState(0).rand(200, 4); y = (X[:, 0] > .5).astype(int)
        model = xgb.XGBClassifier(n_estimators=5, max_depth=2, eval_metric="logloss").fit(X, y, eval_set=[(X, y)], verbose=False)
        model.save_model("model.json")
        data = xgb.DMatrix(X, y)
        booster = xgb.train({"max_depth": 2, "objective": "binary:logistic"}, data, 4, evals=[(data, "train")], verbose_eval=False)
        booster.save_model("booster.ubj")
        xgb.cv({"max_depth": 2}, data, 3, nfold=2)
        """
    )
    assert (done.code, done.told(Trouble)) == (0, [])
    model, booster = done.told(Fitted)
    assert model.set == {"n_estimators": 5, "max_depth": 2, "eval_metric": "logloss"}
    assert (booster.set, booster.shape) == (
        {"max_depth": 2, "objective": "binary:logistic", "num_boost_round": 4},
        [200, 4],
    )
    histories = [event for event in done.told(Measured) if event.steps]
    assert [(name, len(values)) for event in histories[:2] for name, values in event.v.items()] == [
        ("validation_0-logloss", 5),
        ("train-logloss", 4),
    ]
    assert len(histories[2].v["test-rmse-mean"]) == 3
    assert [(names(event.p), event.parts["."].oid) for event in done.told(Dumped)] == [
        ("model.json", model.oid),
        ("booster.ubj", booster.oid),
    ]


def test_lightgbm(watched):
    pytest.importorskip("lightgbm")
    done = watched(
        """
        import numpy as np, lightgbm as lgb
        X = np.random.RandomState(0).rand(200, 4); y = (X[:, 0] > .5).astype(int)
        model = lgb.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, y, eval_set=[(X, y)])
        model.booster_.save_model("model.txt")
        data = lgb.Dataset(X, y)
        booster = lgb.train({"objective": "binary", "verbose": -1}, data, 4, valid_sets=[data], valid_names=["seen"])
        booster.save_model("booster.txt")
        lgb.cv({"objective": "binary", "verbose": -1}, lgb.Dataset(X, y), 3, nfold=2)
        """
    )
    assert (done.code, done.told(Trouble)) == (0, [])
    model, booster = done.told(Fitted)
    assert model.set == {"n_estimators": 5, "verbose": -1}
    histories = [event.v for event in done.told(Measured) if event.steps]
    assert [len(next(iter(history.values()))) for history in histories] == [5, 4, 3]
    assert set(histories[1]) == {"seen-binary_logloss"}
    assert [(names(event.p), event.parts["."].oid) for event in done.told(Dumped)] == [
        ("model.txt", model.oid),
        ("booster.txt", booster.oid),
    ]
