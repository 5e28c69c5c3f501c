"""SLSA provenance v1 in an in-toto Statement v1: which files a run made, of what, and how."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from ..domain.names import escaped
from ..domain.numbers import finite
from ..errors import NotFound
from .facts import (
    as_json,
    made_by,
    one_link,
    packages_of,
    path_uri,
    products,
    python_url,
    remote_uri,
    sha256_of,
    stamp,
    web_uri,
)

if TYPE_CHECKING:
    from ..domain.run import Run
    from ..lineage import Lineage

# docs/exports.md says what they mean; another meaning takes another number.
BUILD_TYPE = "pkg:pypi/mlcli#run/v1"
BUILDER = "pkg:pypi/mlcli"


def document(lineage: Lineage) -> str:
    """The statement as JSON; NotFound where there is no file that it could be about."""
    link = one_link(lineage)
    run = link.run
    subject = [_file(path, digest) for path, _, digest in products(link) if sha256_of(digest)]
    if not subject:
        raise NotFound(
            f"run {run.id[:8]} {escaped(run.name)} made no file, and provenance is about files",
            f"mlcli show {run.id[:8]}",
        )
    names = {each["name"] for each in subject}
    return as_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": _definition(run), "runDetails": _details(run, names)},
        }
    )


def _definition(run: Run) -> dict[str, Any]:
    environment = run.environment
    unknown = [each.path for each in run.inputs if not each.digest]
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "command": run.command.argv,
            "directory": run.command.cwd,
            "params": {key: finite(param.value) for key, param in run.params.items()},
        },
        "internalParameters": {
            "experiment": run.experiment,
            "user": {"name": run.user.name, "email": run.user.email},
            "environment": {
                "python": environment.python,
                "implementation": environment.implementation,
                "platform": environment.platform,
                "machine": environment.machine,
                "cpus": environment.cpus,
                "variables": environment.variables,
            },
            "code": _code(run),
            **({"inputsWithoutDigest": unknown} if unknown else {}),
        },
        "resolvedDependencies": _dependencies(run),
    }


def _code(run: Run) -> dict[str, Any]:
    """What is to be known of the code besides its commit: where there is none, why; and what the commit lacks."""
    git = run.git
    if git.commit is None:
        return {"commit": None, "reason": git.reason or "there was no commit"}
    said: dict[str, Any] = {"commit": git.commit, "branch": git.branch, "dirty": git.dirty}
    if git.snapshot:
        said["snapshot"] = git.snapshot.commit
    if git.lost:
        said["lost"] = git.lost
    if run.code:
        said["executed"] = run.code.digest
    return said


def _dependencies(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    remote = remote_uri(run.git)
    if code := run.git.code:
        source: dict[str, Any] = {"name": "code"}
        if remote:
            source["uri"] = f"git+{remote}@{code}"
        found.append({**source, "digest": {"gitCommit": code}})
    for other in run.code.elsewhere if run.code else ():
        if other.commit:
            there = f"git+{path_uri(other.path)}@{other.commit}"
            found.append({"name": other.path, "uri": there, "digest": {"gitCommit": other.commit}})
    for each in run.inputs:
        if each.digest and each.files:
            found.append({"name": each.path, "digest": {"mlcliDirectory": each.digest.rpartition(":")[2]}})
        elif each.digest:
            found.append(_file(each.path, each.digest))
    found += [{"uri": web_uri(url)} for url in run.urls]
    if run.environment.python:
        found.append({"name": "python", "uri": python_url(run.environment.python)})
    return found + [{"name": name, "uri": url} for name, _, url in packages_of(run)]


def _details(run: Run, subjects: set[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"invocationId": run.id, "startedOn": stamp(run.started_at)}
    if run.ended_at:
        metadata["finishedOn"] = stamp(run.ended_at)
    values = {key: finite(metric.last) for key, metric in run.metrics.items()}
    ended = {"status": run.status.value, "exitCode": run.exit_code, "signal": run.signal, "reason": run.reason}
    others = [_file(path, digest) for path, _, digest in made_by(run) if path not in subjects and sha256_of(digest)]
    return {
        "builder": {"id": BUILDER},
        "metadata": metadata,
        "byproducts": [_content("metrics", values), _content("outcome", ended), *others],
    }


def _file(path: str, digest: str) -> dict[str, Any]:
    return {"name": path, "digest": {"sha256": sha256_of(digest) or ""}}


def _content(name: str, value: Any) -> dict[str, Any]:
    content = b64encode(msgspec.json.encode(value)).decode()
    return {"name": name, "mediaType": "application/json", "content": content}
