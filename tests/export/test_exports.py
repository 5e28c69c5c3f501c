"""Exports: what others read of a lineage is what their own tools take, whatever the run was."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from lineages import COMMIT, LINEAGES, a_lineage, a_run, digest
from msgspec.structs import replace

from mlcli import export
from mlcli.domain.source import Environment, GitState
from mlcli.errors import InvalidRef, NotFound, UsageError
from mlcli.export.facts import package_url, remote_uri, web_uri
from mlcli.lineage import Origin

SLOW = "hundreds of inputs"
KINDS = [pytest.param(kind, marks=[pytest.mark.slow] if kind == SLOW else []) for kind in LINEAGES]
FORMS = ["ro-crate", "slsa", "cyclonedx"]


def told(form: str, lineage=None) -> dict:
    return json.loads(export.text(form, lineage or LINEAGES["a version"]))


def entities(lineage=None) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in told("ro-crate", lineage)["@graph"]}


def named(graph: dict[str, dict], found: list[dict] | dict) -> list[dict]:
    """The entities that a property names: one of a single name is no list."""
    return [graph[each["@id"]] for each in (found if isinstance(found, list) else [found])]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tools_take_every_kind_of_lineage(judge, form: str, kind: str):
    assert judge(form, export.text(form, LINEAGES[kind])) == []


@pytest.mark.parametrize(
    ("form", "whole", "broken", "fault"),
    [
        ("ro-crate", '"instrument":', '"tool":', "MUST have an instrument property"),
        ("ro-crate", '"datePublished":', '"published":', "MUST have a `datePublished` property"),
        ("ro-crate", '"license":', '"terms":', "MUST have a `license` property"),
        ("ro-crate", "ro/wfrun/process/0.5", "ro/wfrun/other/0.5", "versioned permalink of the profile"),
        ("ro-crate", '"@id": "model/model.joblib"', '"@id": "model/a model.joblib"', "no URI"),
        ("slsa", '"digest": {', '"digests": {', "no field named"),
        ("slsa", '"digest": {', '"annotations": {', "At least one digest required"),
        ("slsa", '"buildType":', '"kind":', "buildtype"),
        ("slsa", '"startedOn": "', '"startedOn": "at ', "startedon"),
        ("slsa", "in-toto.io/Statement/v1", "in-toto.io/Statement/v2", "Wrong statement type"),
        ("slsa", '"uri": "git+ssh', '"uri": "git ssh', "no URI"),
        ("cyclonedx", '"modelCard":', '"card":', "card"),
        ("cyclonedx", '"SHA-256"', '"SHA-257"', "SHA-257"),
        ("cyclonedx", '"bom-ref": "data:1"', '"bom-ref": "data:2"', "data:1 is no part"),
    ],
)
def test_they_refuse_a_broken_twin(judge, form: str, whole: str, broken: str, fault: str):
    text = export.text(form, LINEAGES["a version"])
    assert whole in text
    assert fault.lower() in str(judge(form, text.replace(whole, broken))).lower()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["a pipeline", "hostile words"])
def test_the_same_lineage_gives_the_same_bytes(form: str, kind: str):
    first, again = (export.text(form, LINEAGES[kind]) for _ in range(2))
    assert first == again
    assert not first.endswith("\n")


@pytest.mark.parametrize("form", FORMS)
def test_several_versions_are_not_one(form: str):
    one = LINEAGES["a version"].links[0]
    several = replace(LINEAGES["a version"], subject="main", kind="commit", links=[one, one])
    with pytest.raises(InvalidRef, match="'main' leads to iris@3 and iris@3, and this tells of one") as told:
        export.text(form, several)
    assert told.value.hint == "name one, as iris@3"


def test_many_versions_are_not_all_named():
    one = LINEAGES["a version"].links[0]
    with pytest.raises(InvalidRef, match="leads to iris@3, iris@3, iris@3, iris@3, iris@3 and 4 more, and this tells"):
        export.text("slsa", replace(LINEAGES["a version"], links=[one] * 9))
    with pytest.raises(InvalidRef, match="leads to no version or run, and this tells of one"):
        export.text("slsa", replace(LINEAGES["a version"], links=[]))


def test_an_unknown_form_is_told_with_those_there_are():
    with pytest.raises(UsageError, match="'prov' is no format") as told:
        export.text("prov", LINEAGES["a version"])
    assert set(FORMS) <= set(told.value.hint.removeprefix("formats are ").split(", "))


# RO-Crate


def test_a_pipeline_is_one_action_a_run_joined_by_their_files():
    graph = entities(LINEAGES["a pipeline"])
    prepare, split, train = named(graph, graph["./"]["mentions"])
    assert [action["name"] for action in (prepare, split, train)] == ["prepare", "split", "brave-otter"]
    assert prepare["result"][0] == split["object"][0] == train["object"][1]
    assert split["result"][0] == train["object"][0]
    assert graph["model/model.joblib"]["sha256"] == digest(2)[7:]
    assert {"@id": "model/model.joblib"} in train["result"]


def test_a_model_that_was_trained_on_for_years_is_told_from_its_beginning():
    upstream: list[Origin] = []
    for day in range(3000):
        run = a_run(id=f"{day:032x}", name=f"day {day}", environment=Environment())
        upstream = [Origin(run=run, paths=["model.joblib"], upstream=upstream)]
    graph = entities(a_lineage(a_run(), upstream=upstream))
    names = [action["name"] for action in named(graph, graph["./"]["mentions"])]
    assert (names[:2], names[-2:]) == (["day 0", "day 1"], ["day 2999", "brave-otter"])


def test_an_action_says_what_ran_when_by_whom_and_how_it_ended():
    graph = entities()
    [action] = named(graph, graph["./"]["mentions"])
    code, agent = graph[action["instrument"]["@id"]], graph[action["agent"]["@id"]]
    assert (code["name"], code["version"], code["codeRepository"]) == (
        "train.py",
        COMMIT,
        "ssh://git@example.com/team/iris.git",
    )
    assert (agent["name"], agent["email"]) == ("Ada Lovelace", "ada@example.com")
    assert (action["startTime"], action["endTime"]) == (
        "2026-11-21T06:40:00.000+00:00",
        "2026-11-21T06:41:00.000+00:00",
    )
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    values = named(graph, [*action["object"], *action["result"]])
    assert {each["name"]: each["value"] for each in values if each["@type"] == "PropertyValue"} == {
        "depth": "10",
        "accuracy": "0.97",
        "loss": "0.00001",
    }
    required = named(graph, code["softwareRequirements"])
    assert [(each["name"], each["softwareVersion"]) for each in required] == [
        ("numpy", "2.1.0+local"),
        ("scikit_learn", "1.9.1"),
    ]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("failed", "failed, exit code 1"), ("killed", "out of memory"), ("running", None), ("a run", None)],
)
def test_an_action_that_failed_says_why(kind: str, error: str | None):
    graph = entities(LINEAGES[kind])
    [action] = named(graph, graph["./"]["mentions"])
    assert action.get("error") == error


def test_a_file_that_is_not_here_is_named_by_its_digest():
    graph = entities(LINEAGES["content elsewhere"])
    assert "model/model.joblib" not in graph
    [file] = [each for each in graph.values() if each.get("name") == "model/model.joblib"]
    assert file["@id"] == "ni:///sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI"


# SLSA


def test_provenance_is_of_the_files_and_says_of_what_they_were_made():
    statement = told("slsa")
    assert statement["subject"] == [{"name": "model/model.joblib", "digest": {"sha256": digest(2)[7:]}}]
    build, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert build["externalParameters"] == {
        "command": ["python", "train.py", "--depth", "10"],
        "directory": ".",
        "params": {"depth": 10},
    }
    assert build["resolvedDependencies"] == [
        {
            "name": "code",
            "uri": f"git+ssh://git@example.com/team/iris.git@{COMMIT}",
            "digest": {"gitCommit": COMMIT},
        },
        {"name": "data/train.csv", "digest": {"sha256": digest(1)[7:]}},
        {"name": "python", "uri": "pkg:generic/python@3.12.1"},
        {"name": "numpy", "uri": "pkg:pypi/numpy@2.1.0%2Blocal"},
        {"name": "scikit_learn", "uri": "pkg:pypi/scikit-learn@1.9.1"},
    ]
    assert details["metadata"] == {
        "invocationId": "3f2a9c1d" * 4,
        "startedOn": "2026-11-21T06:40:00Z",
        "finishedOn": "2026-11-21T06:41:00Z",
    }
    content = {each["name"]: json.loads(b64decode(each["content"])) for each in details["byproducts"]}
    assert content["metrics"] == {"accuracy": 0.97, "loss": 1e-05}


def test_uncommitted_code_is_the_snapshot_of_it():
    [code, *_] = told("slsa", LINEAGES["uncommitted and kept"])["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert code["digest"] == {"gitCommit": "2c" * 20}


@pytest.mark.parametrize(
    ("kind", "said"),
    [("no commit", ("reason", "not a git repository")), ("uncommitted and lost", ("lost", "too large"))],
)
def test_code_that_cannot_be_had_is_told(kind: str, said: tuple[str, str]):
    code = told("slsa", LINEAGES[kind])["predicate"]["buildDefinition"]["internalParameters"]["code"]
    assert said in code.items()


def test_what_a_run_wrote_besides_is_a_byproduct_of_its_version_and_its_own_subject():
    def named(lineage):
        statement = told("slsa", lineage)
        byproducts = statement["predicate"]["runDetails"]["byproducts"]
        return [each["name"] for each in statement["subject"]], [each["name"] for each in byproducts]

    run = LINEAGES["odd inputs"].links[0].run
    assert named(LINEAGES["odd inputs"]) == (["model/model.joblib"], ["metrics", "outcome", "plot.png"])
    assert named(a_lineage(run, registered=False)) == (["plot.png", "model/model.joblib"], ["metrics", "outcome"])


def test_there_is_no_provenance_of_nothing():
    with pytest.raises(NotFound, match="made no file"):
        export.text("slsa", a_lineage(a_run(artifacts=[], models=[]), registered=False))


# CycloneDX


def test_the_bill_names_model_libraries_data_params_and_commit():
    bom = told("cyclonedx")
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "iris", "3")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest(2)[7:]}]
    assert model["pedigree"]["commits"][0]["uid"] == COMMIT
    assert {"name": "mlcli:param:depth", "value": "10"} in model["properties"]
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics == [{"type": "accuracy", "value": "0.97"}, {"type": "loss", "value": "0.00001"}]
    assert [(part["type"], part["name"], part.get("purl")) for part in bom["components"]] == [
        ("library", "numpy", "pkg:pypi/numpy@2.1.0%2Blocal"),
        ("library", "scikit_learn", "pkg:pypi/scikit-learn@1.9.1"),
        ("data", "data/train.csv", None),
    ]
    assert bom["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in bom["components"]]
    assert bom["metadata"]["timestamp"] == "2026-11-21T07:40:00Z"


def test_an_address_that_is_none_is_left_out():
    assert told("cyclonedx")["metadata"]["authors"] == [{"name": "Grace Hopper"}]
    plain = told("cyclonedx", LINEAGES["a run"])["metadata"]["authors"]
    assert plain == [{"name": "Ada Lovelace", "email": "ada@example.com"}]


def test_another_version_has_another_serial_number():
    one, other = a_lineage(a_run()), a_lineage(a_run(), registered=False)
    assert told("cyclonedx", one)["serialNumber"] != told("cyclonedx", other)["serialNumber"]


# Words as URIs


@pytest.mark.parametrize(
    ("remote", "uri"),
    [
        ("git@example.com:team/iris.git", "ssh://git@example.com/team/iris.git"),
        ("example.com:team/iris.git", "ssh://example.com/team/iris.git"),
        ("https://example.com/team/iris.git", "https://example.com/team/iris.git"),
        ("https://example.com/a b/100%/ä.git", "https://example.com/a%20b/100%25/%C3%A4.git"),
        ("ssh://git@[2001:db8::1]:22/iris.git", "ssh://git@[2001:db8::1]:22/iris.git"),
        ("/srv/git/iris.git", "file:///srv/git/iris.git"),
        ("../iris.git", None),
        (None, None),
    ],
)
def test_a_remote_is_a_uri(remote: str | None, uri: str | None):
    assert remote_uri(GitState(commit=COMMIT, remote=remote)) == uri


@pytest.mark.parametrize(
    ("name", "version", "url"),
    [
        ("scikit_learn", "1.9", "pkg:pypi/scikit-learn@1.9"),
        ("Zope.Interface", "", "pkg:pypi/zope-interface"),
        ("torch", "2.4+cu121", "pkg:pypi/torch@2.4%2Bcu121"),
    ],
)
def test_a_package_is_a_package_url(name: str, version: str, url: str):
    assert package_url(name, version) == url


def test_a_url_keeps_its_query_and_what_is_encoded_already():
    assert web_uri("https://example.com/a%20b?x=1&y=[2]#z") == "https://example.com/a%20b?x=1&y=%5B2%5D#z"
