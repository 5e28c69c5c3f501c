"""A naive classifier of tumours, calibrated so that its probabilities mean what they say."""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
train_x, test_x, train_y, test_y = train_test_split(*load_breast_cancer(return_X_y=True), random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    plain = GaussianNB().fit(train_x, train_y)
    calibrated = CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=3).fit(train_x, train_y)
    for name, model in {"plain": plain, "calibrated": calibrated}.items():
        chances = model.predict_proba(test_x)[:, 1]
        mlflow.log_metrics(
            {f"brier_{name}": brier_score_loss(test_y, chances), f"loss_{name}": log_loss(test_y, chances)}
        )
        mlflow.sklearn.log_model(model, name)
