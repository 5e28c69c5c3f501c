"""The other programs that this process starts, and the ends that do not come by themselves."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching


def start():
    """Watch how this process starts others, turns into another, and leaves at once."""
    patching.replace(os, "system", around=_system)
    patching.replace(os, "_exit", around=_exit)
    patching.replace(os, "execv", around=_exec)
    patching.replace(os, "execve", around=_exec)


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


def _system(original, command):
    core.quietly("system", _tell, command, False)
    return original(command)


def _exec(original, path, argv, *env, **named):
    if os.path.exists(path):  # execvp tries every directory of PATH
        core.quietly("exec", _tell, argv, bool(env) and env[0] is not os.environ)
        core.quietly("exec", core.flush)
    return original(path, argv, *env, **named)


def _exit(original, *args, **named):
    core.leaving()
    return original(*args, **named)
