"""A pipeline of a scaler and a logistic regression tells three kinds of iris apart."""

import argparse

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--C", type=float, default=1.0)
args = parser.parse_args()
train_x, test_x, train_y, test_y = train_test_split(*load_iris(return_X_y=True, as_frame=True), random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=args.C)).fit(train_x, train_y)
    mlflow.log_metric("accuracy", model.score(test_x, test_y))
    mlflow.sklearn.log_model(model, "model", input_example=train_x[:2])
