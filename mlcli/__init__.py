"""Which code, data, command and numbers made the model in production: the Python API, shaped as MLflow's.

import mlcli
with mlcli.start_run(run_name="baseline"):
    mlcli.log_param("n_estimators", 100)
    mlcli.log_metric("accuracy", 0.97)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import MlcliError as MlcliError
    from .fluent import active_run as active_run
    from .fluent import delete_tag as delete_tag
    from .fluent import end_run as end_run
    from .fluent import get_artifact_uri as get_artifact_uri
    from .fluent import get_run as get_run
    from .fluent import infer_signature as infer_signature
    from .fluent import last_active_run as last_active_run
    from .fluent import load_model as load_model
    from .fluent import log_artifact as log_artifact
    from .fluent import log_artifacts as log_artifacts
    from .fluent import log_dict as log_dict
    from .fluent import log_figure as log_figure
    from .fluent import log_metric as log_metric
    from .fluent import log_metrics as log_metrics
    from .fluent import log_model as log_model
    from .fluent import log_param as log_param
    from .fluent import log_params as log_params
    from .fluent import log_text as log_text
    from .fluent import register_model as register_model
    from .fluent import search_runs as search_runs
    from .fluent import set_experiment as set_experiment
    from .fluent import set_tag as set_tag
    from .fluent import set_tags as set_tags
    from .fluent import start_run as start_run

_FLUENT = (
    "active_run", "delete_tag", "end_run", "get_artifact_uri", "get_run", "infer_signature", "last_active_run",
    "load_model", "log_artifact", "log_artifacts", "log_dict", "log_figure", "log_metric", "log_metrics", "log_model",
    "log_param", "log_params", "log_text", "register_model", "search_runs", "set_experiment", "set_tag", "set_tags",
    "start_run",
)  # fmt: skip

__all__ = ["MlcliError", "__version__", *_FLUENT]


class _NoSuchName(AttributeError):
    """A name that mlcli does not have; the nearest one is looked for only where somebody reads the message."""

    def __str__(self) -> str:
        from difflib import get_close_matches

        close = get_close_matches(str(self.args[0]), _FLUENT, n=1, cutoff=0.5)
        return f"mlcli has no {self.args[0]!r}" + (f"; the nearest is {close[0]!r}" if close else "")


_NoSuchName.__module__, _NoSuchName.__qualname__ = "builtins", "AttributeError"  # as a traceback shows it


def __getattr__(name: str) -> Any:
    # What a name needs is imported when it is first used: `import mlcli` itself costs next to nothing.
    from importlib import import_module

    if name in _FLUENT:
        return getattr(import_module(".fluent", __name__), name)
    if name == "MlcliError":
        return import_module(".errors", __name__).MlcliError
    if name == "sklearn":
        return import_module(".sklearn", __name__)
    raise _NoSuchName(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "sklearn"})
