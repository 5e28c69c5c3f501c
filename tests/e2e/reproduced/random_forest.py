"""A random forest, its trees grown by two threads, tells wines apart."""

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
wine = load_wine()
train_x, test_x, train_y, test_y = train_test_split(wine.data, wine.target, random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    model = RandomForestClassifier(n_estimators=30, oob_score=True, n_jobs=2, random_state=SEED).fit(train_x, train_y)
    mlflow.log_metrics({"accuracy": model.score(test_x, test_y), "out_of_bag": model.oob_score_})
    told = permutation_importance(model, test_x, test_y, n_repeats=2, random_state=SEED)
    mlflow.log_dict(dict(zip(wine.feature_names, told.importances_mean.tolist(), strict=True)), "importances.json")
    mlflow.sklearn.log_model(model, "model")
