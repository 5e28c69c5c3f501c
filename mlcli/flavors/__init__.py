"""Flavors: how a kind of model is saved, described, loaded and asked.

A flavor is a module with the names of `base.Flavor`. To add one: write `flavors/<name>.py`, and one line in the table
below, before 'joblib', which takes whatever the others do not know.
"""

from __future__ import annotations

import os
import platform
from importlib import import_module
from typing import Any, cast

from ..domain.names import escaped, quoted
from ..domain.run import Model, Signature
from ..errors import Corrupt, InvalidValue, Missing, NotSupported, WriteFailed
from .base import METHODS, Flavor, ModelWarning, class_of
from .description import FILE, encode, plain, read_description, versions_of
from .signature import ANY, infer_signature
from .tables import as_plain

__all__ = [
    "ANY", "FILE", "FLAVORS", "METHODS", "ModelWarning", "as_plain", "infer_signature", "load", "predict",
    "read_description", "recognise", "save", "signature_of",
]  # fmt: skip

FLAVORS = {
    "sklearn": ".sklearn",
    "joblib": ".joblib",
}


def recognise(model: object) -> str:
    """Name the first flavor that knows this kind of model: 'joblib' for all that no other knows.

    InvalidValue for None.
    """
    for name in FLAVORS:
        if _flavor(name).recognises(model):
            return name
    raise InvalidValue("there is no model to save: None was given")


def signature_of(model: object) -> Signature | None:
    """Tell what a fitted model knows of itself, None where that is nothing; types that it did not keep are 'any'."""
    return _flavor(recognise(model)).signature(model, None)


def save(
    model: object,
    directory: str,
    *,
    flavor: str | None = None,
    signature: Signature | None = None,
    input_example: Any = None,
    path: str = "model",
) -> Model:
    """Write the model and its model.json into `directory`, and tell what was written. `digest` is '' for now.

    `directory` is the caller's, is made where it is not there, and holds nothing of the same names yet; `path` is where
    the model will lie below the run's artifacts. Without a signature, one is told from `input_example` (a few rows of
    input in any form the model takes) or from the fitted model itself. NotSupported where the model cannot be pickled
    or the flavor is unknown, MissingPackage without joblib, WriteFailed where the disk says no.
    """
    name = recognise(model)
    kind = _flavor(flavor or name)
    if flavor and not kind.recognises(model):
        raise NotSupported(f"{class_of(model)} is no {flavor} model", f"leave the flavor out: it is {name}")
    if signature is None:
        signature = kind.signature(model, input_example)
    try:
        os.makedirs(directory, exist_ok=True)
        libraries = versions_of(kind.save(model, os.path.join(directory, kind.FILE)))
        described = Model(
            path=path,
            flavor=flavor or name,
            python_class=class_of(model),
            digest="",
            file=kind.FILE,
            libraries=libraries,
            python=platform.python_version(),
            params=kind.params(model),
            signature=signature,
        )
        with open(os.path.join(directory, FILE), "wb") as file:
            file.write(encode(described))
    except OSError as exc:
        raise WriteFailed(f"{directory} cannot be written: {exc.strerror}", "make room and try again") from exc
    return described


def load(directory: str, description: Model) -> object:
    """Give the model in `directory`, as `description` (its run's, or `read_description(directory)`) says.

    Loading runs the code that the model names: load only what you trust. Missing where its file is not there, Corrupt
    where it would lie outside the directory, CannotLoad where it is half or needs what is not here, MissingPackage
    where that is one of mlcli's extras, NotSupported where its flavor is unknown. Warns once where scikit-learn has
    changed.
    """
    kind = _flavor(description.flavor)
    name = description.file or kind.FILE
    if not plain(name):
        raise Corrupt(f"{escaped(description.path)} names a file outside its directory: {quoted(name)}", "mlcli check")
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        raise Missing(f"{escaped(description.path)}/{escaped(name)} is not here", "mlcli check")
    return kind.load(path, description)


def predict(model: object, description: Model, data: Any, *, method: str = "predict") -> Any:
    """Ask a loaded model about `data`; the answer has the model's own form, and `as_plain` makes lists of it.

    A scikit-learn model takes a DataFrame, an array, rows, or JSON's records and columns, put in order and read by the
    signature; any other object is handed `data` as it is. `method` is one of METHODS. InvalidValue where the data
    does not fit, NotSupported where the model has no such method or was never fitted.
    """
    return _flavor(description.flavor).predict(model, data, method, description.signature)


def _flavor(name: str) -> Flavor:
    module = FLAVORS.get(name)
    if module is None:
        raise NotSupported(
            f"{quoted(name)} is no flavor this mlcli knows: {', '.join(FLAVORS)}", "pip install -U mlcli"
        )
    return cast(Flavor, import_module(module, __name__))
