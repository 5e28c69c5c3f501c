"""The shape of documents on disk: from the domain to JSON and back, both directions here, with format and digest.

A document is one JSON object: `format`, `kind`, its fields, and last `digest`, the SHA-256 of its canonical form
(compact, keys sorted, without `digest`), so that line ends, indentation and key order, which git and editors change,
do not matter. JSON has no NaN: non-finite numbers are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ..domain.model import ModelVersion
from ..domain.numbers import finite
from ..domain.run import Metric, Run
from ..domain.stage import Event, Holder
from ..errors import Corrupt, NewerFormat
from . import digest

FORMAT = 1
Document = dict[str, Any]
T = TypeVar("T")

# One step per format: UPGRADES[kind][n] turns a document of format n into one of format n + 1.
UPGRADES: dict[str, dict[int, Callable[[Document], Document]]] = {}

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode(document: Document) -> bytes:
    """The document as it lies on disk: two-space indent, UTF-8, a final newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def digest_of(document: Document) -> str:
    """The document's digest, over its canonical form without `digest`."""
    body = {key: value for key, value in document.items() if key != "digest"}
    return digest.digest_of(msgspec.json.encode(body, order="sorted"))


def sealed(kind: str, fields: Document) -> Document:
    """A document of that kind, with its format before its fields and its digest after them."""
    fields = {key: value for key, value in fields.items() if key not in {"format", "kind", "digest"}}
    document = {"format": FORMAT, "kind": kind, **fields}
    return {**document, "digest": digest_of(document)}


def decode(data: bytes, kind: str, where: str) -> Document:
    """The document in `data`, upgraded to this format; Corrupt or NewerFormat where it cannot be trusted."""
    try:
        document: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(_why_unreadable(data, where, error), "mlcli doctor") from None
    if not isinstance(document, dict):
        raise Corrupt(f"{where} holds no JSON object", "mlcli doctor")
    found = document.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(
            f"{where} has format {found}; this mlcli knows formats up to {FORMAT}", "pip install -U mlcli"
        )
    if document.get("kind") != kind or not isinstance(found, int) or found < 1:
        raise Corrupt(f"{where} is not a {kind} document of mlcli", "mlcli doctor")
    if document.get("digest") != digest_of(document):
        raise Corrupt(f"{where} was edited or damaged: its digest does not match its content", "mlcli doctor")
    if kind != "run" and _repeats_a_key(data, document):
        raise Corrupt(f"{where} says one of its keys twice", "mlcli doctor")
    for step in range(found, FORMAT):
        document = UPGRADES[kind][step](document)
    upgraded: Document = document
    return upgraded


def _repeats_a_key(data: bytes, document: Document) -> bool:
    """Whether a reader could see another value than we do, as in a document that people merge and review."""
    if len(msgspec.json.format(data, indent=-1)) == len(msgspec.json.encode(document)):
        return False
    import json  # an editor may have spelled a number or a letter in another way: count the keys

    repeated = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        repeated.append(len(found) != len({key for key, _ in found}))

    json.loads(data, object_pairs_hook=pairs)
    return any(repeated)


def _why_unreadable(data: bytes, where: str, error: Exception) -> str:
    if not data.strip(b"\0 \r\n\t"):
        return f"{where} is empty" if not data.strip() else f"{where} holds only zero bytes"
    if b"\n<<<<<<< " in data or data.startswith(b"<<<<<<< "):
        return f"{where} holds an unresolved merge"
    told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return f"{where} is not readable as JSON: {told}"


def convert(document: Document, type_: type[T], where: str) -> T:
    """The document as a domain value; Corrupt naming the field where its shape is another."""
    try:
        return msgspec.convert(document, type_)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Corrupt(
            f"{where} does not have the shape of a {type_.__name__.lower()}: {error}", "mlcli doctor"
        ) from None


def run_fields(run: Run) -> Document:
    """A run's fields as JSON values."""
    fields: Document = finite(msgspec.to_builtins(run))
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
    fields: Document = finite(msgspec.to_builtins(version))
    del fields["number"]
    return fields


def version_from(document: Document, number: int, where: str) -> ModelVersion:
    """The model version that a document tells of."""
    inner = document.get("run")
    run = run_from(inner if isinstance(inner, dict) else {}, f"the run in {where}")
    fields = {**document, "number": number, "run": msgspec.to_builtins(run)}
    return convert(fields, ModelVersion, where)


def event_fields(event: Event) -> Document:
    """An event's fields as JSON values."""
    fields: Document = msgspec.to_builtins(event)
    return fields


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
    if isinstance(raw, dict) and isinstance(after, dict):
        known = before if isinstance(before, dict) else {}
        kept = {key: _carried(raw[key], known.get(key), value) if key in raw else value for key, value in after.items()}
        return {**kept, **{key: value for key, value in raw.items() if key not in known and key not in kept}}
    return after
