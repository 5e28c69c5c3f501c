"""scikit-learn models, as `mlflow.sklearn` has them: `mlcli.sklearn.log_model(forest, "model")`."""

from __future__ import annotations

from typing import Any

from . import fluent
from .domain.run import Signature
from .fluent import ModelInfo

__all__ = ["load_model", "log_model"]


def log_model(
    sk_model: object,
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    signature: Signature | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
) -> ModelInfo:
    """Keep a scikit-learn estimator as an artifact of the active run; NotSupported where it is something else."""
    return fluent.log_model(
        sk_model,
        artifact_path,
        name=name,
        flavor="sklearn",
        signature=signature,
        input_example=input_example,
        registered_model_name=registered_model_name,
    )


def load_model(model_uri: str) -> Any:
    """The estimator of a ref: 'models:/iris/Production', 'runs:/<id>/model' or a model's directory."""
    return fluent.load_model(model_uri)
