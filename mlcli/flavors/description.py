"""model.json: what lies beside a saved model so that it can be loaded again, wherever its directory was copied to."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from msgspec import Struct

from ..domain.names import quoted
from ..domain.run import Model, Signature
from ..domain.typed import typed
from ..errors import Corrupt, NewerFormat, NotFound

FILE = "model.json"
FORMAT = 1


class _Stamp(Struct):
    format: int


class _Document(Struct, kw_only=True):
    format: int
    flavor: str
    file: str
    python_class: str
    python: str
    libraries: dict[str, str]
    params: dict[str, Any]
    signature: Signature | None


def versions_of(distributions: list[str]) -> dict[str, str]:
    """Give the installed version of each distribution; those that are not installed are left out."""
    found = {}
    for name in sorted(set(distributions)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plain(file: str) -> bool:
    """Whether this names a file of the model's own directory, and no other place."""
    return file not in {"", ".", ".."} and not set(file) & set("/\\\0")


def encode(model: Model) -> bytes:
    """model.json for this model: two-space indent, stable key order, a final newline."""
    document = _Document(
        format=FORMAT,
        flavor=model.flavor,
        file=model.file,
        python_class=model.python_class,
        python=model.python,
        libraries=model.libraries,
        params=model.params,
        signature=model.signature,
    )
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"


def read_description(directory: str, *, path: str = "model") -> Model:
    """Tell what model.json in `directory` says; nothing of the model itself is read or run. `digest` is ''.

    NotFound where there is no model.json, Corrupt where it is half or altered, NewerFormat where it is of a
    newer mlcli.
    """
    name = os.path.join(directory, FILE)
    try:
        with open(name, "rb") as file:
            body = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"{quoted(directory)} is no model: it has no {FILE}", "name a directory that holds one"
        ) from None
    except OSError as exc:
        raise NotFound(f"{name} cannot be read: {exc.strerror}", f"ls -l {directory}") from exc
    return _decode(body, name, path)


def _decode(body: bytes, name: str, path: str) -> Model:
    try:
        document = msgspec.json.decode(body)
        written = typed(document, _Stamp).format
        if written > FORMAT:
            raise NewerFormat(
                f"{name} has format {written} and this mlcli reads up to {FORMAT}", "pip install -U mlcli"
            )
        told = typed(document, _Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Corrupt(f"{name} is half or altered: {exc}", "take it from git, or save the model again") from None
    if written < 1 or not plain(told.file):
        raise Corrupt(f"{name} is altered: no mlcli writes what it says", "take it from git, or save the model again")
    return Model(
        path=path,
        flavor=told.flavor,
        python_class=told.python_class,
        digest="",
        file=told.file,
        libraries=told.libraries,
        python=told.python,
        params=told.params,
        signature=told.signature,
    )
