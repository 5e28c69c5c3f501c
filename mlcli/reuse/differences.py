"""What of a run is not as it was, or not known to be: a reason for each thing that its command would find changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..capture.environment import is_version
from ..domain.observed import Output
from ..domain.run import Input, ParamSource, Run
from ..domain.source import Environment
from ..domain.values import same_value
from ..inputs import names_digest
from .outputs import place_for
from .present import Present

# They name the job, not what it does.
_JOBS = {
    "CI", "GITHUB_RUN_ID", "GITHUB_REPOSITORY", "CI_JOB_ID", "CI_PIPELINE_ID", "SLURM_JOB_ID", "VIRTUAL_ENV_PROMPT",
}  # fmt: skip


class Reason(Struct, frozen=True):
    """Why a command must run: what kind of thing it is, its name ('' for the command itself), and what became of it.

    `unknown` says that it is not known to be as it was, which a declared input makes up for.
    """

    kind: str
    key: str
    told: str
    unknown: bool = False

    def __str__(self) -> str:
        return f"{self.key} {self.told}".lstrip()


class Unlike(Struct, frozen=True):
    """Why a run cannot stand for its command now, and those of its outputs that are to be put back if it does."""

    reasons: list[Reason]
    gone: list[Output] = []


def unlike(run: Run, present: Present, *, thorough: bool = True) -> Unlike:
    """Hold a run against what is there now; where not `thorough`, up to the first reason."""
    covered = bool(present.asked.inputs)
    reasons = []
    gone: list[Output] = []
    for reason in _all(run, present, gone):
        if reason.unknown and covered:
            continue
        reasons.append(reason)
        if not thorough:
            break
    return Unlike(reasons, gone)


def _all(run: Run, present: Present, gone: list[Output]) -> Iterator[Reason]:
    yield from _params(run, present)
    yield from _code(run, present)
    yield from _inputs(run, present)
    yield from _environment(run, present)
    yield from _outputs(run, present, gone)
    yield from _unseen(run, present)


def _params(run: Run, present: Present) -> Iterator[Reason]:
    before = {key: param.value for key, param in run.params.items() if param.source is ParamSource.DECLARED}
    yield from _changes("params", before, present.asked.params)


def _code(run: Run, present: Present) -> Iterator[Reason]:
    for module in run.code.modules if run.code else ():
        if module.state == "changed":
            yield Reason("code", module.path, "was edited while it ran")
        elif not present.is_there(module.path):
            yield Reason("code", module.path, "is gone")
        elif not present.is_blob(module.path, module.blob):
            yield Reason("code", module.path, "changed")
    for repository in run.code.elsewhere if run.code else ():
        if not repository.files:
            yield Reason("code", repository.path, "lies outside of the project, and its files are not known", True)
        elif repository.digest != present.digest_of_code(repository.path, repository.files):
            yield Reason("code", repository.path, "changed")
    if present.asked.clean and run.git.dirty:
        yield Reason("code", "", f"run {run.id[:8]} was made from code that was not committed")


def _inputs(run: Run, present: Present) -> Iterator[Reason]:
    before = {each.path: each.digest for each in run.inputs if not each.seen}
    for path in dict.fromkeys((*before, *present.declared)):
        if path not in present.declared:
            yield Reason("inputs", path, "was declared")
        elif path not in before:
            yield Reason("inputs", path, "is declared anew")
        elif before[path] != present.declared[path]:
            yield Reason("inputs", path, "changed")
    for each in run.inputs:
        if each.seen and not each.packaged and (told := _input(each, present)):
            yield Reason("inputs", each.path, told, unknown=not each.digest)
    for path, digest in (run.capture.listed if run.capture else {}).items():
        if names_digest(present.workspace.place(path), path, run.inputs, run.outputs) != digest:
            yield Reason("inputs", path, "holds other files")
    for url in run.urls:
        yield Reason("inputs", url, "was asked, and what it answers now is not known", unknown=True)


def _input(before: Input, present: Present) -> str:
    if not before.digest:
        return "changed while it was read"
    if not present.is_there(before.path):
        return "is gone"
    return "" if present.digest(before.path) == before.digest else "changed"


def _environment(run: Run, present: Present) -> Iterator[Reason]:
    before = run.environment
    now = present.environment(before)
    for key in ("python", "platform", "machine"):
        was, is_ = getattr(before, key), getattr(now, key)
        if was != is_ and not (was and is_ and is_version(was, is_)):
            yield Reason("environment", key, f"{was or 'unknown'} -> {is_ or 'unknown'}")
    yield from _changes("packages", before.packages, now.packages)
    yield from _changes("variables", _variables(before), _variables(now))


def _variables(environment: Environment) -> dict[str, str]:
    return {name: value for name, value in environment.variables.items() if name not in _JOBS}


def _outputs(run: Run, present: Present, gone: list[Output]) -> Iterator[Reason]:
    """Why what the run wrote cannot be had again; what can be is added to `gone` where it is not there."""
    for each in run.outputs:
        now = present.digest(each.path)
        if now == each.digest or (now and each.path.endswith(".log")):  # to a log others write as well
            continue
        told = "changed" if now else "is gone"
        if not present.has_content(each.path, each.digest):
            yield Reason("outputs", each.path, f"{told}, and no copy of it was kept")
        elif place_for(present.workspace, each.path) is None:
            yield Reason("outputs", each.path, f"{told}, and cannot be put back where it lies")
        elif now and not present.has_content(each.path, now) and not present.may_keep(each.path):
            yield Reason("outputs", each.path, "changed, and is too large to be kept before it is replaced")
        else:
            gone.append(each)
    made = [each.path for each in run.outputs]
    for path in present.declared_outputs:
        if not any(each == path or each.startswith(f"{path}/") for each in made):
            yield Reason("outputs", path, f"is no output of run {run.id[:8]}")


def _unseen(run: Run, present: Present) -> Iterator[Reason]:
    """What of the run was not seen, so that it is not known whether it changed."""
    capture = run.capture
    if capture is None:
        yield Reason("capture", "", f"run {run.id[:8]} was not watched", unknown=True)
    elif not capture.complete:
        off = [f"its {', '.join(capture.off)} were not watched"] if capture.off else []
        for line in [*capture.missing, *off] or ["it was not seen in full"]:
            yield Reason("capture", "", line, unknown=True)
    if capture is None or not capture.complete or run.code is None:
        yield from _unknown_arguments(run, present)


def _unknown_arguments(run: Run, present: Present) -> Iterator[Reason]:
    """The files that the command names and of which nothing is recorded: a declared input covers only itself here."""
    known = {module.path for module in run.code.modules} if run.code else set()
    known |= {each.path for each in run.inputs} | {each.path for each in run.outputs}
    for word in present.asked.argv:
        named = word.rpartition("=")[2] if word.startswith("-") else word
        place = os.path.realpath(os.path.join(present.asked.cwd, named))
        path = os.path.relpath(place, os.path.realpath(present.workspace.root)).replace(os.sep, "/")
        if named and os.path.isfile(place) and not path.startswith("../") and path not in known:
            yield Reason("capture", path, "is named by the command and was not seen to be read: declare it by --input")


def _changes(kind: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Reason]:
    for key in dict.fromkeys((*before, *now)):
        if key not in now:
            yield Reason(kind, key, f"{_told(before[key])} is gone")
        elif key not in before:
            yield Reason(kind, key, f"{_told(now[key])} is new")
        elif not same_value(before[key], now[key]):
            yield Reason(kind, key, f"{_told(before[key])} -> {_told(now[key])}")


def _told(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or text.strip() != text else text[:100]
