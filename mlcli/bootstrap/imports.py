"""The modules that are imported: the project's are told of, and those of libraries that do things for it are patched.

The loader of source files is where both are seen, whatever finder found the file.
"""

import io
import os
import sys
from _frozen_importlib_external import ExtensionFileLoader, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

_FROZEN = "<frozen importlib._bootstrap_external>"  # frames of this file are cut out of tracebacks by importlib
_loaded = set()
_patched = {}
_NO_SOURCE = (".pyc", ".pyz", ".zip", ".egg")
script = None  # the absolute path of what this Python was started to run

# The modules that are patched, by the kinds that ask for it and the part that does it.
_READERS = (
    "sqlite3.dbapi2", "pyarrow", "pyarrow.parquet.core", "pyarrow.csv", "pyarrow.json",
    "pyarrow.dataset", "pyarrow.feather", "pyarrow.orc", "pyarrow.ipc", "polars", "duckdb", "h5py._hl.files",
    "xgboost.core", "lightgbm.basic", "cv2", "safetensors", "safetensors.numpy", "safetensors.torch",
    "torch.serialization", "torchvision.io", "torchvision.io.image", "torchaudio", "soundfile", "netCDF4", "lmdb",
    "catboost.core", "sqlalchemy.engine.create", "psycopg", "psycopg2", "http.client",
)  # fmt: skip
_PARSERS = ("argparse", "click.core", "typer._click.core", "hydra.core.utils")
_LEARNING = (
    "sklearn.base", "sklearn.model_selection._validation", "sklearn.metrics._classification",
    "sklearn.metrics._regression", "sklearn.metrics._ranking", "sklearn.metrics.cluster._supervised",
    "sklearn.metrics.cluster._unsupervised", "sklearn.pipeline", "sklearn.model_selection._search",
    "xgboost.sklearn", "lightgbm.sklearn", "catboost.core",
)  # fmt: skip
_BOOSTING = ("xgboost.training", "lightgbm.engine")
_DUMPS = (
    "joblib.numpy_pickle", "pickle", "dill._dill", "cloudpickle.cloudpickle", "skops.io._persist",
    "torch.serialization", "xgboost.core", "xgboost.sklearn", "lightgbm.basic", "catboost.core",
)  # fmt: skip


def start():
    """Watch the loading of modules, and patch those that are loaded already."""
    watched = core.WATCHED
    if "inputs" in watched or "outputs" in watched:
        _add(_READERS, "readers")
    _add(("subprocess",), "processes")
    if "params" in watched:
        _add(_PARSERS, "parsers")
    if "metrics" in watched or "models" in watched:
        _add(_LEARNING, "learning")
        _add(_BOOSTING, "boosting")
    if "models" in watched:
        _add(_DUMPS, "dumps")
    if "code" in watched:
        _watch_code()
    _find_script()
    _watch_modules()
    for name in _patched:
        if name in sys.modules:
            _patch(sys.modules[name])


def _add(names, part):
    for name in names:
        _patched[name] = _patched.get(name, ()) + (part,)


def _watch_code():
    original = SourceFileLoader.get_code

    def get_code(self, fullname):
        loaded(fullname, self.path)
        return original(self, fullname)

    SourceFileLoader.get_code = _as_importlib(get_code, original)
    compiled = ExtensionFileLoader.create_module

    def create_module(self, spec):
        loaded(spec.name, self.path)
        return compiled(self, spec)

    ExtensionFileLoader.create_module = _as_importlib(create_module, compiled)
    opened = getattr(io, "open_code", None)  # which runpy.run_path takes

    def open_code(path):
        loaded("", path)
        return opened(path)

    if opened is not None:
        io.open_code = patching.like(open_code, opened)


def _watch_modules():
    original = SourceFileLoader.create_module

    def create_module(self, spec):
        if spec.name in _patched:
            _patch_when_loaded(self)
        return original(self, spec)

    SourceFileLoader.create_module = _as_importlib(create_module, original)


def _as_importlib(ours, original):
    """A function whose frames importlib takes for its own: tracebacks of failing imports are as ever."""
    ours.__code__ = ours.__code__.replace(co_filename=_FROZEN)
    return patching.like(ours, original)


def _patch_when_loaded(loader):
    original = loader.exec_module

    def exec_module(module):
        loader.__dict__.pop("exec_module", None)
        original(module)
        _patch(module)

    exec_module.__code__ = exec_module.__code__.replace(co_filename=_FROZEN)
    loader.exec_module = exec_module


def _patch(module):
    for name in _patched.get(module.__name__, ()):
        try:
            core.part(name).patch(module)
        except Exception as error:
            core.trouble("%s of %s" % (name, module.__name__), error)


def loaded(name, path):
    """Tell that a file of code is executed as module `name`, where it is the project's."""
    try:
        if path in _loaded or core.INSTALLED[0] in path or path.startswith(core.NOT_USERS):
            return
        _loaded.add(path)
        path = os.path.abspath(path)
        if core.is_project(path) and not path.startswith(core.HOOK):
            _tell_loaded(name, path)
    except OSError:
        return  # as of a file that is gone
    except Exception as error:
        core.trouble("code", error)


def _tell_loaded(name, path):
    told = os.stat(path)
    core.tell("code", may_wait=True, p=path, n=name, st=[told.st_size, told.st_mtime_ns, told.st_ino])


def _find_script():
    """The script that this Python was started with, told of before it runs."""
    global script
    arguments = getattr(sys, "orig_argv", None)
    found = _script(arguments[1:]) if arguments else (getattr(sys, "argv", None) or [""])[0]
    if found and found != "-c" and found != "-m" and os.path.isfile(found):
        script = os.path.abspath(found)
        if "code" in core.WATCHED and not found.endswith(_NO_SOURCE):
            loaded("__main__", script)


def _script(arguments):
    """The script among an interpreter's arguments, '' where it runs a module, a command or what it is told."""
    arguments = iter(arguments)
    for each in arguments:
        if each[:1] != "-":
            return each
        if each in ("-W", "-X", "--check-hash-based-pycs"):
            next(arguments, "")
        elif each[:2] in ("-W", "-X"):
            continue
        elif each == "-" or (each[:2] != "--" and ("c" in each or "m" in each)):
            return ""
    return ""
