"""Tables: what a model is handed for what a caller has, and its answer as plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.names import quoted
from ..domain.run import Signature
from ..errors import InvalidValue

_NUMERIC = re.compile(r"(u?int|float)\d+", re.I)


def as_table(data: Any, signature: Signature | None) -> Any:
    """Give `data` the form in which a model of this signature takes it.

    A table keeps its own form, with the signature's columns in the signature's order. Records (a list of dicts), a
    dict of columns or of single values, and rows (a list of lists) become a DataFrame where the signature or the
    records name columns; text is read as the dtype the signature names ('5.1' for float64), None as missing. Without
    pandas a list of rows in that order takes the DataFrame's place. Anything else is handed on as it is. InvalidValue
    where columns are missing or a value is not of its dtype.
    """
    dtypes = {f.name: f.dtype for f in signature.inputs if f.name is not None and not f.shape} if signature else {}
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        return _select(data, dtypes)
    if isinstance(data, Mapping):
        columns = _from_dict(data)
    elif _all(data, Mapping):
        keys = dict.fromkeys(key for row in data for key in row)
        columns = {str(key): [row.get(key) for row in data] for key in keys}
    elif dtypes and _all(data, (list, tuple)):
        columns = _from_rows(data, list(dtypes))
    else:
        return data
    if signature and signature.inputs and not dtypes:
        raise InvalidValue("the model does not know its columns by name", "give it rows, with the values in its order")
    _check_columns(list(columns), list(dtypes))
    return _frame({name: columns[name] for name in dtypes or columns}, dtypes)


def first_rows(data: Any, count: int = 5) -> Any:
    """Take the first rows of an example, in its own form."""
    if isinstance(data, Mapping):
        return {key: column if isinstance(column, str) else first_rows(column, count) for key, column in data.items()}
    if hasattr(data, "iloc"):
        return data.iloc[:count]
    if isinstance(data, (list, tuple)) or getattr(data, "shape", None):
        return data[:count]
    return data


def as_plain(answer: Any) -> Any:
    """Turn an answer into lists, dicts and scalars: an array into nested lists, a table into a list of records.

    >>> as_plain((1, 2))
    [1, 2]
    """
    if hasattr(answer, "to_dict") and hasattr(answer, "columns"):
        return as_plain(answer.to_dict(orient="records"))
    if hasattr(answer, "toarray"):
        return answer.toarray().tolist()
    if hasattr(answer, "tolist"):
        return as_plain(answer.tolist())
    if isinstance(answer, Mapping):
        return {str(key): as_plain(value) for key, value in answer.items()}
    return [as_plain(item) for item in answer] if isinstance(answer, (list, tuple)) else answer


def _all(data: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(row, kind) for row in data)


def _select(frame: Any, dtypes: dict[str, str]) -> Any:
    names = list(frame.columns)
    if not dtypes or names == list(dtypes):
        return frame
    _check_columns(names, list(dtypes))
    return frame[list(dtypes)]


def _check_columns(have: list[str], need: list[str]) -> None:
    missing = [name for name in need if name not in have]
    if missing:
        listed = ", ".join(quoted(name) for name in missing[:5]) + (" …" if len(missing) > 5 else "")
        raise InvalidValue(f"the input has no {listed}", f"give it the columns {', '.join(need[:20])}")


def _from_dict(data: Mapping[Any, Any]) -> dict[str, list[Any]]:
    columns = {
        str(key): list(column) if isinstance(column, (list, tuple)) or getattr(column, "shape", None) else [column]
        for key, column in data.items()
    }
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InvalidValue(f"the input's columns have different lengths: {', '.join(map(str, sorted(lengths)))}")
    return columns


def _from_rows(rows: Any, names: list[str]) -> dict[str, list[Any]]:
    wrong = next((len(row) for row in rows if len(row) != len(names)), None)
    if wrong is not None:
        raise InvalidValue(
            f"a row of the input has {wrong} values and the model takes {len(names)}",
            f"give it, in this order: {', '.join(names[:20])}",
        )
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _frame(columns: dict[str, list[Any]], dtypes: dict[str, str]) -> Any:
    read = {name: [_read(value, dtypes.get(name, ""), name) for value in column] for name, column in columns.items()}
    try:
        import pandas
    except ImportError:
        return [list(row) for row in zip(*read.values(), strict=True)]
    frame = pandas.DataFrame(read)
    for name, dtype in dtypes.items():
        if dtype == "category":
            frame[name] = frame[name].astype("category")
        elif dtype.startswith("datetime64"):
            try:
                frame[name] = pandas.to_datetime(frame[name])
            except (ValueError, TypeError):
                raise InvalidValue(f"the column {quoted(name)} holds something that is no time") from None
    return frame


def _read(value: Any, dtype: str, name: str) -> Any:
    """One value as its column's dtype; only text and None are read, what has a type keeps it."""
    numeric = _NUMERIC.fullmatch(dtype)
    if value is None or (numeric and isinstance(value, str) and not value.strip()):
        return float("nan") if numeric else None
    if not isinstance(value, str) or not (numeric or dtype.startswith("bool")):
        return value
    try:
        if dtype.startswith("bool"):
            return {"true": True, "false": False, "1": True, "0": False}[value.strip().lower()]
        return int(value) if "int" in dtype.lower() and "." not in value else float(value)
    except (ValueError, KeyError):
        raise InvalidValue(f"the column {quoted(name)} holds {quoted(value)}, which is no {dtype}") from None
