"""What things may be called, and the names given to runs that were given none."""

from __future__ import annotations

import re
import unicodedata

from ..errors import InvalidName, InvalidValue

MAX_NAME = 128
MAX_NAME_BYTES = 200
MAX_KEY = 250

_WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
_RESERVED_ALIAS = re.compile(r"(v?[0-9]+|latest|none|staging|production|archived)", re.I)

_ADJECTIVES = """
    able amber ample apt azure bold brave bright brisk calm civil clear clever cool coral crisp daring deft
    eager early easy fair fast fine firm fleet fond frank fresh gentle glad golden good grand green happy hardy
    hazel honest humble ideal jolly keen kind lively loyal lucid lucky merry mild modest neat nimble noble
    patient placid plain polite proud pure quick quiet rapid ready
""".split()  # noqa: SIM905
_NOUNS = """
    adder alpaca badger beaver bison bobcat buffalo camel cheetah condor crane curlew dingo dolphin eagle egret
    elk falcon ferret finch fox gannet gecko gibbon goose grouse hare hawk heron ibex ibis jackal jaguar jay
    kestrel kiwi lark lemur linnet lion llama lynx magpie marten merlin moose newt ocelot orca oriole osprey
    otter owl panda petrel plover puffin quail raven robin seal stoat swan
""".split()  # noqa: SIM905


def run_name(run_id: str) -> str:
    """A readable name for a run, from its id: the same id gives the same name."""
    number = int(run_id[:8], 16)
    return f"{_ADJECTIVES[number % len(_ADJECTIVES)]}-{_NOUNS[number // len(_ADJECTIVES) % len(_NOUNS)]}"


def is_python(program: str) -> bool:
    """Whether a program of this name, or at this path, is a Python."""
    name = program.rpartition("/")[2]
    return name.startswith(("python", "pypy")) and not name.endswith("-config")


def escaped(text: object) -> str:
    """`text` with every control and direction-changing character shown as an escape: safe to print anywhere."""
    raw = text if isinstance(text, str) else str(text)
    if raw.isascii() and raw.isprintable():
        return raw
    return "".join(_shown(char) for char in raw)


def escaped_in_json(text: str) -> str:
    """JSON text with such characters in its strings spelled out, which reads back as the same."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(char if char == "\n" or _is_harmless(char) else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _is_harmless(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) in {"Zs", "Cn"}


def _shown(char: str) -> str:
    if _is_harmless(char):
        return char
    code = ord(char)
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def quoted(text: object, limit: int = 60) -> str:
    """`text` between quotes for a message: escaped, and cut where it would fill the screen."""
    raw = text if isinstance(text, str) else str(text)
    shown = escaped(raw[: limit + 1])
    return f"'{shown}'" if len(shown) <= limit else f"'{shown[:limit]}…' ({len(raw)} characters)"


def check_name(name: str, what: str) -> str:
    """`name` if it may name a model, experiment or alias; else InvalidName.

    One to 128 letters, digits, '_', '.' or '-' of any script, beginning with a letter, a digit or '_'.
    """
    why = _name_fault(name)
    if why:
        raise InvalidName(
            f"{quoted(name)} cannot name {_article(what)}: {why}",
            "use letters, digits, '-', '_' and '.', as in 'iris-forest'",
        )
    return name


def _name_fault(name: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME:
        return f"it has {len(name)} characters and at most {MAX_NAME} fit"
    if (size := len(name.encode("utf-8", "surrogatepass"))) > MAX_NAME_BYTES:
        return f"it has {size} bytes and at most {MAX_NAME_BYTES} fit"
    if unicodedata.normalize("NFC", name) != name:
        return "it is not in Unicode's composed form (NFC)"
    for char in name:
        if not (char.isalnum() or char in "_.-" or unicodedata.category(char) in {"Mn", "Mc"}):
            return f"it holds {quoted(char)}"
    if name[0] in ".-":
        return f"it begins with '{name[0]}'"
    if name.endswith("."):
        return "it ends with '.'"
    if name.split(".")[0].lower() in _WINDOWS_DEVICES:
        return "the name is a device on Windows"
    return None


def sounding(name: str) -> str:
    """What two names share that a file system may take for one: case and Unicode's ways of spelling are left out."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_alias(name: str) -> str:
    """`name` if it may be an alias: a name that is no number and no stage."""
    check_name(name, "alias")
    if _RESERVED_ALIAS.fullmatch(name):
        raise InvalidName(f"{quoted(name)} cannot name an alias: it is reserved", "choose a word as 'champion'")
    return name


def check_key(key: str, what: str) -> str:
    """`key` if it may name a param, metric or tag: 1 to 250 printable characters without '='."""
    if not key or key != key.strip():
        raise InvalidName(f"{quoted(key)} cannot name {_article(what)}: it is empty or begins or ends with a space")
    if len(key) > MAX_KEY:
        raise InvalidName(f"{quoted(key)} cannot name {_article(what)}: at most {MAX_KEY} characters fit")
    if "=" in key or escaped(key) != key:
        raise InvalidName(f"{quoted(key)} cannot name {_article(what)}: '=' and control characters are not allowed")
    return key


def check_run_name(name: str) -> str:
    """`name` if it may be shown as a run's name: any text of 1 to 250 characters, kept as it is."""
    if not name.strip():
        raise InvalidName("a run's name cannot be empty")
    if len(name) > MAX_KEY:
        raise InvalidName(f"{quoted(name)} cannot name a run: at most {MAX_KEY} characters fit")
    return storable(name)


def storable(text: str) -> str:
    """`text` if it is valid Unicode; else InvalidValue (a lone surrogate cannot be kept as UTF-8)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{quoted(text)} is not valid Unicode text") from None
    return text


def check_artifact_path(path: str) -> str:
    """`path` if it names one place below a run's artifacts on every file system; else InvalidName."""
    fault = None
    plain = path.isascii() and path.isprintable() and len(path) <= 200  # as most are, and there may be thousands
    if not path or path.startswith(("/", "~")) or "\\" in path or ":" in path:
        fault = "it must be relative, with '/' between its parts"
    elif not plain and len(path.encode("utf-8", "surrogatepass")) > 1000:
        fault = "at most 1000 bytes fit"
    for part in path.split("/") if not fault else ():
        if part in {"", ".", ".."}:
            fault = f"it holds the part {quoted(part)}"
        elif part[-1] in ". " or part.partition(".")[0].lower() in _WINDOWS_DEVICES:
            fault = f"the part {quoted(part)} cannot be kept on every system"
        elif plain:
            continue
        elif len(part.encode("utf-8", "surrogatepass")) > 200:
            fault = "a part of it has more than 200 bytes"
        elif any(char < " " or char == "\x7f" for char in part):
            fault = "it holds a control character"
    if fault:
        raise InvalidName(f"{quoted(path)} cannot name an artifact: {fault}")
    return path if plain else storable(path)


def _article(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
