"""scikit-learn's estimators, and those of other packages that follow it (XGBoost, LightGBM), kept by joblib."""

from __future__ import annotations

import inspect
import math
import reprlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..domain.run import Field, Model, Signature
from ..domain.secrets import MASK, is_secret, masked_text
from ..errors import InvalidValue
from . import joblib
from .base import ADDRESS, ModelWarning, ask, class_of, method_of, missing_package, told
from .joblib import FILE as FILE
from .signature import ANY, fields_of
from .tables import as_table, first_rows

_REPR = reprlib.Repr()
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = _REPR.maxfrozenset = 20
_REPR.maxstring = _REPR.maxother = 400
_LIMIT = 500
_NO_DEFAULT = object()
_STOP_WORDS = "_stop_words_id"


def recognises(model: object) -> bool:
    """Whether it is an instance of BaseEstimator; where scikit-learn was never imported there can be none."""
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def save(model: object, path: str) -> list[str]:
    """As joblib does, with scikit-learn's own needs named; the same bytes from the same training."""
    with _without_addresses(model):
        return sorted({*joblib.save(model, path), "scikit-learn", "numpy", "scipy"})


def load(path: str, description: Model) -> object:
    """As joblib does."""
    return joblib.load(path, description)


def params(model: object) -> dict[str, Any]:
    """List the params that differ from their defaults, nested ones as scikit-learn names them: clf__C.

    An estimator stands by its class's name; what JSON cannot hold, by its bounded repr; a secret, by '***'.
    """
    try:
        told_by_it: dict[str, Any] = model.get_params(deep=True)  # type: ignore[attr-defined]
    except Exception:  # a foreign estimator's own code: params are a help, not worth losing the model for
        return {}
    kept = {}
    for key in sorted(told_by_it):
        value, (owner, _, name) = told_by_it[key], key.rpartition("__")
        default = _defaults(type(told_by_it.get(owner) if owner else model)).get(name, _NO_DEFAULT)
        prefix = f"{owner}__" if owner else ""
        if not _same(value, default) and not _told_by_step(value, told_by_it, prefix):
            kept[key] = MASK if is_secret(key) and value is not None else _json(value)
    return kept


def signature(model: object, example: object) -> Signature | None:
    """Tell what the example shows and the model gives for it; without one, what the fitted estimator knows.

    An estimator knows its inputs' number, and their names when it was fitted on a table; it keeps no types, so their
    dtype is 'any'. Outputs have the dtype of the classes, of the clusters' labels, or float64 for a regressor.
    """
    inputs = _inputs(model) if example is None else fields_of(example)
    outputs = _answer(model, example, Signature(inputs=inputs)) or _outputs(model)
    return Signature(inputs=inputs, outputs=outputs) if inputs or outputs else None


def predict(model: object, data: Any, method: str, signature: Signature | None) -> Any:
    """Ask the estimator's method about `data`: a table, an array, rows, or records as JSON has them."""
    method_of(model, method)
    table = as_table(data, signature)
    with warnings.catch_warnings():
        if table is not data:
            # The columns were put in order by name just now, whatever form they had to be handed over in.
            warnings.filterwarnings("ignore", message="X (has|does not have valid) feature names")
        try:
            return ask(model, method, table)
        except InvalidValue as exc:
            # A ColumnTransformer picks its columns by name, which only a table has.
            known = missing_package("pandas", class_of(model)) if "for dataframes" in exc.message else None
            raise known if known and isinstance(table, list) else exc from exc.__cause__


@contextmanager
def _without_addresses(model: object) -> Iterator[None]:
    """Put aside what an estimator notes of where in memory something lies: it is another in every process.

    A text vectorizer remembers its stop words so, to check them once; without, they are checked once more.
    """
    if "sklearn.feature_extraction.text" not in sys.modules:
        yield
        return
    noted = [(vars(each), vars(each).pop(_STOP_WORDS)) for each in _within(model) if _STOP_WORDS in vars(each)]
    try:
        yield
    finally:
        for values, address in noted:
            values[_STOP_WORDS] = address


def _within(model: object) -> Iterator[object]:
    """The estimators that a model consists of, itself among them."""
    estimator = sys.modules["sklearn.base"].BaseEstimator
    waiting, seen = [model], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, estimator):
            yield each
        inner = each if isinstance(each, list | tuple) else (each if isinstance(each, dict) else vars(each)).values()
        waiting += [value for value in inner if isinstance(value, estimator | list | tuple | dict)]


def _inputs(model: object) -> list[Field]:
    names = _known(model, "feature_names_in_")
    if names is not None:
        return [Field(name=str(name), dtype=ANY) for name in names]
    count = _known(model, "n_features_in_")
    return [] if count is None else [Field(dtype=ANY, shape=[-1, int(count)])]


def _answer(model: object, example: object, told_in: Signature) -> list[Field]:
    if example is None or not hasattr(model, "predict"):
        return []
    try:
        return fields_of(predict(model, first_rows(example), "predict", told_in))
    except Exception as exc:
        warnings.warn(f"{class_of(model)} does not answer its input example: {told(exc)}", ModelWarning, stacklevel=4)
        return []


def _outputs(model: object) -> list[Field]:
    if not hasattr(model, "predict") or not _inputs(model):
        return []
    classes = _known(model, "classes_")
    if isinstance(classes, list):
        dtypes = {field.dtype for each in classes for field in fields_of(each)}
        return [Field(dtype=dtypes.pop() if len(dtypes) == 1 else "object", shape=[-1, len(classes)])]
    for values in (classes, _known(_last(model), "labels_")):
        if values is not None:
            return [Field(dtype=field.dtype, shape=[-1]) for field in fields_of(values)]
    if _is_regressor(model):
        count = _known(_last(model), "n_outputs_") or 1
        return [Field(dtype="float64", shape=[-1, int(count)] if count > 1 else [-1])]
    return []


def _is_regressor(model: object) -> bool:
    from sklearn.base import is_regressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn scolds foreign estimators here, their user cannot mend it
        try:
            return bool(is_regressor(model))
        except Exception:  # a foreign estimator's own code: then it is taken for no regressor
            return False


def _last(model: object) -> object:
    """Find the estimator that gives the answer: the best of a search, the last of a pipeline."""
    best = _known(model, "best_estimator_")
    steps = getattr(model if best is None else best, "steps", None)
    return steps[-1][1] if steps else model if best is None else best


def _known(model: object, name: str) -> Any:
    """Read a fitted attribute, None before fitting: such properties may raise anything then."""
    try:
        return getattr(model, name, None)
    except Exception:  # a property of an estimator that was not fitted
        return None


def _defaults(kind: type) -> dict[str, Any]:
    try:
        known = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    except (TypeError, ValueError):
        return {}
    return {param.name: param.default for param in known if param.default is not param.empty}


def _same(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if type(value) is not type(default):
        return False
    try:
        return bool(value == default) or bool(value != value and default != default)
    except Exception:  # arrays have no one answer
        return False


def _told_by_step(value: Any, params: dict[str, Any], prefix: str) -> bool:
    """Whether this is a list of (name, estimator) whose members are params of their own."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(step, tuple) and len(step) == 2 and f"{prefix}{step[0]}" in params for step in value)
    )


def _json(value: Any) -> Any:
    """Give the value where JSON can hold it and it is short, else its repr without addresses, cut where long."""
    if hasattr(value, "dtype") and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= 50 and not _estimators_in(value):
        return [_json(item) for item in value]
    if isinstance(value, dict) and len(value) <= 50 and all(isinstance(key, str) for key in value):
        return {key: MASK if is_secret(key) else _json(item) for key, item in value.items()}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return _text(" ".join(_REPR.repr(value).split()))


def _estimators_in(values: Any) -> bool:
    return any(hasattr(item, "get_params") for value in values for item in (value if isinstance(value, tuple) else ()))


def _text(text: str) -> str:
    safe = masked_text(ADDRESS.sub("", text)).encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= _LIMIT else f"{safe[:_LIMIT]}…"
