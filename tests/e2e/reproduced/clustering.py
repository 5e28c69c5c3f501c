"""Digits fall into ten clusters without being told what they are."""

from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, silhouette_score

import mlcli as mlflow
import mlcli.sklearn

SEED = 0
features, target = load_digits(return_X_y=True)
features, target = features[:600], target[:600]

with mlflow.start_run():
    mlflow.log_param("seed", SEED)
    for clusters in (5, 10, 15):
        model = KMeans(clusters, n_init=2, random_state=SEED).fit(features)
        mlflow.log_metric("inertia", model.inertia_, step=clusters)
        mlflow.log_metric("silhouette", silhouette_score(features, model.labels_), step=clusters)
        mlflow.log_metric("rand", adjusted_rand_score(target, model.labels_), step=clusters)
        mlflow.sklearn.log_model(model, f"clusters_{clusters}")
