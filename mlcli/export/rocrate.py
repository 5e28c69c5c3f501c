"""RO-Crate 1.1 as the profile Process Run Crate 0.5 has it: one action for each run that led to a model."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..domain.names import quoted
from ..domain.run import Artifact
from ..errors import Refused, WriteFailed
from .entities import Entities, Entity, refs
from .facts import as_json, one_link, runs_of, stamp, title

if TYPE_CHECKING:
    from ..lineage import Lineage, Link
    from ..workspace import Workspace

FILE = "ro-crate-metadata.json"
_SPEC = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"


def document(lineage: Lineage, inputs: Sequence[Artifact] = ()) -> str:
    """The metadata as JSON: files in the crate are named by their paths, any other by its digest.

    In the crate are what the link is about, as far as it is here, and `inputs`.
    """
    link = one_link(lineage)
    entities = Entities({file.path: (file.size, file.digest) for file in [*_own(link), *inputs]})
    for run in runs_of(link):
        entities.add_run(run)
    context = [f"{_SPEC}/context", {term: f"{_TERMS}{term}" for term in ("sha256", "environment")}]
    return as_json({"@context": context, "@graph": [*_frame(link, entities), *entities.by_id.values()]})


def write(workspace: Workspace, lineage: Lineage, directory: str) -> list[str]:
    """Make a crate of a new directory: its metadata, the link's files and what is here of its inputs; their paths.

    All or nothing. Refused where something is there already, Corrupt where content is not what it was, WriteFailed
    where the disk says no.
    """
    link = one_link(lineage)
    if _taken(directory):
        raise Refused(f"{quoted(directory, 200)} is there already", "name a new directory")
    inputs = _kept(workspace, link)
    beside = f"{directory.rstrip('/')}.mlcli-{os.urandom(4).hex()}"
    try:
        os.makedirs(beside)
        for file in [*_own(link), *inputs]:
            place = os.path.join(beside, file.path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(workspace.store.content_path(file), place)
        with open(os.path.join(beside, FILE), "w", encoding="utf-8") as metadata:
            metadata.write(document(lineage, inputs) + "\n")
        os.replace(beside, directory)
    except OSError as error:
        raise WriteFailed(
            f"{quoted(directory, 200)} cannot be written: {error.strerror}", "name another place"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [FILE, *(file.path for file in [*_own(link), *inputs])]


def _taken(directory: str) -> bool:
    try:
        return os.path.lexists(directory) and os.listdir(directory) != []
    except OSError:  # a file, or nothing that we may look into
        return True


def _own(link: Link) -> list[Artifact]:
    return [file for file, is_here in zip(link.artifacts, link.here, strict=True) if is_here and file.path != FILE]


def _kept(workspace: Workspace, link: Link) -> list[Artifact]:
    """The inputs whose content is here, below `inputs/`; one outside the project, by its absolute path."""
    found: dict[str, Artifact] = {}
    held = {file.digest for file in link.artifacts}
    for each in link.run.inputs:
        place = f"inputs/{each.path.strip('/')}"
        within = ".." not in place.split("/") and each.digest not in held
        file = Artifact(path=place, size=each.size, digest=each.digest)
        if within and not each.files and workspace.store.has_content(file):
            found.setdefault(place, file)
    return list(found.values())


def _frame(link: Link, entities: Entities) -> list[Entity]:
    """The entities that every crate has: its descriptor, its root, the profile and the licence."""
    version, run = link.version, link.run
    at = version.registered_at if version else run.ended_at or run.started_at
    about = f"run {run.name} ({run.id}): {shlex.join(run.command.argv)}"
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": title(link),
        "description": f"Model {version.ref}, made by {about}" if version else f"What came of {about}",
        "datePublished": stamp(at),
        "license": {"@id": "#license"},
        "conformsTo": {"@id": _PROFILE},
        "author": {"@id": entities.person(version.registered_by if version else run.user)},
        **refs(hasPart=entities.parts, mentions=entities.actions),
    }
    if version:
        root["version"] = str(version.number)
        root["identifier"] = version.digest
    return [
        {"@id": FILE, "@type": "CreativeWork", "conformsTo": {"@id": _SPEC}, "about": {"@id": "./"}},
        root,
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        _licence(run.tags.get("license")),
    ]


def _licence(said: str | None) -> Entity:
    name, why = (said, "As the tag of the run says") if said else ("Not stated", "Ask who made this how it may be used")
    return {"@id": "#license", "@type": "CreativeWork", "name": name, "description": why}
