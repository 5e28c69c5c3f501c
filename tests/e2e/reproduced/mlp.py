"""A small neural network reads handwritten digits."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
features, target = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(features / 16, target, train_size=800, random_state=SEED)

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    model = MLPClassifier((32,), learning_rate_init=0.01, early_stopping=True, n_iter_no_change=3, random_state=SEED)
    model.fit(train_x, train_y)
    for step, loss in enumerate(model.loss_curve_):
        mlflow.log_metric("loss", loss, step=step)
    mlflow.log_metric("accuracy", model.score(test_x, test_y))
    mlflow.sklearn.log_model(model, "model")
