"""The event file of a process: one JSON line an event, appended, so that a kill loses none that was told."""

import os
import sys
import time
from _thread import RLock

AT_ONCE = 256  # so many events of a process are written as they come, and survive whatever ends it
BATCH = 64  # later ones are written together, where they may wait
DEEPEST = 8
MOST_ITEMS = 1000
LONGEST = 5000
LONGEST_REPR = 300
FEW = 64  # of an array so many values are kept


class Stream:
    """Appends lines to this process's file in `directory`; opened for each write, so it holds no descriptor.

    A descriptor would be closed by closerange() and its number given to a file of the user's, and would shift the
    numbers that the program sees.
    """

    def __init__(self, directory):
        self._directory = directory
        self._path = self._name()
        self._lines = []
        self._told = 0
        self._lock = RLock()
        self._functions = os.open, os.write, os.close  # those of the user are replaced later
        self.direct = False  # every event is written as it comes

    def _name(self):
        return os.path.join(self._directory, "%d-%x.jsonl" % (os.getpid(), time.time_ns()))

    def append(self, line, may_wait):
        """Write a line, or keep it for a batch."""
        with self._lock:
            self._lines.append(line)
            self._told += 1
            if not may_wait or self.direct or self._told <= AT_ONCE or len(self._lines) >= BATCH:
                self.flush()

    def flush(self):
        """Write what is kept. A full disk, or a directory that is gone, is no trouble of the program's."""
        if not self._lines:
            return
        with self._lock:
            lines, self._lines = self._lines, []
            opened, write, close = self._functions
            try:
                fd = opened(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
                try:
                    write(fd, ("\n".join(lines) + "\n").encode("ascii"))
                finally:
                    close(fd)
            except OSError:
                pass

    def forked(self):
        """In the child of a fork: a file of its own, written through, as such a process mostly ends by os._exit."""
        self._lock = RLock()
        self._lines = []
        self._path = self._name()
        self.direct = True


def encoded(value):
    """The JSON of what `plain` gave: of text, numbers, lists and maps."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is dict:
        return "{" + ",".join([quoted(name) + ":" + encoded(each) for name, each in value.items()]) + "}"
    if kind is list:
        return "[" + ",".join([encoded(each) for each in value]) + "]"
    return repr(value)


def quoted(text):
    """A JSON string, without json, which takes milliseconds to import."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    return '"' + "".join([_escaped(char) for char in text]) + '"'


def _escaped(char):
    code = ord(char)
    if 0x20 <= code < 0x7F:
        return "\\" + char if char in '"\\' else char
    if 0xD800 <= code < 0xE000:  # a byte of a name that is no text; JSON has no word for it
        return "\\\\u%04x" % code
    if code < 0x10000:
        return "\\u%04x" % code
    code -= 0x10000
    return "\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))


def plain(value, depth=0):
    """`value` as JSON can hold it: what it cannot is shown by its name, shape or repr. Never raises."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return value if len(value) <= LONGEST else value[:LONGEST] + "..."
    if kind is int:
        return value if -(1 << 63) <= value < 1 << 64 else str(value)
    if kind is float:
        return finite(value)
    try:
        return _plain_object(value, depth)
    except Exception:
        return "<%s>" % kind.__name__


def finite(number):
    """A float as JSON can hold it: what is no number is text."""
    if number - number == 0:
        return float(number)
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _plain_object(value, depth):
    if depth < DEEPEST:
        if isinstance(value, dict):
            items = list(value.items())[:MOST_ITEMS]
            return {str(name): plain(each, depth + 1) for name, each in items}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(each, depth + 1) for each in list(value)[:MOST_ITEMS]]
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, str):
        return plain(str.__str__(value), depth)
    if isinstance(value, type) or (hasattr(value, "__qualname__") and callable(value)):
        return class_name(value)
    if hasattr(value, "__fspath__"):
        return plain(os.fsdecode(value), depth)
    return _plain_data(value, depth)


def _plain_data(value, depth):
    """Of an array or a number of a library its values where they are few, else its kind and shape."""
    shape = getattr(value, "shape", None)
    if shape is not None and isinstance(shape, tuple):
        if len(shape) == 0 and hasattr(value, "item"):
            return plain(value.item(), depth + 1)
        if hasattr(value, "tolist") and getattr(value, "size", FEW + 1) <= FEW:
            return plain(value.tolist(), depth + 1)
        return "<%s %s>" % (class_name(type(value)), "x".join([str(each) for each in shape]))
    if isinstance(value, int):
        return plain(int(value), depth)
    if isinstance(value, float):
        return finite(float(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "read") and isinstance(getattr(value, "name", None), str):
        return value.name
    if isinstance(value, (bytes, bytearray)):
        return plain(value[:LONGEST].decode("utf-8", "backslashreplace"))
    shown = repr(value)
    return shown if len(shown) <= LONGEST_REPR else shown[:LONGEST_REPR] + "..."


def class_name(kind):
    """The full name of a class or function."""
    return "%s.%s" % (kind.__module__, kind.__qualname__)
