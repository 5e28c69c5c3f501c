"""The entities of an RO-Crate: files, people, software, values, and the actions that lead from one to the other."""

from __future__ import annotations

import shlex
from base64 import urlsafe_b64encode
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..domain.names import is_python
from ..domain.run import Run, RunStatus
from .facts import made_by, packages_of, path_uri, python_url, remote_uri, sha256_of, told, web_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..domain.source import Person

_STATUS = {
    RunStatus.FINISHED: "http://schema.org/CompletedActionStatus",
    RunStatus.FAILED: "http://schema.org/FailedActionStatus",
    RunStatus.KILLED: "http://schema.org/FailedActionStatus",
}

Entity = dict[str, Any]


class Entities:
    """The entities of a crate by id, in the order they came up.

    `inside` are the files in the crate, {path: (size, digest)}; any other file is named by its digest.
    """

    def __init__(self, inside: Mapping[str, tuple[int, str]]) -> None:
        self.by_id: dict[str, Entity] = {}
        self.parts: list[str] = []
        self.actions: list[str] = []
        self._people: dict[Person, str] = {}
        self._places: dict[str, str] = {}  # by digest, the id of a file
        for path, (size, digest) in inside.items():
            self._places.setdefault(digest, self._file(path_uri(path), path, size, digest))

    def add_run(self, run: Run) -> None:
        """Take up a run: its action, and all that this refers to."""
        name = f"#run-{run.id}"
        self.actions.append(name)
        action: Entity = {
            "@id": name,
            "@type": "CreateAction",
            "name": run.name,
            "description": shlex.join(run.command.argv),
            "instrument": {"@id": self._instrument(run)},
            "agent": {"@id": self.person(run.user)},
            "startTime": _moment(run.started_at),
            **refs(
                object=self._inputs(run) + self._values(run, "param", _params(run)),
                result=self._results(run) + self._values(run, "metric", _metrics(run)),
                environment=self._values(run, "variable", run.environment.variables),
            ),
        }
        if run.ended_at:
            action["endTime"] = _moment(run.ended_at)
        if run.status in _STATUS:
            action["actionStatus"] = _STATUS[run.status]
        if run.status in {RunStatus.FAILED, RunStatus.KILLED}:
            how = f"signal {run.signal}" if run.signal else f"exit code {run.exit_code}"
            action["error"] = run.reason or f"{run.status}, {how}"
        self._put(action)

    def person(self, person: Person) -> str:
        """The id of a person, who is an entity from now on."""
        if person not in self._people:
            self._people[person] = f"#person-{len(self._people) + 1}"
            said = {"@id": self._people[person], "@type": "Person", "name": str(person)}
            self._put({**said, "email": person.email} if person.email else said)
        return self._people[person]

    def _instrument(self, run: Run) -> str:
        git = run.git
        code: Entity = {
            "@id": f"#code-{run.id}",
            "@type": "SoftwareSourceCode",
            "name": _program(run),
            "version": git.code or "no commit",
            **refs(softwareRequirements=[self._package(*each) for each in packages_of(run)]),
        }
        if remote := remote_uri(git):
            code["codeRepository"] = remote
            code["url"] = remote
        if git.commit is None:
            code["description"] = f"No commit: {git.reason or 'there was none'}"
        elif git.snapshot:
            code["description"] = f"Uncommitted changes to {git.commit}, kept as the commit {git.snapshot.commit}"
        elif git.lost:
            code["description"] = f"Uncommitted changes to {git.commit} were not kept: {git.lost}"
        if run.environment.python:
            code["programmingLanguage"] = {"@id": self._language(run.environment.python)}
        return self._put(code)

    def _language(self, version: str) -> str:
        said = {"@type": "ComputerLanguage", "name": f"Python {version}", "version": version}
        return self._put({"@id": python_url(version), **said})

    def _package(self, name: str, version: str, url: str) -> str:
        return self._put({"@id": url, "@type": "SoftwareApplication", "name": name, "softwareVersion": version})

    def _inputs(self, run: Run) -> list[str]:
        found = []
        for at, each in enumerate(run.inputs):
            sha256 = sha256_of(each.digest)
            if sha256 is None:
                said = {"@type": "CreativeWork", "name": each.path, "description": "Changed while it was read"}
                found.append(self._put({"@id": f"#input-{run.id}-{at}", **said}))
            elif each.files:
                told_of = {"@type": "Collection", "name": each.path, "description": f"{each.files} files",
                           "identifier": each.digest}  # fmt: skip
                found.append(self._put({"@id": f"#directory-{sha256}", **told_of}))
            else:
                name = self._places.setdefault(each.digest, _by_digest(sha256))
                found.append(self._file(name, each.path, each.size, each.digest))
        for url in run.urls:
            found.append(self._put({"@id": web_uri(url), "@type": "CreativeWork", "name": url}))
        return found

    def _results(self, run: Run) -> list[str]:
        found = []
        for path, size, digest in made_by(run):
            sha256 = sha256_of(digest)
            if self.by_id.get(path_uri(path), {}).get("sha256") == sha256:
                found.append(path_uri(path))
            elif sha256:
                found.append(self._file(self._places.setdefault(digest, _by_digest(sha256)), path, size, digest))
        return found

    def _file(self, name: str, path: str, size: int, digest: str) -> str:
        if name not in self.by_id:
            self.parts.append(name)
        said = {"@type": "File", "name": path, "contentSize": str(size), "sha256": sha256_of(digest)}
        return self._put({"@id": name, **said})

    def _values(self, run: Run, kind: str, values: dict[str, str]) -> list[str]:
        return [
            self._put({"@id": f"#{kind}-{run.id}-{at}", "@type": "PropertyValue", "name": key, "value": value})
            for at, (key, value) in enumerate(values.items(), 1)
        ]

    def _put(self, entity: Entity) -> str:
        self.by_id.setdefault(entity["@id"], entity)
        return str(entity["@id"])


def _by_digest(sha256: str) -> str:
    """The name of content wherever it lies, as RFC 6920 has it."""
    return f"ni:///sha-256;{urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip('=')}"


def refs(**names: list[str]) -> Entity:
    """Properties that name entities, each once; one of a single name is no list, and one of none is left out."""
    found = {key: [{"@id": name} for name in dict.fromkeys(told_of)] for key, told_of in names.items() if told_of}
    return {key: each if len(each) > 1 else each[0] for key, each in found.items()}


def _moment(at: datetime) -> str:
    """A time as the profile's judge reads it: an offset, and no finer than a millisecond."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _params(run: Run) -> dict[str, str]:
    return {key: told(param.value) for key, param in run.params.items()}


def _metrics(run: Run) -> dict[str, str]:
    return {key: told(metric.last) for key, metric in run.metrics.items()}


def _program(run: Run) -> str:
    """What is run: the script that a Python is given, else the program."""
    argv = run.command.argv
    if not argv:
        return "no command"
    script = next((word for word in argv[1:] if not word.startswith("-")), "") if is_python(argv[0]) else ""
    return script if script and "-c" not in argv[: argv.index(script)] else argv[0]
