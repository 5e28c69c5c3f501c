"""What is about to be committed and does not belong into git: models that no version knows, large files, runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .checking import Finding, Severity
from .domain.digest import for_content
from .domain.names import quoted
from .domain.numbers import parsed_size
from .errors import InvalidValue
from .observation.kinds import recognised
from .workspace import Workspace

if TYPE_CHECKING:
    from .gitrepo.staged import StagedFile

LIMIT = "10 MB"
_REGISTRY = {"models", "store.json", ".gitignore"}
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]+\n)*?oid (sha256:[0-9a-f]{64})\n")


def strays(workspace: Workspace, paths: Sequence[str] = (), *, limit: str = LIMIT) -> list[Finding]:
    """Judge the files `paths` as git's index holds them (none: all that is staged); GitError outside a repository.

    Refused are a model file whose content is no artifact of a version that is registered or staged, a file above
    `limit`, and what belongs to runs. A file kept by Git LFS is judged by what it points to, and is never too large.
    """
    most = parsed_size(limit)
    if most is None:
        raise InvalidValue(f"{quoted(limit)} is no size", "use a size, as 10 MB")
    found: list[Finding] = []
    others: list[StagedFile] = []
    for file in workspace.repository.staged_blobs([os.path.abspath(path) for path in paths] or None):
        if f"/{file.path}".find("/.mlruns/") >= 0:
            found += _local(file)
        elif file.size > most:
            message = f"it has {file.size:,} bytes, and {limit} are allowed"
            hint = f"git restore --staged {file.path}, and name it in .gitignore; or allow more with --max-size"
            found.append(_refused("file-large", file, message, hint))
        else:
            others.append(file)
    return sorted([*found, *_unknown_models(workspace, others)], key=lambda each: each.subject)


def _local(file: StagedFile) -> Iterator[Finding]:
    """Refuse what lies below `.mlruns/` and is not of the registry."""
    below = f"/{file.path}".rpartition("/.mlruns/")[2]
    if below.partition("/")[0] not in _REGISTRY:
        yield _refused("store-local", file, "it belongs to a run, which stays on this machine")


def _unknown_models(workspace: Workspace, files: Sequence[StagedFile]) -> Iterator[Finding]:
    """Refuse models whose content no version knows."""
    named: dict[str, list[StagedFile]] = {}
    for file in files:
        named.setdefault(file.blob, []).append(file)
    models: list[tuple[StagedFile, str, str]] = []
    for blob, content in workspace.repository.contents({file.blob: file.size for file in files}):
        models += [(file, *told) for file in named[blob] if (told := _model(content, file.path))]
    known = _known(workspace) if models else set()
    for file, kind, digest in models:
        if digest not in known:
            message = f"it is a model ({kind}) that no registered version knows"
            hint = "mlcli register it and stage .mlruns/models"
            yield _refused(
                "model-unknown", file, message, f"{hint}; or git restore --staged {file.path}, and ignore it"
            )


def _model(content: bytes, path: str) -> tuple[str, str] | None:
    """The format of a model, and the digest of its content; None where a file is no model."""
    pointer = _POINTER.match(content[:1024])
    kind = _kind(b"" if pointer else content, path)
    if not kind:
        return None
    if pointer:
        return kind, pointer[1].decode("ascii")
    sha = for_content(len(content))
    sha.update(content)
    return kind, f"sha256:{sha.hexdigest()}"


def _kind(content: bytes, path: str) -> str:
    """The format of a model file; '' where it is no model."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mlcli-") as directory:
        place = os.path.join(directory, os.path.basename(path))
        with open(place, "wb") as file:
            file.write(content)
        told = recognised(place)
    return (told.format or "model") if told.kind == "model" else ""


def _known(workspace: Workspace) -> set[str]:
    """The digests of the artifacts of registered versions, as git is about to commit them."""
    store = workspace.staged().store
    versions = (version for model in store.models() for version in store.recorded(model).versions)
    return {artifact.digest for version in versions for artifact in version.run.artifacts}


def _refused(code: str, file: StagedFile, message: str, hint: str = "") -> Finding:
    hint = hint or f"git restore --staged {file.path}"
    return Finding(code=code, severity=Severity.ERROR, subject=file.path, message=message, hint=hint)
