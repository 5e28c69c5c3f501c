"""The readers and writers of libraries that open files outside Python, as a table names them.

A file is told of as if open() had opened it; a directory by the files in it; a URL or database without credentials.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import core, patching

MOST_FILES = 10_000
MOST_URLS = 1000
_urls = set()


def patch(module):
    """Watch the functions of a module that the table names."""
    for dotted, index, name, does in core.part("tables").READERS.get(module.__name__, ()):
        owner, _, function = dotted.rpartition(".")
        owner = getattr(module, owner, None) if owner else module
        if owner is not None:
            via = "%s.%s" % (module.__name__.partition(".")[0], dotted.replace(".__init__", ""))
            _watch(owner, function, index, name, does, via)
    if module.__name__ == "duckdb":
        for function in ("sql", "query", "execute", "from_query"):
            _watch_sql(module, function)
            _watch_sql(getattr(module, "DuckDBPyConnection", None), function)
    elif module.__name__ == "http.client":
        patching.wrap(module.HTTPConnection, "putrequest", before=_request, users_only=False)


def _watch(owner, function, index, name, does, via):
    def given(args, named):
        return named[name] if name in named else args[index] if len(args) > index else None

    def before(args, named, _frame):
        if _does(does, args, named) != "r":
            for path in _paths(given(args, named)):
                _before(path)

    def after(_result, args, named, _frame):
        _tell(given(args, named), _does(does, args, named), via, named)

    try:
        if isinstance(getattr(owner, function, None), type) and isinstance(owner, type(sys)):
            _watch_class(owner, function, before, after)
        else:
            patching.wrap(owner, function, before=before, after=after, users_only=False)
    except TypeError:
        return  # a class of C, which cannot be patched


def _watch_class(module, name, before, after):
    """Replace a class of C by one that makes the same objects, and tells of it; by a function where none derives."""
    original = getattr(module, name)

    class Meta(type(original)):
        def __call__(cls, *args, **named):
            core.quietly(name, before, args, named, None)
            made = original(*args, **named) if cls is ours else super().__call__(*args, **named)
            core.quietly(name, after, None, args, named, None)
            return made

        def __instancecheck__(cls, instance):
            return isinstance(instance, original) if cls is ours else type.__instancecheck__(cls, instance)

        def __subclasscheck__(cls, other):
            return issubclass(other, original) if cls is ours else type.__subclasscheck__(cls, other)

    try:
        about = {"__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
        ours = Meta(original.__name__, (original,), about)
    except TypeError:
        patching.wrap(module, name, before=before, after=after, users_only=False)
    else:
        setattr(module, name, ours)


def _does(does, args, named):
    """What a call does: r, w or rw; where an argument says it, from its mode."""
    if does == "rw" and (named.get("readonly") or named.get("read_only")):
        return "r"
    if type(does) is str:
        return does
    mode = named.get("mode", args[does] if len(args) > does else "r")
    if mode is None or mode in ("r", "rb"):
        return "r"
    return "rw" if mode == "a" or "+" in mode else "w"


def _paths(value):
    """What of an argument names files: text, bytes, paths, and lists of these."""
    if isinstance(value, (list, tuple, set)):
        return [path for each in list(value)[:MOST_FILES] for path in _paths(each)]
    if hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    return [value] if isinstance(value, str) and value and "\n" not in value and value[0] != ":" else []


def _tell(value, does, via, named):
    if does == "database":
        return _database(value, named)
    for path in _paths(value):
        if path.startswith("file:"):
            path = path[5:].partition("?")[0]
            path = path[2:] if path.startswith("//") else path
        if "://" in path[:16]:
            reached(path)
        else:
            for each in _expanded(path):
                _tell_file(each, does, via)
    return None


def _before(path):
    if "://" not in path[:16]:
        core.part("files").before_write(path)


def _tell_file(path, does, via):
    files, path = core.part("files"), os.path.abspath(path)
    if os.path.isdir(path):
        for each in _below(path):
            _tell_file(each, does, via)
    elif does == "r":
        files.was_read(path, via=via)
    else:
        files.was_written(path, also_read=does == "rw", via=via, may_come=True)


def _expanded(path):
    """The files that a pattern stands for; else the path, without the query of a reader's own."""
    if os.path.lexists(path):
        return [path]
    if "*" in path or "[" in path:
        from glob import glob

        return sorted(glob(path, recursive=True))[:MOST_FILES]
    if "?" in path or "#" in path:
        return [path.partition("?")[0].partition("#")[0]]
    return [path]


def _below(directory):
    """The files of a directory that is read or written as one."""
    found = []
    for place, names, files in os.walk(directory):
        names[:] = sorted(name for name in names if name[0] not in "._")
        found += [os.path.join(place, name) for name in sorted(files) if name[0] not in "._"]
        if len(found) > MOST_FILES:
            break
    return found[:MOST_FILES]


# URLs and databases


def reached(url, method=""):
    """Tell that a URL or database was asked for, once."""
    url = core.part("secrets").without_credentials(core.part("stream").plain(url))
    if url not in _urls and len(_urls) < MOST_URLS:
        _urls.add(url)
        core.tell("url", u=url, m=method)


def _database(value, named):
    text = "" if value is None else str(value)  # that of SQLAlchemy's own masks the password
    if "://" in text:
        if not text.startswith("sqlite"):
            reached(text)
        return
    words = dict(word.split("=", 1) for word in text.split() if "=" in word)
    words.update({name: each for name, each in named.items() if isinstance(each, (str, int))})
    host, port = words.get("host", "localhost"), words.get("port")
    name = words.get("dbname") or words.get("database") or ""
    reached("postgresql://%s%s/%s" % (host, ":%s" % port if port else "", name))


def _request(args, named, _frame):
    connection = args[0]
    method, url = (
        named.get("method", args[1] if len(args) > 1 else ""),
        named.get("url", args[2] if len(args) > 2 else ""),
    )
    if connection.host in ("localhost", "127.0.0.1", "::1"):
        return
    port = connection.port
    scheme = "https" if connection.default_port == 443 else "http"
    place = connection.host if port == connection.default_port else "%s:%s" % (connection.host, port)
    reached(url if "://" in str(url)[:10] else "%s://%s%s" % (scheme, place, url), str(method))


# SQL that names files


_CALL = compile("_mlcli_call()", "<mlcli importlib._bootstrap>", "eval")


def _watch_sql(owner, name):
    """Replace a function of SQL: called where the names of its caller are seen, as a statement may name a table so."""
    original = getattr(owner, name, None)
    if original is None:
        return

    def sql(*args, **named):
        from functools import partial

        frame = sys._getframe(1)
        names = dict(frame.f_locals)
        names["_mlcli_call"] = partial(original, *args, **named)
        core.quietly(name, _before_sql, args, named)
        result = eval(_CALL, frame.f_globals, names)  # noqa: S307
        core.quietly(name, _after_sql, args, named)
        return result

    try:
        setattr(owner, name, patching.like(sql, original))
    except TypeError:
        return  # a class of C, which cannot be patched


def _sql_files(args, named):
    """The files that a statement reads, and those that it writes: its quoted texts that look like paths."""
    import re

    text = next((each for each in args if isinstance(each, str)), named.get("query", ""))
    reads, writes = [], []
    if isinstance(text, str) and len(text) < 100_000:
        for found in re.finditer(r"(\bto\s+)?'([^'\n]+\.[A-Za-z0-9.*]+)'", text, re.I):
            (writes if found[1] else reads).append(found[2])
    return reads, writes


def _before_sql(args, named):
    for path in _sql_files(args, named)[1]:
        _before(path)


def _after_sql(args, named):
    reads, writes = _sql_files(args, named)
    for path in reads:
        if "://" in path or _expanded(path) != [path] or os.path.exists(path):
            _tell(path, "r", "duckdb.sql", {})
    for path in writes:
        _tell(path, "w", "duckdb.sql", {})
