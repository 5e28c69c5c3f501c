"""The general flavor: any Python object that can be pickled, with or without a predict, kept by joblib.

Loading a pickle runs code that it names: load only models whose origin you know.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
import warnings
from contextlib import suppress
from typing import Any

from ..domain.names import escaped, quoted
from ..domain.run import Model, Signature
from ..errors import CannotLoad, MissingPackage, MlcliError, NotSupported, WriteFailed
from .base import ModelWarning, ask, class_of, distribution_of, missing_package, told
from .description import versions_of
from .signature import infer_signature

FILE = "model.joblib"

_PROTOCOL = 4  # read by every Python that mlcli runs on, and the same bytes from each
_TEXT = re.compile(rb"\x8c([\x01-\xff])([A-Za-z_][A-Za-z0-9_.]*)")  # a short string in that protocol
_GONE = re.compile(
    r"attribute '(?P<a>[^']+)' on <module '(?P<m>[^']+)'|module '(?P<m2>[^']+)' has no attribute '(?P<a2>[^']+)'"
)


def recognises(model: object) -> bool:
    """Any object but None: this is the flavor of last resort."""
    return model is not None


def save(model: object, path: str) -> list[str]:
    """Pickle the model to `path`, uncompressed; the distributions whose modules the pickle names.

    MissingPackage without joblib, NotSupported where the object cannot be pickled, WriteFailed where the disk says no;
    nothing is left behind. Warns where the pickle leans on the script itself, as only that script can load it.
    """
    joblib = _joblib("saving a model")
    try:
        joblib.dump(model, path, protocol=_PROTOCOL)
    except Exception as exc:
        with suppress(OSError):
            os.unlink(path)
        if isinstance(exc, OSError):
            raise WriteFailed(
                f"{path} cannot be written: {exc.strerror or told(exc)}", "make room and try again"
            ) from exc
        raise NotSupported(
            f"{class_of(model)} cannot be saved, as it cannot be pickled: {told(exc)}",
            "replace lambdas, local functions and open files in it by functions of a module",
        ) from exc
    modules = _modules_in(path)
    if "__main__" in modules:
        warnings.warn(
            f"{class_of(model)} uses a class or function of the script itself (__main__), so only that script can load "
            "it: move it into a module and import it from there",
            ModelWarning,
            stacklevel=3,
        )
    return sorted({"joblib", *(distribution_of(name) for name in modules - set(sys.stdlib_module_names))})


def load(path: str, description: Model) -> object:
    """Give the object pickled at `path`; this runs the code that it names.

    MissingPackage without joblib or scikit-learn, CannotLoad where the file is half, is no joblib file, or needs a
    module or class that is not here. One warning where scikit-learn has another version than when it was saved.
    """
    joblib = _joblib("loading a model")
    change = _sklearn_change(description)
    try:
        with warnings.catch_warnings():
            if change:
                # scikit-learn says it once per estimator in a pipeline; one line below says it for all.
                warnings.filterwarnings("ignore", message="Trying to unpickle estimator")
            model: object = joblib.load(path)
    except Exception as exc:
        raise _explained(exc, escaped(f"{description.path}/{description.file or FILE}"), description, change) from exc
    if change:
        then, now = change
        warnings.warn(
            f"{escaped(description.path)} was saved with scikit-learn {then} and is loaded with {now}: its answers "
            f'may differ (pip install "scikit-learn=={then}")',
            ModelWarning,
            stacklevel=3,
        )
    return model


def params(model: object) -> dict[str, Any]:
    """None that could be known of any object."""
    return {}


def signature(model: object, example: object) -> Signature | None:
    """Tell what the example shows. The object is not asked: nobody knows what its predict does besides."""
    return None if example is None else infer_signature(example)


def predict(model: object, data: Any, method: str, signature: Signature | None) -> Any:
    """Ask the object's method about `data`, which is handed over as it is."""
    return ask(model, method, data)


def _joblib(what: str) -> Any:
    try:
        import joblib
    except ImportError as exc:
        raise missing_package("joblib", what) or exc from None
    return joblib


def _modules_in(path: str) -> set[str]:
    """Find the top-level modules, of those loaded now, that the pickle names."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        texts = {match[2][: match[1][0]].decode() for match in _TEXT.finditer(content)}
    return {text.partition(".")[0] for text in texts if text in sys.modules}


def _sklearn_change(description: Model) -> tuple[str, str] | None:
    then = description.libraries.get("scikit-learn")
    now = versions_of(["scikit-learn"]).get("scikit-learn")
    return (escaped(then), now) if then and now and then != now else None


def _explained(exc: Exception, file: str, description: Model, change: tuple[str, str] | None) -> MlcliError:
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        return _module_gone(exc.name, file, description)
    if change:
        then, now = change
        return CannotLoad(
            f"{file} was saved with scikit-learn {then} and cannot be loaded with {now}: {told(exc)}",
            f'pip install "scikit-learn=={then}"',
        )
    gone = _GONE.search(str(exc)) if isinstance(exc, AttributeError) else None
    if gone:
        name, module = gone["a"] or gone["a2"], gone["m"] or gone["m2"]
        main = sys.modules["__main__"]
        if module in {"__main__", getattr(getattr(main, "__spec__", None), "name", None)}:
            return CannotLoad(
                f"{file} needs {quoted(name)} of the script that saved it",
                "move it into a module, import it from there and save the model again",
            )
        return CannotLoad(
            f"{file} needs {quoted(name)}, which the module {quoted(module)} does not have",
            "check out the commit the model was made at",
        )
    if isinstance(exc, OSError) and not isinstance(exc, EOFError):
        return CannotLoad(f"{file} cannot be read: {exc.strerror or told(exc)}")
    kind = escaped(description.python_class)
    return CannotLoad(
        f"{file} cannot be loaded as {kind}: half, altered or no joblib file ({told(exc, 120)})",
        "mlcli check",
    )


def _module_gone(module: str, file: str, description: Model) -> MissingPackage | CannotLoad:
    top = module.partition(".")[0]
    name = distribution_of(top)
    then = description.libraries.get(name)
    hint = f'pip install "{name}=={escaped(then)}"' if then else None
    if top in sys.modules and top != module:
        return CannotLoad(
            f"{file} needs the module {quoted(module)}, which the {quoted(top)} that is here does not have",
            hint or "check out the commit the model was made at",
        )
    return missing_package(top, file) or CannotLoad(
        f"{file} needs the module {quoted(module)}, which is not installed",
        hint or f"install what brings {quoted(top)}, or set PYTHONPATH to the directory it lies in",
    )
