"""The stub that `site` imports: starts the watching, then runs the sitecustomize that it stands before.

It parses on every Python, does nothing where no run asks for it, and raises nothing of its own.
"""

import os
import sys

NEEDED = (3, 8)
# What it is called in tracebacks. Frames of such a name are passed over where a warning is put on its caller.
FILE = "<mlcli importlib._bootstrap>"
FUTURE = b"from __future__ import annotations\n"


def load(name, here, known):
    """The part `name` of the bootstrap as a module that is in no list, with `known` in its namespace."""
    module = type(sys)("_mlcli_" + name)
    module.__dict__.update(known)
    exec(_code(name, here), module.__dict__)  # noqa: S102
    return module


def _code(name, here):
    """Its code, from a cache of our own: where bytecode is not to be written, every Python would compile it again."""
    import marshal
    from io import FileIO

    source = os.path.join(here, "parts", name + ".py")
    told = os.stat(source)
    key = ("%x-%x-%x" % (told.st_mtime_ns, told.st_size, sys.hexversion)).encode().ljust(64)
    optimized = ".opt-%d" % sys.flags.optimize if sys.flags.optimize else ""
    cache = os.path.join(here, "cache", "%s.%s%s.bin" % (name, sys.implementation.cache_tag, optimized))
    try:
        with FileIO(cache) as file:
            kept = file.read()
        if kept[:64] == key:
            return marshal.loads(kept[64:])  # noqa: S302
    except (OSError, ValueError, EOFError, TypeError):
        pass
    with FileIO(source) as file:
        text = file.read()
    code = compile(text.replace(FUTURE, b"\n"), FILE, "exec", _flags(text), True)
    beside = "%s.%d" % (cache, os.getpid())
    try:
        with FileIO(beside, "w") as file:
            file.write(key + marshal.dumps(code))
        os.replace(beside, cache)
        if name == "core":
            _keep_own_bytecode()
    except OSError:
        pass
    return code


def _keep_own_bytecode():
    """Have this file's own bytecode beside it also where Python may write none: it is in a cache of ours."""
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode = False
        try:
            __spec__.loader.get_code(__name__)
        finally:
            sys.dont_write_bytecode = True


def _flags(text):
    """The compiler's flag for what is imported from the future: as an import, every Python would pay for it."""
    if FUTURE not in text:
        return 0
    import __future__

    return __future__.annotations.compiler_flag


def _is_mlcli():
    """Whether this is mlcli itself, as in a script that says `mlcli log`: what it reads is none of the run's."""
    words = list(getattr(sys, "orig_argv", ()))[1:3]
    return words == ["-m", "mlcli"] or os.path.basename((words or [""])[0]) == "mlcli"


def _watch(here):
    """Start the watching of this process, where a run asks for it."""
    if not os.environ.get("MLCLI_CAPTURE_DIR") or sys.version_info < NEEDED or hasattr(sys, "_mlcli_capture"):
        return
    if _is_mlcli():
        return
    sys._mlcli_capture = None
    try:
        core = load("core", here, {})
        core.start(core, here, load)
        sys._mlcli_capture = core  # so that it lives as long as what it patched
    except Exception:
        if os.environ.get("MLCLI_CAPTURE_DEBUG"):
            import traceback

            traceback.print_exc()


def _give_way(name, here):
    """Leave no trace on the path, and run what would have been imported were we not there; its errors are its own."""
    sys.path[:] = [each for each in sys.path if each != here]
    sys.path_importer_cache.pop(here, None)
    if sys.version_info < (3,):
        return _give_way_on_2(name)
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder

    spec = PathFinder.find_spec(name, sys.path)
    if spec is not None and spec.loader is not None:
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
    return None


def _give_way_on_2(name):
    imp = __import__("imp")
    try:
        found = imp.find_module(name)
    except ImportError:
        return
    imp.load_module(name, *found)


if __name__ in ("sitecustomize", "usercustomize"):
    _here = os.path.dirname(os.path.abspath(__file__))
    _watch(_here)
    _give_way(__name__, _here)
