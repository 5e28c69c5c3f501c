"""The params of a run that nobody logged: from the parsers it used, the configuration it read, its command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..domain.run import Param, ParamSource
from ..domain.values import MAX_PARAMS, same_value
from .events import Parsed
from .kept import kept
from .series import flattened, valid

MAX_CONFIG = 1 << 16
MAX_FROM_FILE = 400
CONFIG_ENDINGS = (".json", ".toml", ".yaml", ".yml", ".ini", ".cfg")


def found(
    parsed: Sequence[Parsed], configs: Sequence[tuple[str, str]], guessed: Mapping[str, Param]
) -> dict[str, Param]:
    """The params by precedence: what a parser was given, its defaults, configuration files, guesses.

    `parsed` are in the order in which processes started: what the first said of a key stands, unless it was a default
    and a later one was given it. Where a parser told what the command line means, guesses from it are dropped.
    `configs` are the files of configuration that were read: path as it is shown, and absolute.
    """
    every: dict[str, Param] = {} if parsed else dict(guessed)
    for shown, path in configs:
        for key, param in _configured(shown, path).items():
            if key not in every or every[key].source is ParamSource.COMMAND_LINE:
                every[key] = param
    told: dict[str, Param] = {}
    for event in parsed:
        for key, param in _told(event).items():
            if key not in told or _wins(param, told[key]):
                told[key] = param
    every.update(told)
    return dict(list(every.items())[:MAX_PARAMS])


def _wins(new: Param, old: Param) -> bool:
    return (
        new.source is ParamSource.GIVEN and old.source is ParamSource.DEFAULT and not same_value(old.value, new.value)
    )


def _told(event: Parsed) -> dict[str, Param]:
    """What a parser told; of Hydra's, which is nested, each leaf by the name that its command line has for it."""
    given = set(event.given)
    told = {}
    for key, value in (flattened(event.v, limit=MAX_PARAMS) if event.src == "hydra" else event.v).items():
        if valid(key):
            is_given = key in given or any(key[:at] in given for at, char in enumerate(key) if char == ".")
            told[key] = Param(kept(value, key), ParamSource.GIVEN if is_given else ParamSource.DEFAULT, event.src)
    return told


def is_config(path: str) -> bool:
    """Whether a file of this name can be one of configuration."""
    return path.lower().endswith(CONFIG_ENDINGS)


def _configured(shown: str, path: str) -> dict[str, Param]:
    """What a file of configuration holds, each as `<name of the file>.<key>.<key>`; nothing of one that holds data."""
    values = flattened(_content(path), limit=MAX_FROM_FILE + 1)
    if not values or len(values) > MAX_FROM_FILE or "" in values:
        return {}
    stem = os.path.splitext(os.path.basename(shown))[0]
    params = {}
    for key, value in values.items():
        name = f"{stem}.{key}"
        if valid(name) and not (isinstance(value, list) and _is_data(value)):
            params[name] = Param(kept(value, key), ParamSource.CONFIG, f"config {shown}")
    return params


def _is_data(values: list[Any]) -> bool:
    """Whether a list holds data rather than settings."""
    return len(values) > 100 or any(isinstance(value, list | dict) and len(value) > 20 for value in values)


def _content(path: str) -> Any:
    """The map in a file of configuration; nothing where it is none, is too large or does not read."""
    ending = os.path.splitext(path)[1].lower()
    reader = {".json": _json, ".toml": _toml, ".yaml": _yaml, ".yml": _yaml, ".ini": _ini, ".cfg": _ini}.get(ending)
    try:
        if reader is None or os.path.getsize(path) > MAX_CONFIG:
            return {}
        with open(path, "rb") as file:
            content = reader(file.read(MAX_CONFIG))
    except Exception:  # each reader has errors of its own
        return {}
    return content if isinstance(content, dict) else {}


def _json(content: bytes) -> Any:
    return msgspec.json.decode(content)


def _toml(content: bytes) -> Any:
    try:
        from tomllib import loads  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:  # Python 3.10
        from tomli import loads
    return loads(content.decode())


def _yaml(content: bytes) -> Any:
    import yaml  # where it is installed: mlcli does not ask for it

    if b"&" in content and content.count(b"*") > 20:
        return {}  # references to references can name billions of values in a few lines
    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe


def _ini(content: bytes) -> Any:
    from configparser import ConfigParser

    parser = ConfigParser(interpolation=None)
    parser.read_string(content.decode())
    return {name: dict(parser.items(name)) for name in parser.sections()}
