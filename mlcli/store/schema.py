"""The shape of documents on disk: from the domain to JSON and back, both directions here, with format and digest.

A document is one JSON object: `format`, `kind`, its fields, and last `digest`, the SHA-256 of its canonical form
(compact, keys sorted, without `digest`), so that line ends, indentation and key order, which git and editors change,
do not matter. JSON has no NaN: non-finite numbers are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from ..domain import digest
from ..domain.history import Event, Holder
from ..domain.model import ModelVersion
from ..domain.names import quoted
from ..domain.numbers import finite
from ..domain.run import Metric, Run
from ..domain.typed import typed
from ..errors import Corrupt, InvalidValue, NewerFormat
from .files import MAX_DOCUMENT

FORMAT = 1
MAX_DEPTH = 64
Document = dict[str, Any]
T = TypeVar("T")

# One step per format: UPGRADES[kind][n] turns a document of format n into one of format n + 1.
UPGRADES: dict[str, dict[int, Callable[[Document], Document]]] = {}

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode(document: Document) -> bytes:
    """The document as it lies on disk: two-space indent, UTF-8, a final newline; InvalidValue where it is too large."""
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    if len(data) > MAX_DOCUMENT:
        raise InvalidValue(
            f"a document has at most {MAX_DOCUMENT} bytes, and this one would have {len(data)}",
            "keep what is large as an artifact",
        )
    return data


def digest_of(document: Document) -> str:
    """The document's digest, over its canonical form without `digest`."""
    return digest.digest_of(_canonical(document))


def _canonical(document: Document) -> bytes:
    body = {key: value for key, value in document.items() if key != "digest"}
    return msgspec.json.encode(body, order="sorted")


def sealed(kind: str, fields: Document) -> Document:
    """A document of that kind, with its format before its fields and its digest after them."""
    fields = {key: value for key, value in fields.items() if key not in {"format", "kind", "digest"}}
    document = {"format": FORMAT, "kind": kind, **fields}
    return {**document, "digest": digest_of(document)}


def decode(data: bytes, kind: str, where: str) -> Document:
    """The document in `data`, upgraded to this format; Corrupt or NewerFormat where it cannot be trusted."""
    try:
        document: Any = msgspec.json.decode(data)
        canonical, said = b"", None
        if isinstance(document, dict):
            said = document.pop("digest", None)
            canonical = msgspec.json.encode(document, order="sorted")
            document["digest"] = said
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _unreadable(data, where, error) from None
    found = document.get("format") if canonical else None
    if (
        type(found) is not int
        or found != FORMAT
        or document.get("kind") != kind
        or said != digest.digest_of(canonical)
        # Each is sure where it says no, and a hundredth of the cost of looking.
        or data.count(b'"') != canonical.count(b'"') + _DIGEST_QUOTES
        or (b"\\" in data and data.count(b"\\u") != canonical.count(b"\\u"))
        or (canonical.count(b"{") + canonical.count(b"[") > MAX_DEPTH and _depth(document) > MAX_DEPTH)
    ):
        _examine(data, document, kind, where)
        for step in range(document["format"], FORMAT):
            document = UPGRADES[kind][step](document)
    trusted: Document = document
    return trusted


_DIGEST_QUOTES = b'"digest":"sha256:",'.count(b'"')


def _examine(data: bytes, document: Any, kind: str, where: str) -> None:
    """Raise what is wrong with a document that is not plainly one of mlcli; an editor may have spelled it anew."""
    if not isinstance(document, dict):
        raise Corrupt(f"{where} holds no JSON object", "mlcli doctor")
    found = document.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(
            f"{where} has format {found}; this mlcli knows formats up to {FORMAT}", "pip install -U mlcli"
        )
    if _depth(document) > MAX_DEPTH:
        raise _unreadable(data, where, RecursionError())
    repeated = _repeated_key(data)
    if repeated is not None:
        raise Corrupt(f"{where} says {quoted(repeated)} twice", "mlcli doctor")
    if document.get("kind") != kind or type(found) is not int or found < 1:
        raise Corrupt(f"{where} is not a {kind} document of mlcli", "mlcli doctor")
    if document.get("digest") != digest_of(document):
        raise Corrupt(f"{where} was edited or damaged: its digest does not match its content", "mlcli doctor")


def _depth(value: Any) -> int:
    """How deep lists and maps lie in each other."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    return depth


def _repeated_key(data: bytes) -> str | None:
    """A key that one object says twice, so that another reader could see another value."""
    import json

    repeated: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        if len(found) != len(dict(found)):
            seen: set[str] = set()
            for key, _ in found:
                repeated.extend({key} & seen)
                seen.add(key)

    json.loads(data, object_pairs_hook=pairs)
    return repeated[0] if repeated else None


def _unreadable(data: bytes, where: str, error: Exception) -> Corrupt:
    if b"\n<<<<<<< " in data or data.startswith(b"<<<<<<< "):
        return Corrupt(f"{where} holds an unresolved merge", "mlcli doctor --fix")
    if not data.strip(b"\0 \r\n\t"):
        told = "holds only zero bytes" if data.strip() else "is empty"
    elif isinstance(error, RecursionError):
        told = "is not readable as JSON: it is nested too deeply"
    else:
        told = f"is not readable as JSON: {error}"
    return Corrupt(f"{where} {told}", "mlcli doctor")


def commits_in(data: bytes) -> set[str]:
    """Whatever in a document could be the id of a git object: 40 or 64 digits between quotes."""
    return {found.decode("ascii") for found in re.findall(rb'"([0-9a-f]{40}|[0-9a-f]{64})"', data)}


def convert(document: Document, type_: type[T], where: str) -> T:
    """The document as a domain value; Corrupt naming the field where its shape is another."""
    try:
        return typed(document, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Corrupt(
            f"{where} does not have the shape of a {type_.__name__.lower()}: {error}", "mlcli doctor"
        ) from None


def run_fields(run: Run) -> Document:
    """A run's fields as JSON values."""
    return _with_names_for_numbers(msgspec.to_builtins(run))


def _with_names_for_numbers(fields: Document) -> Document:
    """A run's fields, whose packages and lists of files need not be searched for numbers."""
    fields.update({key: finite(fields[key]) for key in ("params", "metrics", "models", "fits")})
    return fields


def run_from(document: Document, where: str) -> Run:
    """The run that a run document, or the run within a version document, tells of."""
    metrics = document.get("metrics")
    if isinstance(metrics, dict):
        document = {**document, "metrics": {key: _floats(metric) for key, metric in metrics.items()}}
    return convert(document, Run, where)


def changed(document: Document, before: Run, after: Run) -> Document:
    """The document with `after` in place of `before`: fields that this mlcli does not know stay as they are."""
    merged: Document = _carried(document, run_fields(before), run_fields(after))
    return merged


def metric_fields(metrics: dict[str, Metric]) -> Document:
    """Metric summaries as JSON values."""
    fields: Document = finite(msgspec.to_builtins(metrics))
    return fields


def version_fields(version: ModelVersion) -> Document:
    """A version's fields as JSON values; the number is the document's name and not in it."""
    fields: Document = msgspec.to_builtins(version)
    _with_names_for_numbers(fields["run"])
    del fields["number"]
    return fields


def version_from(document: Document, number: int, where: str) -> ModelVersion:
    """The model version that a document tells of."""
    inner = document.get("run")
    run = run_from(inner if isinstance(inner, dict) else {}, f"the run in {where}")
    fields = {**document, "number": number, "run": msgspec.to_builtins(run)}
    return convert(fields, ModelVersion, where)


def version_changed(document: Document, before: ModelVersion, after: ModelVersion) -> Document:
    """A version's document with `after` in place of `before`, sealed; fields that this mlcli does not know stay."""
    merged: Document = _carried(document, version_fields(before), version_fields(after))
    return sealed("version", merged)


# What an event says only where it has something to say: a pull request shows it.
_SELDOM = ("number", "replaces", "alias", "tags", "gates", "forced", "rollback", "signature")


def event_fields(event: Event) -> Document:
    """An event's fields as JSON values."""
    fields: Document = msgspec.to_builtins(event)
    return {key: value for key, value in fields.items() if value or key not in _SELDOM}


def event_body(event: Event) -> str:
    """The digest of an event without its signature, which is over that."""
    return digest_of(sealed("event", event_fields(replace(event, signature=""))))


def event_from(document: Document, where: str) -> Event:
    """The event that a document tells of."""
    return convert(document, Event, where)


def holder_fields(holder: Holder) -> Document:
    """A stage's holder as JSON values: the version's number, which a pull request shows, under 'version'."""
    return {"version": holder.number, "version_digest": holder.version, "event": holder.event}


def holder_from(document: Document, where: str) -> Holder:
    """What a stage document says."""
    fields = {
        "number": document.get("version"),
        "version": document.get("version_digest"),
        "event": document.get("event"),
    }
    return convert(fields, Holder, where)


def _floats(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {key: _NON_FINITE.get(value, value) if isinstance(value, str) else value for key, value in fields.items()}


def _carried(raw: Any, before: Any, after: Any) -> Any:
    """`after`, with what `raw` holds beyond `before`: the fields of a newer mlcli."""
    if before == after and msgspec.json.encode(before) == msgspec.json.encode(after):  # 4 is not 4.0 there
        return raw
    if isinstance(raw, dict) and isinstance(after, dict):
        known = before if isinstance(before, dict) else {}
        kept = {key: _carried(raw[key], known.get(key), value) if key in raw else value for key, value in after.items()}
        return {**kept, **{key: value for key, value in raw.items() if key not in known and key not in kept}}
    return after
