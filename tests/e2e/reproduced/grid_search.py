"""The best of a grid of support vector machines tells wines apart."""

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
features, target = load_wine(return_X_y=True)
folds = StratifiedKFold(3, shuffle=True, random_state=SEED)
steps = Pipeline([("scale", MinMaxScaler()), ("svc", SVC(random_state=SEED))])
search = GridSearchCV(steps, {"svc__C": [0.1, 1, 10], "svc__kernel": ["linear", "rbf"]}, cv=folds)

with mlflow.start_run():
    search.fit(features, target)
    mlflow.log_params({"seed": SEED, **search.best_params_})
    mlflow.log_metric("accuracy", search.best_score_)
    for step, score in enumerate(search.cv_results_["mean_test_score"]):
        mlflow.log_metric("accuracy_of_candidate", score, step=step)
    mlflow.log_dict({"candidates": search.cv_results_["params"]}, "grid.json")
    # Not the search itself: it keeps how many seconds each fit took, which no two searches have in common.
    mlflow.sklearn.log_model(search.best_estimator_, "model")
