"""What can be set, and where: flags > MLCLI_* > [tool.mlcli] in pyproject.toml or mlcli.toml > user file > default."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from .domain.names import check_name, quoted
from .domain.numbers import parsed_size
from .errors import InvalidSettings, InvalidValue

if TYPE_CHECKING:
    from .domain.gate import Gate, StageRules

_CHOICES = {
    "durability": ("full", "none"),
    "snapshot": ("yes", "no"),
    "snapshot_secrets": ("warn", "leave out"),
    "require_pushed": ("yes", "no"),
    "sign": ("yes", "no"),
}
_SIZES = ("snapshot_file_limit", "snapshot_limit", "output_file_limit", "output_limit")


class Settings(Struct, frozen=True):
    """What can be set: flags > MLCLI_* > [tool.mlcli] in pyproject.toml or mlcli.toml > user file > default.

    `stages` are the rules of stages by their names in small letters; only files of the project give them.
    """

    experiment: str = "default"
    durability: str = "full"
    snapshot: str = "yes"
    snapshot_file_limit: str = "10 MB"
    snapshot_limit: str = "100 MB"
    snapshot_secrets: str = "warn"
    require_pushed: str = "no"
    sign: str = "no"
    output_file_limit: str = "100 MB"
    output_limit: str = "1 GB"
    no_capture: str = ""
    stages: dict[str, StageRules] = {}

    def signs(self, stage: str | None = None) -> bool:
        """Whether what is written is signed: everything, or what enters a stage (None: any) that asks for it."""
        rules = self.stages.values() if stage is None else [self.stages[stage]] if stage in self.stages else []
        return self.sign == "yes" or any(each.signed for each in rules)


_STAGES = "stages"
_KNOWN = set(Settings.__struct_fields__)
_RULES = ("require", "force", "timeout")
_EXAMPLE = "as: [tool.mlcli.stages.production] with require = ['clean', 'metrics.accuracy >= 0.95']"


def read_settings(root: str, environ: Mapping[str, str]) -> Settings:
    """The settings in force; InvalidSettings names the file or variable that cannot be used."""
    found: dict[str, tuple[Any, str]] = {}
    stages: list[tuple[Any, str]] = []
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", ""), ".config")
    for path, table in (
        (f"{home}/mlcli/config.toml", ()),
        (f"{root}/mlcli.toml", ()),
        (f"{root}/pyproject.toml", ("tool", "mlcli")),
    ):
        read = _toml_table(path, table)
        if read.keys() - _KNOWN:
            _refuse_misspelt(read, path)
        if _STAGES in read:
            stages.append((read.pop(_STAGES), path))
        found.update({key: (value, path) for key, value in read.items()})
    for key in Settings.__struct_fields__:
        if key != _STAGES and (value := environ.get(f"MLCLI_{key.upper()}")):
            found[key] = (value, f"MLCLI_{key.upper()}")
    settings = _checked(found)
    return replace(settings, stages=_stages(stages, f"{home}/mlcli/config.toml")) if stages else settings


def _checked(found: Mapping[str, tuple[Any, str]]) -> Settings:
    known: dict[str, Any] = {}
    for key in Settings.__struct_fields__:
        if key not in found or key == _STAGES:
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


def _refuse_misspelt(read: Mapping[str, Any], where: str) -> None:
    """InvalidSettings where rules would not be in force for a letter; other words may be those of a newer mlcli."""
    for key, value in read.items():
        if key not in _KNOWN and isinstance(value, dict) and (close := _close(key.lower(), [_STAGES], 0.8)):
            raise InvalidSettings(f"{where} has a table {quoted(key)}, which says nothing", f"did you mean {close}?")


def _stages(tables: list[tuple[Any, str]], users: str) -> dict[str, StageRules]:
    """The rules of each stage, of whichever file has them."""
    from .domain.stage import Stage

    found: dict[str, tuple[StageRules, str]] = {}
    for table, where in tables:
        if where == users:
            raise InvalidSettings(f"{where} has rules of stages, which are the project's", "put them in pyproject.toml")
        if not isinstance(table, dict):
            raise InvalidSettings(f"{_STAGES} in {where} must be a table, not {quoted(table)}", _EXAMPLE)
        for name, rules in table.items():
            if name.lower() not in {stage.value for stage in Stage}:
                stages = [stage.value for stage in Stage]
                meant = f"did you mean {close}? " if (close := _close(name.lower(), stages)) else ""
                raise InvalidSettings(
                    f"{quoted(name)} in {where} is no stage", f"{meant}stages are {', '.join(stages)}"
                )
            stage = Stage.parse(name).value
            if stage in found:
                both = f"in {where} twice" if found[stage][1] == where else f"both in {found[stage][1]} and in {where}"
                raise InvalidSettings(f"the rules of stage {stage} are {both}", "keep them in one place")
            found[stage] = _rules(rules, stage, where), where
    return {stage: rules for stage, (rules, _) in found.items()}


def _rules(table: Any, stage: str, where: str) -> StageRules:
    from .domain.gate import StageRules

    if not isinstance(table, dict):
        raise InvalidSettings(f"stage {stage} in {where} must be a table, not {quoted(table)}", _EXAMPLE)
    if unknown := sorted(table.keys() - set(_RULES)):
        meant = f"did you mean {close}? " if (close := _close(unknown[0], _RULES)) else ""
        raise InvalidSettings(
            f"stage {stage} in {where} has no setting {quoted(unknown[0])}", f"{meant}settings are {', '.join(_RULES)}"
        )
    require, force = table.get("require", []), table.get("force", False)
    if not isinstance(require, list) or not all(isinstance(text, str) for text in require):
        raise InvalidSettings(f"require of stage {stage} in {where} must be a list of texts", _EXAMPLE)
    if not isinstance(force, bool):
        raise InvalidSettings(f"force of stage {stage} in {where} must be true or false, not {quoted(force)}")
    return StageRules(
        require=tuple(_gate(text, stage, where) for text in require),
        force=force,
        timeout=_timeout(table.get("timeout", "10 m"), stage, where),
    )


def _gate(text: str, stage: str, where: str) -> Gate:
    from .domain.gate import parse

    try:
        return parse(text)
    except InvalidValue as error:
        raise InvalidSettings(f"stage {stage} in {where}: {error.message}", error.hint) from None


def _timeout(text: Any, stage: str, where: str) -> float:
    from .domain.values import duration

    try:
        seconds = duration(text).total_seconds() if isinstance(text, str) else 0.0
    except InvalidValue:
        seconds = 0.0
    if seconds <= 0:
        raise InvalidSettings(f"timeout of stage {stage} in {where} is {quoted(text)}", "use a time, as '10 m' or '1h'")
    return seconds


def _close(word: str, known: Iterable[str], likeness: float = 0.5) -> str:
    from difflib import get_close_matches

    return "".join(get_close_matches(word, list(known), n=1, cutoff=likeness))


def _toml_table(path: str, table: tuple[str, ...]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        # Without it, rules that it may hold would not be in force.
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}", "ls -l shows whose it is") from None
    if table and not (".".join(table).encode() in data or (b"mlcli" in data and _STAGES.encode() in data)):
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
