"""The other programs that this process starts, and the ends that do not come by themselves."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching


def start():
    """Watch how this process starts others, turns into another, and leaves at once."""
    patching.replace(os, "system", before=_system)
    patching.replace(os, "_exit", before=_exit)
    patching.replace(os, "execv", before=_exec)
    patching.replace(os, "execve", before=_exec)


def patch(subprocess):
    """Tell of what subprocess starts."""
    patching.wrap(subprocess.Popen, "__init__", before=_popen, users_only=False)


def _popen(args, named, _frame):
    command = named.get("args", args[1] if len(args) > 1 else None)
    env = named.get("env", args[11] if len(args) > 11 else None)
    _tell(command, env is not None)


def _tell(command, env):
    if hasattr(command, "__fspath__") or isinstance(command, bytes):
        command = os.fsdecode(command)
    core.tell("sub", argv=core.shown_argv(command), env=env)


def _system(command):
    _tell(command, False)


def _exec(path, argv, env=None):
    if os.path.exists(path):  # execvp tries every directory of PATH
        _tell(argv, env is not None and env is not os.environ)
        core.flush()


def _exit(status):
    core.leaving()
