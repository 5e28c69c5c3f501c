"""The objects that are written to files by what saves models: where to, and which models are in them."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

MOST_PARTS = 50
DEEPEST = 2
_FILE_NAMES = ("filename", "file", "fname", "f", "path")


def patch(module):
    """Watch what a module saves objects with."""
    package = module.__name__.partition(".")[0]
    for dotted, of_object, of_file in core.part("tables").DUMPS.get(module.__name__, ()):
        owner, _, function = dotted.rpartition(".")
        owner = getattr(module, owner, None) if owner else module
        if owner is not None:
            after = _after(package, "%s.%s" % (package, function), of_object, of_file)
            patching.wrap(owner, function, after=after, users_only=False)


def _after(package, how, of_object, of_file):
    def after(_result, args, named, frame):
        # What a library does by another of its own functions is told by the outer one.
        if frame.f_globals.get("__name__", "").partition(".")[0] == package:
            return
        path = _path(args[of_file] if len(args) > of_file else _named_file(named))
        written = args[of_object] if len(args) > of_object else named.get("value", named.get("obj"))
        if path is not None:
            cls = core.class_name(type(written))
            parts = {}
            _collect(written, "", 0, parts)
            core.tell("dump", p=path, how=how, cls=cls, parts=parts)

    return after


def _named_file(named):
    for name in _FILE_NAMES:
        if name in named:
            return named[name]
    return None


def _path(file):
    """The absolute path of a file that is given by its name or open; None where it has none."""
    if not isinstance(file, (str, bytes)) and not hasattr(file, "__fspath__"):
        file = getattr(file, "name", None)
        if not isinstance(file, (str, bytes)):
            return None
    return os.path.abspath(os.fsdecode(file))


def _collect(value, key, depth, parts):
    """Find the models in what is written: itself, in lists and maps, and as attributes of an object of the user's."""
    if len(parts) >= MOST_PARTS:
        return
    told = core.part("learning").fit_of(value)
    if told is not None or hasattr(value, "get_params") or hasattr(value, "state_dict"):
        cls = core.class_name(type(value))
        parts[key or "."] = {"cls": cls, "oid": id(value) if told is None else told, "fitted_here": told is not None}
    elif depth < DEEPEST:
        for name, each in _inner(value):
            _collect(each, "%s.%s" % (key, name) if key else str(name), depth + 1, parts)


def _inner(value):
    if isinstance(value, dict):
        return list(value.items())[:MOST_PARTS]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value[:MOST_PARTS]))
    return list(getattr(value, "__dict__", {}).items())[:MOST_PARTS]
