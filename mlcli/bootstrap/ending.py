"""What is told as a process ends: packages, the main script, what was counted."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core


def tell_end():
    """Tell all that is known only now."""
    core.part("files").tell_directories()
    for at, count in core.repeated():
        core.tell("calls", may_wait=True, at=[at[0] if at[0][:1] == "<" else os.path.abspath(at[0]), at[1]], n=count)
    packages = _packages()
    # A script's __file__ is gone by now; a module's, run by -m, is not.
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    main = os.path.abspath(main) if isinstance(main, str) else core.part("imports").script
    failed = getattr(sys, "last_exc", None) is not None or getattr(sys, "last_value", None) is not None
    core.tell("exit", pid=os.getpid(), main=main, pkgs=packages, failed=failed)


def _packages():
    """The installed packages that are loaded, with their version, '' where they do not say it.

    Modules of the project that came by an importer of others are told of as code here.
    """
    packages = {}
    loaded = core.part("imports").loaded
    for name, module in list(sys.modules.items()):
        try:
            # The plain attribute: a lazy module would be loaded by asking for another.
            about = object.__getattribute__(module, "__dict__")
        except AttributeError:
            continue
        path = about.get("__file__")
        if type(path) is not str:
            continue
        if "-packages/" not in path:
            if path.endswith(".py") and "code" in core.WATCHED:
                loaded(name, path)
        elif "." not in name and not name.startswith("_"):
            version = about.get("__version__")
            packages[name] = version if type(version) is str else ""
    return packages
