"""Signatures: what goes into a model and what comes out, told from examples. Needs neither numpy nor pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..domain.run import Field, Signature

ANY = "any"
"""The dtype of a value that nobody told: a fitted estimator knows its columns' names and number, not their types."""

_SCALARS = {bool: "bool", int: "int64", float: "float64", str: "string", bytes: "bytes", datetime: "datetime64[us]"}


def infer_signature(model_input: Any, model_output: Any = None) -> Signature:
    """Tell the signature that an example input, and an example output, show.

    A table (DataFrame, list of dicts, dict of columns) gives one named field per column with shape []; an array or a
    list of rows gives one unnamed field with shape [-1, n], -1 being the free number of rows; a Series or a flat list
    gives shape [-1]. Columns whose names are not all strings are kept without names, as scikit-learn does. dtypes are
    numpy's names ('float64', 'int64', 'bool', 'datetime64[ns]') and 'string', 'bytes', 'category' and 'object';
    pandas' own ('Int64') stay as they are.

    >>> infer_signature([[5.1, 3.5], [4.9, 3.0]]).inputs
    [Field(name=None, dtype='float64', shape=[-1, 2])]
    """
    return Signature(inputs=fields_of(model_input), outputs=fields_of(model_output))


def fields_of(value: Any) -> list[Field]:
    """List the fields of one example, none for None."""
    if value is None:
        return []
    if hasattr(value, "columns") and hasattr(value, "dtypes"):
        return _frame(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return [_array(value)]
    if isinstance(value, Mapping):
        return [_named(str(key), column) for key, column in value.items()]
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(row, Mapping) for row in value):
            keys = dict.fromkeys(key for row in value for key in row)
            return [Field(name=str(key), dtype=_common(row.get(key) for row in value)) for key in keys]
        return [_nested(value)]
    return [Field(dtype=_common([value]))]


def dtype_of(values: Any) -> str:
    """Give the dtype of an array or column, by the name a signature uses."""
    name = str(getattr(values.dtype, "name", values.dtype))
    if name == "object":
        return _common(values.tolist() if getattr(values, "ndim", 1) < 2 else values.ravel().tolist())
    if name.lower().startswith(("str", "utf8")):
        return "string"
    if name.startswith("bytes"):
        return "bytes"
    # polars writes its names with a capital and has no `name`; pandas' Int64 differs from int64 and has one.
    plain = name if hasattr(values.dtype, "name") else name.lower()
    return {"boolean": "bool", "categorical": "category"}.get(plain, plain)


def _frame(frame: Any) -> list[Field]:
    names = list(frame.columns)
    named = all(isinstance(name, str) for name in names)
    columns = (frame.iloc[:, i] if hasattr(frame, "iloc") else frame[name] for i, name in enumerate(names))
    return [
        Field(name=name if named else None, dtype=dtype_of(column)) for name, column in zip(names, columns, strict=True)
    ]


def _array(array: Any) -> Field:
    name = getattr(array, "name", None)
    shape = [-1, *(int(n) for n in array.shape[1:])] if array.shape else []
    return Field(name=name if isinstance(name, str) else None, dtype=dtype_of(array), shape=shape)


def _named(name: str, column: Any) -> Field:
    if hasattr(column, "dtype") and hasattr(column, "shape"):
        field = _array(column)
    else:
        field = _nested(column) if isinstance(column, (list, tuple)) else Field(dtype=_common([column]))
    return Field(name=name, dtype=field.dtype, shape=field.shape if len(field.shape) > 1 else [])


def _nested(rows: Iterable[Any]) -> Field:
    shape = [-1]
    level = [row.tolist() if hasattr(row, "tolist") else row for row in rows]
    while level and all(isinstance(row, (list, tuple)) for row in level):
        lengths = {len(row) for row in level}
        shape.append(lengths.pop() if len(lengths) == 1 else -1)
        level = [item for row in level for item in row]
    return Field(dtype=_common(level), shape=shape)


def _common(values: Iterable[Any]) -> str:
    """One dtype for all values. A missing one (None, NaN) fits any text, and turns whole numbers into float64."""
    kinds, missing = set(), False
    for value in values:
        if value is None or (isinstance(value, float) and value != value):
            missing = True
        else:
            kinds.add(_kind(value))
        if len(kinds) > 1 and not kinds <= {"int64", "float64"}:
            return "object"
    if not kinds:
        return "float64" if missing else ANY
    if kinds == {"string"}:
        return "string"
    if len(kinds) > 1 or (missing and kinds == {"int64"}):
        return "float64"
    return kinds.pop() if not missing or kinds & {"float64", "datetime64[us]"} else "object"


def _kind(value: Any) -> str:
    if hasattr(value, "dtype"):
        return dtype_of(value)
    return next((name for kind, name in _SCALARS.items() if isinstance(value, kind)), "object")
