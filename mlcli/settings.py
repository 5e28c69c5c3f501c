"""What can be set, and where: flags > MLCLI_* > [tool.mlcli] in pyproject.toml or mlcli.toml > user file > default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from .domain.names import check_name, quoted
from .domain.numbers import parsed_size
from .errors import InvalidSettings

_CHOICES = {
    "durability": ("full", "none"),
    "snapshot": ("yes", "no"),
    "snapshot_secrets": ("warn", "leave out"),
    "require_pushed": ("yes", "no"),
}
_SIZES = ("snapshot_file_limit", "snapshot_limit", "output_file_limit", "output_limit")


class Settings(Struct, frozen=True):
    """What can be set: flags > MLCLI_* > [tool.mlcli] in pyproject.toml or mlcli.toml > user file > default."""

    experiment: str = "default"
    durability: str = "full"
    snapshot: str = "yes"
    snapshot_file_limit: str = "10 MB"
    snapshot_limit: str = "100 MB"
    snapshot_secrets: str = "warn"
    require_pushed: str = "no"
    output_file_limit: str = "100 MB"
    output_limit: str = "1 GB"
    no_capture: str = ""


def read_settings(root: str, environ: Mapping[str, str]) -> Settings:
    """The settings in force; InvalidSettings names the file or variable that cannot be used."""
    found: dict[str, tuple[Any, str]] = {}
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", ""), ".config")
    for path, table in (
        (f"{home}/mlcli/config.toml", ()),
        (f"{root}/mlcli.toml", ()),
        (f"{root}/pyproject.toml", ("tool", "mlcli")),
    ):
        found.update({key: (value, path) for key, value in _toml_table(path, table).items()})
    for key in Settings.__struct_fields__:
        if value := environ.get(f"MLCLI_{key.upper()}"):
            found[key] = (value, f"MLCLI_{key.upper()}")
    return _checked(found)


def _checked(found: Mapping[str, tuple[Any, str]]) -> Settings:
    known: dict[str, str] = {}
    for key in Settings.__struct_fields__:
        if key not in found:
            continue
        value, where = found[key]
        if key in _SIZES and type(value) is int:
            value = str(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        if not isinstance(value, str):
            raise InvalidSettings(f"{key} in {where} must be a text, not {quoted(value)}")
        if key in _CHOICES:
            value = _chosen(key, value, where)
        elif key in _SIZES and parsed_size(value) is None:
            raise InvalidSettings(f"{key} in {where} is {quoted(value)}", "use a size, as 10 MB")
        elif key == "experiment":
            check_name(value, "experiment")
        known[key] = value
    return Settings(**known)


def _chosen(key: str, value: str, where: str) -> str:
    choices = _CHOICES[key]
    said = {"true": "yes", "1": "yes", "on": "yes", "false": "no", "0": "no", "off": "no"}.get(value.lower(), value)
    if (value if value in choices else said) not in choices:
        raise InvalidSettings(f"{key} in {where} is {quoted(value)}", f"use one of {', '.join(choices)}")
    return value if value in choices else said


def _toml_table(path: str, table: tuple[str, ...]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return {}
    if table and ".".join(table).encode() not in data:
        return {}  # reading TOML costs more than a whole document: most pyproject.toml say nothing of mlcli
    try:
        from tomllib import loads  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:  # Python 3.10
        from tomli import loads
    try:
        content: Any = loads(data.decode())
    except ValueError as error:
        raise InvalidSettings(f"{path} is not valid TOML: {error}") from None
    for key in table:
        content = content.get(key, {}) if isinstance(content, dict) else {}
    return content if isinstance(content, dict) else {}
