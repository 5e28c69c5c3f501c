"""What a flavor is, and the words all flavors share for telling what went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from ..domain.names import escaped, quoted
from ..domain.run import Model, Signature
from ..errors import InvalidValue, MissingPackage, MlcliError, NotSupported

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "cv2": "opencv-python", "yaml": "pyyaml"}
_EXTRAS = {"joblib": "sklearn", "sklearn": "sklearn", "numpy": "sklearn", "scipy": "sklearn", "pandas": "pandas"}
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class ModelWarning(UserWarning):
    """Something about a model that works now and may not elsewhere or later."""


class Flavor(Protocol):
    """One kind of model. A module with these names is a flavor; `mlcli.flavors` lists them in its table."""

    FILE: str
    """The file (or directory) below the model's directory that holds the model itself."""

    def recognises(self, model: object) -> bool:
        """Whether this is a model of this kind; imports nothing that the model's owner has not imported."""

    def save(self, model: object, path: str) -> list[str]:
        """Write the model to `path`; the names of the distributions needed to load it again."""

    def load(self, path: str, description: Model) -> object:
        """Give the model that lies at `path`; this runs its code."""

    def params(self, model: object) -> dict[str, Any]:
        """List the settings that differ from their defaults, as JSON values."""

    def signature(self, model: object, example: object) -> Signature | None:
        """Tell what the model takes and gives: from `example` where it is not None, else as far as the model knows."""

    def predict(self, model: object, data: Any, method: str, signature: Signature | None) -> Any:
        """Ask the model's `method` about `data`."""


def class_of(model: object) -> str:
    """Give the full name of the model's class: sklearn.pipeline.Pipeline."""
    return f"{type(model).__module__}.{type(model).__qualname__}"


def distribution_of(module: str) -> str:
    """Give the name under which pip knows a top-level module: scikit-learn for sklearn."""
    return _DISTRIBUTIONS.get(module, module)


def missing_package(module: str, what: str) -> MissingPackage | None:
    """Make the error for a package that one of mlcli's extras brings, None for any other."""
    extra = _EXTRAS.get(module)
    if extra is None:
        return None
    return MissingPackage(
        f"{what} needs {distribution_of(module)}, which is not installed", f'pip install "mlcli[{extra}]"'
    )


def told(exc: BaseException, limit: int = 300) -> str:
    """Give an exception's own words on one line, without memory addresses; its type's name where it has none."""
    text = escaped(ADDRESS.sub("", " ".join(str(exc).split())))
    return f"{text[:limit]}…" if len(text) > limit else text or type(exc).__name__


def method_of(model: object, method: str) -> Callable[[Any], Any]:
    """Find the model's bound method of that name.

    InvalidValue where it is none of METHODS, NotSupported where the model has none of that name.
    """
    if method not in METHODS:
        raise InvalidValue(f"{quoted(method)} is nothing a model can be asked for", f"choose from {', '.join(METHODS)}")
    bound = getattr(model, method, None)
    if not callable(bound):
        have = [name for name in METHODS if callable(getattr(model, name, None))]
        raise NotSupported(
            f"{class_of(model)} has no {method}",
            f"ask it for {', '.join(have)}" if have else "save a model that has one",
        )
    asked: Callable[[Any], Any] = bound
    return asked


def ask(model: object, method: str, data: Any) -> Any:
    """Ask the model's method about `data`.

    NotSupported where the model has no such method or was never fitted, InvalidValue where it fails on the data; the
    model's own exception is the cause.
    """
    bound = method_of(model, method)
    try:
        return bound(data)
    except MlcliError:
        raise
    except Exception as exc:
        if type(exc).__name__ == "NotFittedError":
            raise NotSupported(f"{class_of(model)} was saved before it was fitted", "call fit, then save it") from exc
        raise InvalidValue(f"{class_of(model)}.{method} failed on this input: {told(exc)}") from exc
