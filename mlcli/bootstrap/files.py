"""The files that this process opens, renames and overwrites: those neither Python's, nor the system's, nor ours.

Only the first opening of a name is told of. All that runs at every opening is in `Open.__call__`.
"""

import builtins
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

_open = builtins.open
_stat, _fstat, _getcwd = os.stat, os.fstat, os.getcwd

MANY = 256  # from so many files on, a directory is told of as one
MOST_NAMES = 100_000  # so many names are known at most
MOST_DIGESTED = 1 << 28
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/opt/conda/")
_WRITING = os.O_WRONLY | os.O_RDWR
_OF_HOME = (".cache", ".config", ".ipython", ".jupyter", ".local/share/jupyter")
_CODE = (".pyc", ".py", ".pyi", ".pyx", ".so")
_DESCRIPTIONS = (".py", ".pyc", ".rst", ".so")

_read = set()  # names that were opened, as they were given
_written = set()
_to_keep = set()  # paths of files that were read and not written to since
_in_directory = {}
_big = {}
_never = ()
_kept_below = ""
_reads = _writes = False


def start():
    """Watch the opening of files."""
    global _never, _kept_below, _reads, _writes
    _reads, _writes = "inputs" in core.WATCHED, "outputs" in core.WATCHED
    if not (_reads or _writes):
        return
    _kept_below = core.ROOT.rstrip("/") + "/"
    _never = _never_told()
    builtins.open = io.open = Open()
    patching.replace(os, "open", before=_before_os_open, after=_after_os_open)
    for name in ("rename", "replace"):
        patching.replace(os, name, before=_before_rename, after=_after_rename)
    for name in ("remove", "unlink"):
        patching.replace(os, name, before=_before_remove)
    for name in ("chdir", "fchdir"):
        patching.replace(os, name, after=_after_chdir)


def _never_told():
    home = os.path.expanduser("~")
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, core.DIRECTORY, core.HOOK, core.STORE]
    prefixes = {each.rstrip("/") + "/" for each in prefixes}
    # A project may lie below the prefix of its Python, as in /usr/src/app.
    prefixes = {each for each in prefixes if not _kept_below.startswith(each)}
    places = [os.path.join(home, name) + "/" for name in _OF_HOME]
    return tuple(prefixes) + tuple(each for each in places if not _kept_below.startswith(each))


class Open:
    """Stands for open(): the first opening of each name is told of.

    An object, as a function would become a method where it is the attribute of a class.
    """

    __slots__ = ()
    __name__ = __qualname__ = "open"
    __module__ = "io"
    __doc__ = _open.__doc__
    __text_signature__ = getattr(_open, "__text_signature__", None)
    __wrapped__ = _open
    __self__ = io

    def __call__(self, file, mode="r", *rest, **named):
        if mode == "r" or mode == "rb":
            opened = _open(file, mode, *rest, **named)
            try:
                if file not in _read:
                    was_read(file, opened.fileno())
            except Exception as error:  # the program has its file, whatever is wrong with telling of it
                core.trouble("open", error)
            return opened
        return _open_to_write(file, mode, rest, named)

    def __repr__(self):
        return repr(_open)

    def __reduce__(self):
        return "open"


def _open_to_write(file, mode, rest, named):
    """Open a file with another mode than r: before it is written to, what was read of it is digested."""
    writes = also_reads = False
    try:
        anew = "w" in mode or "a" in mode or "x" in mode
        also_reads = not anew
        writes = (anew or "+" in mode) and file not in _written
        if writes:
            before_write(file)
    except Exception as error:
        core.trouble("open", error)
        writes = False
    opened = _open(file, mode, *rest, **named)
    try:
        if writes:
            was_written(file, opened.fileno(), also_reads)
        elif also_reads and file not in _read:
            was_read(file, opened.fileno())
    except Exception as error:
        core.trouble("open", error)
    return opened


def _before_os_open(path, flags, mode=0o777, dir_fd=None):
    if dir_fd is None and flags & _WRITING and path not in _written:
        before_write(path)


def _after_os_open(fd, path, flags, mode=0o777, dir_fd=None):
    if dir_fd is not None:
        return
    if not flags & _WRITING:
        if path not in _read:
            was_read(path, fd)
    elif path not in _written:
        anew = flags & (os.O_TRUNC | os.O_EXCL | os.O_WRONLY)
        was_written(path, fd, also_read=not anew)


def _before_rename(src, dst, **at):
    if not at:
        before_write(dst)


def _after_rename(_result, src, dst, **at):
    before, after = _path(src), _path(dst)
    if at or before is None or after is None:
        return
    for name in (src, before):
        _read.discard(name)
        _written.discard(name)
    if _is_told(before) or _is_told(after):
        core.tell("mv", may_wait=True, a=before, b=after)


def _before_remove(path, **at):
    if not at:
        before_write(path)


def _after_chdir(_result, *_path):
    _read.clear()
    _written.clear()


# What is told of a file


def _path(file):
    """The absolute path of what was given to open(); None where it is a descriptor."""
    if type(file) is not str:
        if isinstance(file, int):
            return None
        file = os.fsdecode(file)
    if file[:1] != "/":
        file = _getcwd() + "/" + file
    return os.path.normpath(file) if "/." in file or "//" in file else file


def _know(names, file):
    """Remember a name, so that it is told once; whether it is new."""
    if type(file) is not str:
        file = os.fsdecode(file)
        if file in names:
            return False
    if len(names) < MOST_NAMES:
        names.add(file)
    return True


def was_read(file, fd=None, via=""):
    """Tell that a file was opened to be read, the first time; `via` is the function where it was not open()."""
    path = _path(file)
    if path is None or not _know(_read, file):
        return
    directory = path.rpartition("/")[0]
    if directory in _big:
        _big[directory] += 1
        return
    if not _is_told(path, reads=True):
        if path.endswith(".py") and "code" in core.WATCHED:  # which exec() is about to be given
            core.part("imports").loaded("", path)
        return
    told = _stamp(path, fd)
    if told is None:
        return
    _to_keep.add(path)
    if _reads:
        _tell(path, "r", told, via)
        _count(directory)


def was_written(file, fd=None, also_read=False, via="", may_come=False):
    """Tell that a file was opened to be written, the first time; one that `may_come` need not be there yet."""
    path = _path(file)
    if path is None or not _know(_written, file) or not _is_told(path):
        return
    told = _stamp(path, fd)
    if told is not None and (_writes or also_read):
        _tell(path, "rw" if also_read else "w", told, via)
    elif told is None and may_come and _writes and not os.path.lexists(path):
        core.tell("open", may_wait=True, p=path, m="w", via=via)


def _tell(path, mode, told, via):
    quoted = core.part("stream").quoted
    core.append(
        '{"e":"open","t":%.6f,"p":%s,"m":"%s","st":[%d,%d,%d]%s}'
        % ((core.now(), quoted(path), mode) + told + (',"via":%s' % quoted(via) if via else "",)),
        True,
    )


def _stamp(path, fd):
    """Size, time and inode; None where it is no regular file."""
    try:
        told = _fstat(fd) if fd is not None else _stat(path)
    except OSError:
        return None
    if told.st_mode & 0o170000 == 0o100000:
        return told.st_size, told.st_mtime_ns, told.st_ino
    return None


def _is_told(path, reads=False):
    """Whether a path is worth telling: data that packages bring is, though it lies among them."""
    if "-packages/" in path and ("/site-packages/" in path or "/dist-packages/" in path):
        return reads and ("/data/" in path or "/datasets/" in path) and not path.endswith(_DESCRIPTIONS)
    if path.startswith(_never) or path.endswith(_CODE) or "/.git/" in path or "/.mlruns/" in path:
        return False
    return not path.startswith(_SYSTEM) or path.startswith(_kept_below)


def _count(directory):
    count = _in_directory[directory] = _in_directory.get(directory, 0) + 1
    if count == MANY:
        del _in_directory[directory]
        _big[directory] = count
        core.tell("dir", p=directory, n=count)


def tell_directories():
    """Tell how many files were read of the directories that are told of as one."""
    for directory, count in _big.items():
        if count > MANY:
            core.tell("dir", may_wait=True, p=directory, n=count)


def before_write(file):
    """Tell the digest of a file that was read and is about to be written to, while it is still there."""
    if not _to_keep:
        return
    path = _path(file)
    if path not in _to_keep:
        return
    _to_keep.discard(path)
    if path in _written:
        return
    try:
        told = _stat(path)
        if told.st_size <= MOST_DIGESTED:
            core.tell("pre", p=path, h=_digest(path), st=[told.st_size, told.st_mtime_ns, told.st_ino])
    except OSError:
        return


def _digest(path):
    import hashlib

    digest = hashlib.sha256()
    with _open(path, "rb") as file:
        block = file.read(1 << 20)
        while block:
            digest.update(block)
            block = file.read(1 << 20)
    return digest.hexdigest()
