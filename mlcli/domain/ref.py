"""The grammar of refs: what may be typed to name one run, version, file or commit."""

from __future__ import annotations

import re

from msgspec import Struct

from ..errors import InvalidRef
from .names import check_name, quoted
from .stage import Stage


class Newest(Struct, frozen=True):
    """`@` is the newest run, `@1` the one before it."""

    back: int


class Best(Struct, frozen=True):
    """`best:accuracy`; `best:accuracy:min` and `best:x:max` say which end is best."""

    metric: str
    lowest: bool | None


class Word(Struct, frozen=True):
    """A run's id, a prefix of it or its name; a model; a path; a commit or branch: what the word names is looked up."""

    text: str


class RunArtifact(Struct, frozen=True):
    """`runs:/<id>/model`, or `<run>:model`: an artifact of a run."""

    run: str
    path: str


class VersionRef(Struct, frozen=True):
    """`iris@3`."""

    model: str
    number: int


class StageRef(Struct, frozen=True):
    """`iris@production`."""

    model: str
    stage: Stage


class AliasRef(Struct, frozen=True):
    """`iris@champion`."""

    model: str
    alias: str


class NewestVersion(Struct, frozen=True):
    """`iris@latest`, `models:/iris/latest`."""

    model: str


class DigestRef(Struct, frozen=True):
    """`sha256:9f86d0…`, at least seven digits of it."""

    hex: str


Ref = Newest | Best | Word | RunArtifact | VersionRef | StageRef | AliasRef | NewestVersion | DigestRef

_EXAMPLES = "a ref is as 3f9a, @, best:accuracy, iris@3, iris@production, models:/iris/3, runs:/<id>/model or a file"
_STAGES = {stage.value for stage in Stage}


def parse(text: str) -> Ref:
    """What `text` names. The same grammar serves every command and the Python API; InvalidRef where no rule fits."""
    if not text or text != text.strip() or "\0" in text:
        raise InvalidRef(f"{quoted(text)} is no ref", _EXAMPLES)
    for prefix, rule in (("models:/", _models_uri), ("runs:/", _runs_uri), ("sha256:", _digest), ("best:", _best)):
        if text.startswith(prefix):
            return rule(text[len(prefix) :].lstrip("/"), text)
    if text.startswith("@"):
        if not re.fullmatch(r"@\d{0,9}", text, re.A):
            raise InvalidRef(f"{quoted(text)} is no ref: after '@' goes a number, as @1 for the run before", _EXAMPLES)
        return Newest(int(text[1:] or 0))
    model, at, which = text.rpartition("@")
    if at and "/" not in text:
        return _selected(model, which, text)
    return Word(text)


def parse_artifact(text: str) -> Ref:
    """A run with, after a colon, the path of one of its artifacts: `3f9a:model`; else as `parse`."""
    run, colon, path = text.partition(":")
    if colon and path and run not in {"models", "runs", "sha256", "best", "file"}:
        return RunArtifact(run, path)
    return parse(text)


def _selected(model: str, which: str, text: str) -> Ref:
    if not model or not which:
        raise InvalidRef(
            f"{quoted(text)} is no ref: '@' wants a model before it and a version or stage after", _EXAMPLES
        )
    check_name(model, "model")
    if re.fullmatch(r"v?[0-9]{1,9}", which):
        return VersionRef(model, int(which.lstrip("v")))
    if which.lower() in _STAGES:
        return StageRef(model, Stage(which.lower()))
    if which.lower() == "latest":
        return NewestVersion(model)
    return AliasRef(model, check_name(which, "alias"))


def _models_uri(rest: str, text: str) -> Ref:
    model, at, which = rest.partition("@")
    if not at:
        model, _, which = rest.partition("/")
    if not model or not which:
        raise InvalidRef(
            f"{quoted(text)} is no ref", "as models:/iris/3, models:/iris/Production or models:/iris@champion"
        )
    return _selected(model, which, text)


def _runs_uri(rest: str, text: str) -> Ref:
    run, _, path = rest.partition("/")
    if not run:
        raise InvalidRef(f"{quoted(text)} is no ref", "as runs:/<run id>/model")
    return RunArtifact(run, path) if path else Word(run)


def _digest(rest: str, text: str) -> Ref:
    if not re.fullmatch(r"[0-9a-f]{7,64}", rest):
        raise InvalidRef(f"{quoted(text)} is no digest", "as sha256: and 7 to 64 hexadecimal digits")
    return DigestRef(rest)


def _best(rest: str, text: str) -> Ref:
    metric, colon, end = rest.rpartition(":")
    if not colon or end not in {"min", "max"}:
        metric, end = rest, ""
    if not metric:
        raise InvalidRef(f"{quoted(text)} is no ref", "as best:accuracy or best:loss:min")
    return Best(metric, {"min": True, "max": False}.get(end))
