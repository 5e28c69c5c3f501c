"""Boosted trees, on samples of rows and columns, foretell how diabetes goes on."""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
train_x, test_x, train_y, test_y = train_test_split(*load_diabetes(return_X_y=True), random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    model = GradientBoostingRegressor(n_estimators=40, subsample=0.5, max_features=0.5, random_state=SEED)
    model.fit(train_x, train_y)
    for step, told in enumerate(model.staged_predict(test_x), 1):
        mlflow.log_metric("mse", mean_squared_error(test_y, told), step=step)
    mlflow.sklearn.log_model(model, "model", input_example=train_x[:1])
