"""What several forms say alike: the one link that is told, its runs, and names as URIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..domain.names import escaped, quoted
from ..domain.numbers import finite
from ..errors import InvalidRef

if TYPE_CHECKING:
    from ..domain.run import Run
    from ..domain.source import GitState
    from ..lineage import Lineage, Link

_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_SCP = re.compile(r"(?:[^/@:]+@)?[^/:]+:(?!//).+")  # git@example.com:team/project.git
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN = "%/:=&?~#+!$,;'@()*"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+", re.S)


def one_link(lineage: Lineage) -> Link:
    """The link of a lineage that leads to one version or run; InvalidRef where there are several, or none."""
    if len(lineage.links) == 1:
        return lineage.links[0]
    named = [escaped(link.version.ref if link.version else link.run.id[:8]) for link in lineage.links]
    shown = [*named[:5], *([f"{len(named) - 5} more"] if len(named) > 5 else [])]
    leads = " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:]))) or "no version or run"
    raise InvalidRef(
        f"{quoted(lineage.subject, 80)} leads to {leads}, and this tells of one",
        f"name one, as {named[0]}" if named else "name a version or run, as iris@3",
    )


def title(link: Link) -> str:
    """What a link is called: its version's ref, else its run's name."""
    return link.version.ref if link.version else link.run.name


def runs_of(link: Link) -> list[Run]:
    """The link's run and those that made what it was made from, each once; makers come first."""
    found: dict[str, Run] = {}
    waiting = [(origin, False) for origin in reversed(link.upstream)]
    while waiting:  # and not a function that calls itself: a model may be trained on from day to day
        origin, is_next = waiting.pop()
        if is_next:
            found.setdefault(origin.run.id, origin.run)
        elif origin.run.id not in found:
            waiting.append((origin, True))
            waiting += [(above, False) for above in reversed(origin.upstream)]
    return [*found.values(), link.run]


def products(link: Link) -> list[tuple[str, int, str]]:
    """The files that a link is about, as path, size and digest: a version's own, or all that a run made."""
    if link.version:
        return [_triple(file) for file in link.artifacts]
    return made_by(link.run)


def made_by(run: Run) -> list[tuple[str, int, str]]:
    """What a run made, each path once: its artifacts, and the files that it wrote elsewhere."""
    artifacts = {file.path: _triple(file) for file in run.artifacts}
    held = {file.digest for file in run.artifacts}
    outputs = {each.path: _triple(each) for each in run.outputs if each.digest not in held}
    return list({**outputs, **artifacts}.values())


def _triple(file: Any) -> tuple[str, int, str]:
    return file.path, file.size, file.digest


def sha256_of(digest: str) -> str | None:
    """A digest in hexadecimal; None where there is none."""
    found = _SHA256.fullmatch(digest)
    return found[1] if found else None


def packages_of(run: Run) -> Iterator[tuple[str, str, str]]:
    """The packages of a run's environment as name, version and package URL, by name."""
    for name, version in sorted(run.environment.packages.items()):
        yield name, version, package_url(name, version)


def package_url(name: str, version: str) -> str:
    """A Python package as a package URL: pkg:pypi/scikit-learn@1.9.1."""
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return f"pkg:pypi/{quote(plain, safe='', errors='replace')}" + (
        f"@{quote(version, safe='', errors='replace')}" if version else ""
    )


def python_url(version: str) -> str:
    """A Python as a package URL."""
    return f"pkg:generic/python@{quote(version, safe='', errors='replace')}"


def path_uri(path: str) -> str:
    """A path as a relative URI reference, and an absolute one as a file: URL."""
    encoded = quote(path, safe="/", errors="replace")
    return f"file://{encoded}" if path.startswith("/") else encoded


def web_uri(url: str) -> str:
    """A URL as it was noted, with what no URI may hold percent-encoded."""
    scheme, _, rest = _PERCENT.sub("%25", url).partition("://")
    host, slash, path = rest.partition("/")
    shown = quote(host, safe="%:=&?~#+!$,;'@()*[]", errors="replace")
    return f"{scheme}://{shown}{slash}{quote(path, safe=_PLAIN, errors='replace')}"


def remote_uri(git: GitState) -> str | None:
    """Where a run's repository lies, as a URI: git@host:path is ssh://git@host/path; None where no remote is known."""
    remote = git.remote
    if not remote:
        return None
    if _SCHEME.fullmatch(remote):
        return web_uri(remote.replace("#", "%23"))  # git knows no fragments
    if remote.startswith("/"):
        return path_uri(remote)
    if _SCP.fullmatch(remote):
        host, _, path = remote.partition(":")
        return web_uri(f"ssh://{host}/{path.lstrip('/')}".replace("#", "%23"))
    return None


def stamp(at: datetime) -> str:
    """A time as RFC 3339 has it, in UTC."""
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def told(value: Any) -> str:
    """A param's or metric's value as one text: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    plain = finite(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def as_json(document: dict[str, Any]) -> str:
    """A document as JSON, indented by two, keys as they were put in."""
    return msgspec.json.format(msgspec.json.encode(finite(document)), indent=2).decode()
