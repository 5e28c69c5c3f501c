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
    `configs` are the files of configuration that were read: path as it is shown, and absolute. Hydra's are its own.
    """
    told: dict[str, Param] = {}
    for event in parsed:
        for key, param in _told(event).items():
            if key not in told or _wins(param, told[key]):
                told[key] = param
    every = dict(told)
    for shown, path in () if any(event.src == "hydra" for event in parsed) else configs:
        _add(every, _configured(path), shown)
    for key, param in guessed.items() if not parsed else ():
        every.setdefault(key, param)
    return dict(list(every.items())[:MAX_PARAMS])


def _add(every: dict[str, Param], values: Mapping[str, Any], shown: str) -> None:
    """Add what a file of configuration holds: a key by which another one said something else after the file's name."""
    stem = os.path.splitext(os.path.basename(shown))[0]
    for key, value in values.items():
        other = every.get(key)
        if other is not None and other.source is ParamSource.CONFIG and not same_value(other.value, value):
            key = f"{stem}.{key}"
        if key not in every and valid(key):
            every[key] = Param(value, ParamSource.CONFIG, f"config {shown}")


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


def _configured(path: str) -> dict[str, Any]:
    """What a file of configuration holds, its keys joined by dots; nothing of one that holds data."""
    values = flattened(_content(path), limit=MAX_FROM_FILE + 1)
    if len(values) > MAX_FROM_FILE:
        return {}
    return {key: kept(value, key) for key, value in values.items() if key and not _is_data(value)}


def _is_data(value: Any) -> bool:
    """Whether it is a list of data rather than of settings, or a map that is nested deeper than settings are."""
    if not isinstance(value, list):
        return isinstance(value, dict)
    return len(value) > 100 or any(isinstance(each, list | dict) and len(each) > 20 for each in value)


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
