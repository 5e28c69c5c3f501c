"""Digits are read by their neighbours among principal components, which a randomised solver finds."""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
features, target = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(features, target, train_size=900, random_state=SEED)

with mlflow.start_run():
    mlflow.log_params({"seed": SEED, "components": 12})
    components = PCA(12, svd_solver="randomized", random_state=SEED)
    model = Pipeline([("components", components), ("neighbours", KNeighborsClassifier(5))]).fit(train_x, train_y)
    mlflow.log_metric("accuracy", model.score(test_x, test_y))
    mlflow.log_metric("variance", float(components.explained_variance_ratio_.sum()))
    mlflow.log_dict({"confusion": confusion_matrix(test_y, model.predict(test_x)).tolist()}, "confusion.json")
    mlflow.sklearn.log_model(model, "model")
