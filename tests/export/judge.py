"""Judges of exported documents, by the tools that read them: one JSON line {form, text} in, one list of faults out.

Runs in the environment that `make test` makes for it, and answers until its input ends. Nothing leaves the machine: the
one document that a judge would fetch lies beside it (RO-Crate's terms, CC0 as it says itself); any other request is a
fault.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path

SHELF = {"https://w3id.org/ro/crate/1.1/context": Path(__file__).parent / "data" / "ro-crate-1.1-context.jsonld"}
asked = []


def on_the_shelf():
    """Answer what requests asks for from files, whoever asks."""
    import requests

    class Shelf(requests.adapters.BaseAdapter):
        def send(self, request, **_):
            answer = requests.Response()
            answer.request, answer.url, answer.status_code = request, request.url, 404
            answer.headers["Content-Type"] = "application/ld+json"
            answer._content = b""
            if request.url in SHELF:
                answer.status_code, answer._content = 200, SHELF[request.url].read_bytes()
            else:
                asked.append(request.url)
            return answer

        def close(self):
            pass

    requests.Session.get_adapter = lambda self, url: Shelf()


def nobody(*arguments, **_):
    raise OSError(f"a judge wanted to go out: {arguments}")


def ro_crate(text):
    """Against Process Run Crate 0.5: the metadata alone, or {directory} with its files."""
    from rocrate_validator import services

    document = json.loads(text)
    settings = {
        "profile_identifier": "process-run-crate-0.5", "requirement_severity": "REQUIRED", "no_cache": True,
    }  # fmt: skip
    if "directory" in document:
        told = services.validate({**settings, "rocrate_uri": document["directory"]})
    else:
        told = services.validate_metadata_as_dict(document, {**settings, "rocrate_uri": None, "metadata_only": True})
    faults = [str(issue.message) for issue in told.get_issues()] or ([] if told.passed() else ["not passed"])
    return faults + no_uris([each["@id"] for each in document.get("@graph", ())], "URI_reference")


def no_uris(told, rule):
    from rfc3986_validator import validate_rfc3986

    return [f"{each!r} is no URI" for each in told if not validate_rfc3986(each, rule=rule)]


def slsa(text):
    import in_toto_attestation.predicates.provenance.v1.provenance_pb2 as provenance
    import in_toto_attestation.v1.statement_pb2 as statements
    from google.protobuf.json_format import MessageToDict, Parse, ParseDict
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    parsed = Parse(text, statements.Statement())
    Statement.copy_from_pb(parsed).validate()
    predicate = ParseDict(MessageToDict(parsed.predicate), provenance.Provenance())
    definition = predicate.build_definition
    for each in [*definition.resolved_dependencies, *predicate.run_details.byproducts]:
        ResourceDescriptor.copy_from_pb(each).validate()
    uris = [definition.build_type, parsed.predicate_type, predicate.run_details.builder.id]
    uris += [each.uri for each in definition.resolved_dependencies if each.uri]
    return no_uris(uris, "URI") + ([] if definition.external_parameters else ["no external parameters"])


def cyclonedx(text):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return [str(fault.data)[:2000]] if fault else dangling(json.loads(text))


def dangling(bom):
    """What refers to a part that there is none of; the schema cannot tell."""
    model = bom["metadata"]["component"]
    known = {model["bom-ref"], *(each["bom-ref"] for each in bom["components"])}
    named = [ref for each in bom["dependencies"] for ref in [each["ref"], *each["dependsOn"]]]
    named += [each["ref"] for each in model["modelCard"]["modelParameters"]["datasets"]]
    return [f"{ref} is no part" for ref in named if ref not in known]


def card(text):
    """What huggingface_hub reads, as {fault: what it read}."""
    from huggingface_hub import ModelCard

    read = ModelCard(text, ignore_metadata_errors=False).data
    results = read.eval_results or []
    told = {
        "library": read.library_name, "tags": read.tags, "name": read.model_name, "license": read.license,
        "metrics": {each.metric_name: each.metric_value for each in results},
        "data": sorted({each.dataset_name for each in results}), "tasks": sorted({each.task_type for each in results}),
    }  # fmt: skip
    return [told]


JUDGES = {"ro-crate": ro_crate, "slsa": slsa, "cyclonedx": cyclonedx, "card": card}


def main():
    logging.disable(logging.CRITICAL)
    socket.socket.connect = nobody
    socket.create_connection = nobody
    on_the_shelf()
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        given = json.loads(line)
        asked.clear()
        try:
            faults = JUDGES[given["form"]](given["text"])
        except Exception as error:
            faults = [f"{type(error).__name__}: {error}"]
        print(json.dumps(faults + [f"asked for {url}" for url in asked]), file=answers, flush=True)


if __name__ == "__main__":
    main()
