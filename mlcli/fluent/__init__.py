"""The Python API, shaped as MLflow's: `import mlcli as mlflow` and go on.

Inside `mlcli run` the calls join the wrapped run; elsewhere, in scripts and notebooks, they make one of their own.
"""

from __future__ import annotations

from .active import (
    ActiveRun,
    active_run,
    end_run,
    get_artifact_uri,
    get_run,
    last_active_run,
    set_experiment,
    start_run,
)
from .log import (
    delete_tag,
    log_artifact,
    log_artifacts,
    log_dict,
    log_figure,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_text,
    set_tag,
    set_tags,
)
from .models import ModelInfo, infer_signature, load_model, log_model, register_model
from .search import search_runs

__all__ = [
    "ActiveRun",
    "ModelInfo",
    "active_run",
    "delete_tag",
    "end_run",
    "get_artifact_uri",
    "get_run",
    "infer_signature",
    "last_active_run",
    "load_model",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_text",
    "register_model",
    "search_runs",
    "set_experiment",
    "set_tag",
    "set_tags",
    "start_run",
]
