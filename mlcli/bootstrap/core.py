"""The watching of one process: what of it is told, and the parts that tell it, each loaded when it is needed.

Nothing here may raise into the program, print, or import what a plain Python does not: json and re take milliseconds.
"""

import io
import os
import sys
import time

INSTALLED = ("/site-packages/", "/dist-packages/")
NOT_USERS = ()  # where the code lies that is Python's own
HOOK = ""
ROOT = ""
STORE = ""
DIRECTORY = ""
WATCHED: "frozenset[str]" = frozenset()
DEBUG = False

now = time.time
_me = None
_load = None
_parts = {}
_stream = None
_is_fork = False
_users = {}
_sites = {}
FULLY = 20  # so many calls of one line are told of, later ones at powers of two


def start(me, hook, load):
    """Begin to watch this process as the environment asks for."""
    global HOOK, ROOT, STORE, DIRECTORY, WATCHED, DEBUG, NOT_USERS, _me, _load, _stream
    environ = os.environ
    _me, _load, HOOK = me, load, hook
    DIRECTORY = environ["MLCLI_CAPTURE_DIR"]
    ROOT = environ.get("MLCLI_ROOT") or os.getcwd()
    STORE = environ.get("MLCLI_STORE") or os.path.join(ROOT, ".mlruns")
    WATCHED = frozenset(environ.get("MLCLI_CAPTURE", "inputs,outputs,code,params,metrics,models").split(","))
    DEBUG = bool(environ.get("MLCLI_CAPTURE_DEBUG"))
    NOT_USERS = _not_users()
    _stream = part("stream").Stream(DIRECTORY)
    part("patching")
    _tell_process()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_stream.flush, after_in_child=_forked)
    part("imports").start()
    part("files").start()
    part("listing").start()
    part("processes").start()
    import atexit

    atexit.register(ended)


def _not_users():
    """Where the standard library and the environment's programs lie."""
    version = "python%d.%d" % sys.version_info[:2]
    return (
        os.path.dirname(os.__file__) + os.sep,
        os.path.join(sys.base_prefix, "lib", version) + os.sep,
        os.path.join(sys.prefix, "bin") + os.sep,
    )


def part(name):
    """A part of the bootstrap, loaded once; it finds this module as `core`, and `patching`."""
    found = _parts.get(name)
    if found is None:
        found = _parts[name] = _load(name, HOOK, {"core": _me, "patching": _parts.get("patching")})
    return found


# What is told


def tell(kind, may_wait=False, **fields):
    """Write one event; the values are those that `shown` or `plain` gave."""
    encoded = part("stream").encoded
    told = ",".join(['"%s":%s' % (name, encoded(value)) for name, value in fields.items()])
    append('{"e":"%s","t":%.6f,%s}' % (kind, now(), told), may_wait)


def append(line, may_wait=False):
    """Write one event that is JSON already."""
    _stream.append(line, may_wait)


def flush():
    """Write the events that wait, as the process may not come to its end by itself."""
    _stream.flush()


def shown(name, value):
    """A value as it may be told under `name`: as JSON can hold it, and without secrets."""
    stream = part("stream")
    value = stream.plain(value)
    secrets = part("secrets")
    if secrets.may_hold_secret('"%s":%s' % (name, stream.encoded(value))):
        return secrets.masked_value(name, value)
    return value


def shown_map(values):
    """The map as it may be told: secrets are known by the names in it."""
    return {str(name): shown(str(name), each) for name, each in list(values.items())}


def shown_argv(argv):
    """A command's arguments as they may be told."""
    if not isinstance(argv, (list, tuple)):
        return shown("", os.fsdecode(argv))
    texts = [os.fsdecode(each) for each in argv][:1000]
    secrets = part("secrets")
    return secrets.masked_argv(texts) if secrets.argv_may_hold_secret(texts) else texts


def trouble(where, error):
    """Tell that something could not be watched."""
    if DEBUG:
        sys.stderr.write("[mlcli] %s: %r\n" % (where, error))
    try:
        tell("trouble", where=where, what=shown("", repr(error)[:300]))
    except Exception:  # the place where trouble is told has none of its own
        return


# The process


def _tell_process():
    told = {"pid": os.getpid(), "ppid": os.getppid(), "argv": shown_argv(_argv()), "exe": sys.executable or ""}
    told["ver"] = "%d.%d.%d" % sys.version_info[:3]
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    tell("proc", prefix=sys.prefix, cwd=cwd, **told)


def _argv():
    """The command line: before 3.10 Python itself does not tell it in full."""
    if hasattr(sys, "orig_argv"):
        return sys.orig_argv
    try:
        with io.FileIO("/proc/self/cmdline") as file:
            return [os.fsdecode(each) for each in file.read()[:-1].split(b"\0")]
    except OSError:
        return [sys.executable] + list(getattr(sys, "argv", []))


def _forked():
    global _is_fork
    _is_fork = True
    _stream.forked()
    tell("fork", pid=os.getpid(), ppid=os.getppid())


def ended():
    """Tell that the process comes to its end, and what is known only now."""
    try:
        part("ending").tell_end()
    except Exception as error:
        trouble("exit", error)
    _stream.flush()
    _stream.direct = True


def leaving():
    """Tell the end of a process that leaves without the ceremonies; a fork's child is expected to."""
    if not _is_fork:
        ended()
    else:
        quietly("exit", part("files").tell_directories)


# Whose code it is


def users(code):
    """Whether a code object is of the user's project: neither Python's, nor installed, nor ours."""
    name = code.co_filename
    found = _users.get(name)
    if found is None:
        found = _users[name] = _is_users(name)
    return found


def _is_users(name):
    if name[:1] == "<":
        return name in ("<stdin>", "<string>") or name.startswith("<ipython")
    return is_project(os.path.abspath(name))


def is_project(path):
    """Whether a file of code is the project's: neither Python's, nor installed."""
    return not path.startswith(NOT_USERS) and INSTALLED[0] not in path and INSTALLED[1] not in path


def place(frame):
    """Where a frame stands, as it is told."""
    name = frame.f_code.co_filename
    return [name if name[:1] == "<" else os.path.abspath(name), frame.f_lineno]


def code_place(code):
    """Where a function begins, as it is told."""
    return [code.co_filename if code.co_filename[:1] == "<" else os.path.abspath(code.co_filename), code.co_firstlineno]


def class_name(kind):
    """The full name of a class."""
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def too_often(frame):
    """Whether this line was reached so often that this time is not told: the first calls are, then powers of two."""
    at = (frame.f_code.co_filename, frame.f_lineno)
    count = _sites[at] = _sites.get(at, 0) + 1
    return count > FULLY and count & (count - 1) != 0


def repeated():
    """The lines that were reached more often than told of, and how often."""
    return [(at, count) for at, count in _sites.items() if count > FULLY]


def quietly(where, function, *args, **named):
    """Call what tells something; what goes wrong there is no trouble of the program's."""
    try:
        return function(*args, **named)
    except Exception as error:
        trouble(where, error)
        return None
