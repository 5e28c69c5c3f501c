"""From a ref to a model's version, by two small files where a stage or an alias names it."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.history import History
from ..domain.model import ModelVersion
from ..domain.names import escaped, quoted
from ..domain.ref import (
    AliasRef,
    NewestVersion,
    Ref,
    StageRef,
    VersionRef,
    Word,
)
from ..domain.stage import Stage
from ..errors import InvalidRef, MlcliError, NotFound
from ..workspace import Workspace


def version_of(workspace: Workspace, ref: Ref) -> ModelVersion:
    """The model version of a parsed ref."""
    store = workspace.store
    if isinstance(ref, Word):
        ref = NewestVersion(ref.text)
    if isinstance(ref, VersionRef):
        require_model(workspace, ref.model)
        return store.version(ref.model, ref.number)
    if isinstance(ref, NewestVersion):
        return store.version(ref.model, require_model(workspace, ref.model)[-1])
    if isinstance(ref, StageRef):
        return _in_stage(workspace, ref)
    if isinstance(ref, AliasRef):
        return _with_alias(workspace, ref)
    raise InvalidRef("this ref names no model version", "as iris@3, iris@production or models:/iris/3")


def require_model(workspace: Workspace, model: str) -> list[int]:
    """The numbers of a model's versions; NotFound where there is no such model."""
    numbers = workspace.store.version_numbers(model)
    if not numbers:
        close = close_names(model, workspace.store.models())
        hint = f"did you mean {close}?" if close else f"mlcli register {escaped(model)}"
        raise NotFound(f"no model is called {quoted(model)}", hint)
    return numbers


def _in_stage(workspace: Workspace, ref: StageRef) -> ModelVersion:
    holder = workspace.store.holder(ref.model, ref.stage) if ref.stage.exclusive else None
    if holder is not None and holder.number is not None:  # two small files, however long the history
        return workspace.store.version(ref.model, holder.number)
    numbers = require_model(workspace, ref.model)
    if not ref.stage.exclusive:
        history = workspace.store.standing(ref.model)
        for number in reversed(numbers):
            version = workspace.store.version(ref.model, number)
            if history.stage_of(version.digest) is ref.stage:
                return version
    raise NotFound(
        f"no version of {ref.model} is in {ref.stage}", f"mlcli promote {ref.model}@{numbers[-1]} {ref.stage.value}"
    )


def _with_alias(workspace: Workspace, ref: AliasRef) -> ModelVersion:
    holder = workspace.store.alias(ref.model, ref.alias)
    if holder is not None and holder.number is not None:
        return workspace.store.version(ref.model, holder.number)
    require_model(workspace, ref.model)
    there = [alias for alias in workspace.store.aliases(ref.model) if alias != ref.alias]
    close = close_names(ref.alias, [*there, *(stage.value for stage in Stage)])
    hint = f"did you mean {ref.model}@{close}?" if close else f"mlcli alias {ref.model}@N {escaped(ref.alias)}"
    raise NotFound(f"{ref.model} has no alias {quoted(ref.alias)}", hint)


def versions_of(
    workspace: Workspace, models: Iterable[str] | None = None, problems: list[MlcliError] | None = None
) -> list[ModelVersion]:
    """Every version of these models (none: of all); `problems` takes what cannot be read, which is raised otherwise."""
    store = workspace.store
    found = []
    for model in store.models() if models is None else models:
        for number in store.version_numbers(model):
            try:
                found.append(store.version(model, number))
            except MlcliError as problem:
                if problems is None:
                    raise
                problems.append(problem)
    return found


def history_of(workspace: Workspace, model: str, problems: list[MlcliError] | None = None) -> History:
    """What a model's history adds up to, without its events where they are many.

    Where it cannot be read and `problems` takes that, what the stages' own files say.
    """
    store = workspace.store
    stages = {}
    try:
        return store.standing(model)
    except MlcliError as problem:
        if problems is None:
            raise
        problems.append(problem)
    for stage in (Stage.STAGING, Stage.PRODUCTION):
        try:
            holder = store.holder(model, stage)
        except MlcliError as problem:
            problems.append(problem)
            continue
        if holder is not None and holder.version is not None:
            stages[holder.version] = stage
    return History(events=[], stages=stages, holders={}, heads=[])


def close_names(text: str, names: Iterable[str]) -> str:
    """The names that are most like what was typed, for a hint; '' where none is."""
    from difflib import get_close_matches

    return ", ".join(escaped(name) for name in get_close_matches(text, list(names), n=3, cutoff=0.6))
