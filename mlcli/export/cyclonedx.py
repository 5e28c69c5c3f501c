"""CycloneDX 1.6 as a bill of materials of a model: its files, libraries, data, params, metrics and commit."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from .facts import as_json, one_link, packages_of, products, remote_uri, sha256_of, stamp, title, told

if TYPE_CHECKING:
    from ..domain.model import ModelVersion
    from ..domain.run import Run, Signature
    from ..domain.source import Person
    from ..lineage import Lineage, Link

_SPACE = uuid.UUID("2b1c0c5e-35a0-5c4a-9f5c-0d7a5a1d8e64")  # of our own: what serial numbers are made in
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")

Component = dict[str, Any]


def document(lineage: Lineage) -> str:
    """The bill of materials as JSON; its serial number is one of the version, or of the run, and stays the same."""
    link = one_link(lineage)
    version, run = link.version, link.run
    libraries, data = _libraries(run), _data(run)
    parts = libraries + data
    by = version.registered_by if version else run.user
    at = version.registered_at if version else run.ended_at or run.started_at
    return as_json(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, version.digest if version else run.id)}",
            "version": 1,
            "metadata": {
                "timestamp": stamp(at),
                "tools": {"components": [{"type": "application", "name": "mlcli"}]},
                "authors": [_contact(by)],
                "component": _model(link, version, data),
            },
            "components": parts,
            "dependencies": [{"ref": "model", "dependsOn": [part["bom-ref"] for part in parts]}],
        }
    )


def _model(link: Link, version: ModelVersion | None, data: list[Component]) -> Component:
    run, files = link.run, products(link)
    model: Component = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": version.model if version else run.name,
        "version": str(version.number) if version else run.id,
        "description": f"{title(link)}, made by run {run.name}",
        "properties": _properties(run),
        "modelCard": _card(link, version, data),
    }
    if version and version.why:
        model["description"] += f": {version.why}"
    if len(files) == 1:
        model["hashes"] = _hashes(files[0][2])
    model["components"] = [
        {"type": "file", "bom-ref": f"file:{at}", "name": path, "hashes": _hashes(digest),
         "properties": [{"name": "mlcli:size", "value": str(size)}]}
        for at, (path, size, digest) in enumerate(files, 1)
    ]  # fmt: skip
    remote = remote_uri(run.git)
    if code := run.git.code:
        commit = {"uid": code, "message": _message(run)}
        model["pedigree"] = {"commits": [{**commit, "url": f"{remote}#{code}"} if remote else commit]}
    if remote:
        model["externalReferences"] = [{"type": "vcs", "url": remote}]
    return model


def _message(run: Run) -> str:
    if run.git.snapshot:
        return f"uncommitted changes to {run.git.commit}"
    return run.git.subject or ""


def _card(link: Link, version: ModelVersion | None, data: list[Component]) -> Component:
    run = link.run
    described = version.artifact if version else next(iter(run.models), None)
    parameters: Component = {"datasets": [{"ref": each["bom-ref"]} for each in data]}
    if described and described.python_class:
        parameters["modelArchitecture"] = described.python_class
    if described and described.signature:
        parameters |= _shape(described.signature)
    metrics = [{"type": key, "value": told(metric.last)} for key, metric in run.metrics.items()]
    return {
        "modelParameters": parameters,
        **({"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}),
    }


def _shape(signature: Signature) -> Component:
    return {
        key: [{"format": f"{field.name}: {field.dtype}" if field.name else field.dtype} for field in fields]
        for key, fields in (("inputs", signature.inputs), ("outputs", signature.outputs))
    }


def _properties(run: Run) -> list[dict[str, str]]:
    """What the format has no place for, by names of ours."""
    git, environment = run.git, run.environment
    said = {
        "run": run.id,
        "status": run.status.value,
        "command": told(run.command.argv),
        "directory": run.command.cwd,
        "python": environment.python,
        "platform": f"{environment.platform} {environment.machine}".strip(),
        "uncommitted": "kept" if git.snapshot else "lost" if git.lost else "",
        "no commit": "" if git.commit else git.reason or "there was none",
    }
    pairs = [(key, value) for key, value in said.items() if value]
    pairs += [(f"param:{key}", told(param.value)) for key, param in run.params.items()]
    pairs += [(f"tag:{key}", value) for key, value in run.tags.items()]
    pairs += [("url", url) for url in run.urls]
    return [{"name": f"mlcli:{key}", "value": value} for key, value in pairs]


def _libraries(run: Run) -> list[Component]:
    return [
        {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
        for name, version, url in {each[2]: each for each in packages_of(run)}.values()
    ]


def _data(run: Run) -> list[Component]:
    """What the run read; a directory that counts as one input has no hash of a file, its digest is a property."""
    found = []
    for at, each in enumerate(run.inputs, 1):
        part: Component = {"type": "data", "bom-ref": f"data:{at}", "name": each.path}
        if each.digest and not each.files:
            part["hashes"] = _hashes(each.digest)
        said = {"size": str(each.size), "files": str(each.files or ""), "digest": each.digest if each.files else "",
                "changed": "while it was read" if each.changed else ""}  # fmt: skip
        part["properties"] = [{"name": f"mlcli:{key}", "value": value} for key, value in said.items() if value]
        found.append(part)
    return found


def _hashes(digest: str) -> list[dict[str, str]]:
    sha256 = sha256_of(digest)
    return [{"alg": "SHA-256", "content": sha256}] if sha256 else []


def _contact(person: Person) -> dict[str, str]:
    """A person as a contact; the format takes only what is an address for an e-mail address."""
    said = {"name": str(person)}
    return {**said, "email": person.email} if _EMAIL.fullmatch(person.email) else said
