"""MLflow through its fluent API, on its default store, or on the one that MLFLOW_TRACKING_URI names."""

import mlflow

start, end = mlflow.start_run, mlflow.end_run
point, params = mlflow.log_metric, mlflow.log_params


def prepare():
    mlflow.search_experiments()  # makes the database: some sixty tables, once


def metrics(values, step):
    mlflow.log_metrics(values, step=step)


def artifact(path):
    mlflow.log_artifact(path)


def count():
    found = mlflow.search_runs(filter_string="attributes.status = 'FINISHED'", output_format="list", max_results=50_000)
    return sum(len(run.data.params) == len(run.data.metrics) == 10 for run in found)
