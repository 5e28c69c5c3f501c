"""Aliases: movable names for one version each."""

from __future__ import annotations

from msgspec import Struct

from ..chronicle import restate, tell
from ..domain.history import Action
from ..domain.model import ModelVersion
from ..domain.names import check_alias, quoted, sounding
from ..domain.ref import AliasRef, parse
from ..errors import InvalidName, InvalidRef, NotFound, Refused
from ..lookup import find_version
from ..workspace import Workspace


class Aliased(Struct, frozen=True, kw_only=True):
    """An alias that was given or taken: whose it is, or was; whose it was before; whether it changed now."""

    version: ModelVersion
    alias: str
    before: int | None = None
    made: bool = True


def alias(workspace: Workspace, version_text: str, name: str, *, why: str = "", once: bool = False) -> Aliased:
    """Let an alias name a version. One that names it already is Refused, or accepted with `once`."""
    check_alias(name)
    store, version = workspace.store, find_version(workspace, version_text)
    with store.changing(version.model):
        history = store.standing(version.model)
        for other in store.aliases(version.model):
            if other != name and sounding(other) == sounding(name):
                raise InvalidName(
                    f"{quoted(name)} and the alias {quoted(other)} differ in case or spelling only, which not every "
                    "system can keep",
                    f"mlcli alias {version.ref} {other}",
                )
        held = history.aliases.get(name, (None, ""))[0]
        there = store.alias(version.model, name)
        if held == version.digest and ("alias", name) not in history.torn:
            if not once:
                raise Refused(f"{name} is {version.ref} already", "mlcli alias --once … accepts that")
            restate(workspace, version.model, history)
            return Aliased(version=version, alias=name, before=version.number, made=False)
        event = tell(workspace, version, Action.ALIASED, history, why=why, alias=name)
        restate(workspace, version.model, history.followed(event))
    return Aliased(version=version, alias=name, before=there.number if there and held else None)


def unalias(workspace: Workspace, text: str, *, why: str = "") -> Aliased:
    """Take an alias, as iris@champion, from the version that has it; NotFound where none has."""
    ref = parse(text)
    if not isinstance(ref, AliasRef):
        raise InvalidRef(f"{quoted(text)} names no alias", "as iris@champion")
    store, version = workspace.store, find_version(workspace, text)
    with store.changing(version.model):
        history = store.standing(version.model)
        held = history.aliases.get(ref.alias, (None, ""))[0]
        if held != version.digest:
            raise NotFound(f"{ref.model} has no alias {quoted(ref.alias)}", f"mlcli history {ref.model}")
        event = tell(workspace, version, Action.UNALIASED, history, why=why, alias=ref.alias)
        restate(workspace, version.model, history.followed(event))
    return Aliased(version=version, alias=ref.alias, before=version.number)
