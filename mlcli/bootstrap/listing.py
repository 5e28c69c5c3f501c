"""The directories of the project that this process lists, as by a glob: what it finds there depends on their names."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

MOST = 10_000
# They look for packages and modules, not for data.
_LOOKING_FOR_CODE = ("importlib", "pkgutil", "pkg_resources", "setuptools", "inspect", "zipimport")

_told = set()
_root = ""


def start():
    """Watch the listing of directories."""
    global _root
    if "inputs" not in core.WATCHED:
        return
    _root = os.path.realpath(core.ROOT)
    for name in ("listdir", "scandir"):
        patching.replace(os, name, after=_was_listed)


def _was_listed(_found, path="."):
    if type(path) is int or len(_told) >= MOST:
        return
    path = os.path.realpath(os.fsdecode(path or "."))
    if path in _told or not (path == _root or path.startswith(_root + "/")):
        return
    # This is called by quietly, that by what stands for the function, and that by whoever lists.
    if sys._getframe(3).f_globals.get("__name__", "").startswith(_LOOKING_FOR_CODE):
        return
    below = path[len(_root) :]
    if "/." in below or "/__pycache__" in below or "-packages/" in below:
        return
    _told.add(path)
    core.tell("ls", may_wait=True, p=path)
