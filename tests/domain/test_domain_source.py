"""What must not be kept of a command line, a URL or an environment; and what a word of a command line means."""

from __future__ import annotations

import pytest

from mlcli.domain.secrets import is_secret, masked_argv, masked_text, without_credentials
from mlcli.domain.source import Person, parsed_scalar


@pytest.mark.parametrize(
    "name",
    ["password", "--password", "PASSWD", "db_password", "api_key", "--api-key", "apikey", "APIKEY", "secret", "client-secret",
     "token", "HF_TOKEN", "access_token", "auth", "bearer", "credentials", "private-key", "access_key", "passphrase", "pass"],
)  # fmt: skip
def test_a_name_that_means_a_secret_is_known(name: str):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "lr",
        "max_tokens",
        "max_tokens_per_step",
        "tokenizer",
        "passes",
        "compass_heading",
        "author",
        "monkey",
        "key",
        "",
    ],
)
def test_a_name_that_only_looks_like_one_is_not(name: str):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["t.py", "--password", "hunter2"], ["t.py", "--password", "***"]),
        (["t.py", "--password=hunter2"], ["t.py", "--password=***"]),
        (["t.py", "password=hunter2"], ["t.py", "password=***"]),
        (["t.py", "--api-key", "-", "x"], ["t.py", "--api-key", "***", "x"]),
        (["t.py", "--token", "--verbose"], ["t.py", "--token", "--verbose"]),
        (["t.py", "--token="], ["t.py", "--token="]),
        (["curl", "-u", "ada:hunter2", "x"], ["curl", "-u", "ada:***", "x"]),
        (["curl", "--user=ada:hunt=er2"], ["curl", "--user=ada:***"]),
        (["docker", "run", "-u", "1000:1000"], ["docker", "run", "-u", "1000:1000"]),
        (["python", "-u", "train.py"], ["python", "-u", "train.py"]),
        (["t.py", "--api-key=sk-abc123"], ["t.py", "--api-key=***"]),
        (["t.py", "sk-abc123def"], ["t.py", "***"]),
        (["t.py", "x=ghp_0123456789abcdef"], ["t.py", "x=***"]),
        (["t.py", "AKIAIOSFODNN7EXAMPLE"], ["t.py", "***"]),
        (["t.py", "--db", "postgres://ada:hunter2@host:5432/db"], ["t.py", "--db", "postgres://***@host:5432/db"]),
        (["t.py", "https://ada:p@ss@host/x"], ["t.py", "https://***@host/x"]),
        (["t.py", "https://ada:pa/ss@host/x"], ["t.py", "https://***@host/x"]),
        (["t.py", "https://host:8080/a@b"], ["t.py", "https://host:8080/a@b"]),
        (["t.py", "--lr", "0.1", "sklearn"], ["t.py", "--lr", "0.1", "sklearn"]),
        ([], []),
    ],
)
def test_secrets_are_masked_on_a_command_line_and_nothing_else_is(argv: list[str], kept: list[str]):
    assert masked_argv(argv) == kept


@pytest.mark.parametrize(
    "text",
    ["github_pat_0123456789abc", "glpat-0123456789abc", "xoxb-0123456789-abc", "hf_0123456789abc", "AIza" + "x" * 30,
     "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "ASIA0123456789ABCDEF"],
)  # fmt: skip
def test_the_shape_of_a_token_is_masked_wherever_it_stands(text: str):
    assert masked_text(f"a {text} b") == "a *** b"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:ghp_tok@github.com/x/y.git", "https://github.com/x/y.git"),
        ("https://github.com/x/y.git", "https://github.com/x/y.git"),
        ("https://github.com/x/y.git?token=1", "https://github.com/x/y.git"),
        ("https://ghp_tok@github.com/x/y", "https://github.com/x/y"),
        ("ssh://git@github.com/x/y.git", "ssh://git@github.com/x/y.git"),
        ("ssh://git:secret@github.com/x", "ssh://github.com/x"),
        ("git@github.com:x/y.git", "git@github.com:x/y.git"),
        ("/srv/git/x", "/srv/git/x"),
    ],
)
def test_a_remote_is_kept_without_its_credentials(url: str, kept: str):
    assert without_credentials(url) == kept


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10), ("-3", -3), ("0.1", 0.1), ("1e-3", 0.001), ("-0.5", -0.5), ("true", True), ("false", False), ("True", "True"),
        ("", ""), ("0x10", "0x10"), ("007", "007"), ("1,5", "1,5"), (" 1", " 1"), ("1 ", "1 "), ("nan", "nan"), ("null", "null"),
        ("[1]", "[1]"), ("1.", "1."), (".5", ".5"), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", "9223372036854775808"),
        ("-", "-"), ("--", "--"), ("1-2", "1-2"), ("3f9a", "3f9a"),
    ],
)  # fmt: skip
def test_a_word_means_the_json_value_that_it_spells(text: str, value):
    told = parsed_scalar(text)
    assert (told, type(told)) == (value, type(value))


@pytest.mark.parametrize(
    ("person", "shown"),
    [
        (Person(name="Ada", email="a@x"), "Ada"),
        (Person(email="a@x"), "a@x"),
        (Person(), "unknown"),
    ],
)
def test_a_person_is_shown_by_name(person: Person, shown: str):
    assert str(person) == shown
