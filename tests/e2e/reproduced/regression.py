"""A lasso and a ridge foretell how diabetes goes on, from a file that git does not hold."""

import csv
import sys

import numpy
from sklearn.linear_model import Lasso, Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
table = numpy.loadtxt(sys.argv[1], delimiter=",")
train_x, test_x, train_y, test_y = train_test_split(table[:, :-1], table[:, -1], random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    for name, model in {"lasso": Lasso(alpha=0.1), "ridge": Ridge(alpha=1.0)}.items():
        told = model.fit(train_x, train_y).predict(test_x)
        mlflow.log_metrics({f"{name}_r2": r2_score(test_y, told), f"{name}_mae": mean_absolute_error(test_y, told)})
        with open(f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows(enumerate(model.coef_))
        mlflow.log_artifact(f"{name}.csv", "coefficients")
        mlflow.sklearn.log_model(model, name)
