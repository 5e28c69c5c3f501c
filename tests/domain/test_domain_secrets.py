"""Secrets are known by their shape, by the name they stand under and in URLs; and nothing else is taken for one."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlcli.domain.secrets
from mlcli.domain.secrets import (
    MASK,
    argv_may_hold_secret,
    holds_secret,
    is_secret,
    masked_argv,
    masked_text,
    masked_value,
    may_hold_secret,
    without_credentials,
)

MIXED, HEX, LETTERS = "a1B2" * 20, "a1b2c3d4" * 8, "aB" * 30

# Put together here, so that nothing which searches this file takes one for real.
SHAPED = {
    "aws id": "AK" + "IA" + "Q3EGRT5UNB7PWX2Z",
    "aws session id": "AS" + "IA" + "Q3EGRT5UNB7PWX2Z",
    "github": "gh" + "p_" + MIXED[:36],
    "github oauth": "gh" + "o_" + MIXED[:36],
    "github user": "gh" + "u_" + MIXED[:36],
    "github server": "gh" + "s_" + MIXED[:36],
    "github refresh": "gh" + "r_" + MIXED[:36],
    "github fine": "github" + "_pat_" + MIXED[:22] + "_" + MIXED[:59],
    "gitlab": "gl" + "pat-" + MIXED[:20],
    "slack bot": "xo" + "xb-123456789012-1234567890123-" + MIXED[:24],
    "slack user": "xo" + "xp-123456789012-123456789012-" + HEX[:32],
    "slack app": "xa" + "pp-1-A0123-0123-" + HEX[:40],
    "openai": "s" + "k-" + MIXED[:48],
    "openai project": "s" + "k-proj-" + MIXED[:40] + "_" + MIXED[:20],
    "anthropic": "s" + "k-ant-api03-" + MIXED[:60],
    "hugging face": "h" + "f_" + LETTERS[:34],
    "google": "AI" + "zaSy" + MIXED[:33],
    "google oauth": "ya" + "29." + MIXED[:60],
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + MIXED[:43],
    "stripe": "sk" + "_live_" + MIXED[:24],
    "stripe restricted": "rk" + "_live_" + MIXED[:24],
    "stripe webhook": "wh" + "sec_" + MIXED[:32],
    "sendgrid": "S" + "G." + MIXED[:22] + "." + MIXED[:43],
    "twilio": "S" + "K" + HEX[:32],
    "npm": "np" + "m_" + MIXED[:36],
    "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + MIXED[:60],
    "databricks": "da" + "pi" + HEX[:32],
    "discord": "M" + MIXED[:23] + "." + "GabcD1" + "." + MIXED[:38],
    "telegram": "123456789" + ":AA" + MIXED[:33],
    "mailgun": "ke" + "y-" + HEX[:32],
    "digital ocean": "do" + "p_v1_" + HEX[:64],
    "doppler": "d" + "p.pt." + MIXED[:43],
    "vault": "h" + "vs." + MIXED[:24],
    "linear": "li" + "n_api_" + MIXED[:40],
    "notion": "nt" + "n_" + MIXED[:46],
    "notion internal": "sec" + "ret_" + MIXED[:43],
    "shopify": "sh" + "pat_" + HEX[:32],
    "new relic": "NR" + "AK-" + "A1B2C3D4E5F6G7H8I9J0K1L2M3N",
    "age": "AGE-SEC" + "RET-KEY-1" + "Q3EGRT5UNB7PWX2Z" * 3 + "ABCDEFGHIJ",
    "slack webhook": "https://hooks.sl" + "ack.com/services/T0AAAAAAA/B0AAAAAAA/" + MIXED[:24],
    "discord webhook": "https://discord.com/api/web" + "hooks/123456789012345678/" + MIXED[:68],
    "ssh key": "-----BEGIN OPENSSH PRI"
    + "VATE KEY-----\n"
    + f"{MIXED[:70]}\n" * 5
    + "-----END OPENSSH PRIVATE KEY-----",
    "pem": "-----BEGIN PRI" + "VATE KEY-----\\n" + MIXED[:64] + "\\n-----END PRIVATE KEY-----\\n",
}
NAMED = {
    "aws secret": "aws_secret_access_key",
    "wandb": "WANDB_API_KEY",
    "comet": "COMET_API_KEY",
    "neptune": "NEPTUNE_API_TOKEN",
    "heroku": "HEROKU_API_KEY",
    "datadog": "DD_API_KEY",
    "datadog app": "DD_APP_KEY",
    "new relic": "NEW_RELIC_LICENSE_KEY",
    "twilio": "TWILIO_AUTH_TOKEN",
    "azure": "AccountKey",
    "docker": "auth",
    "npmrc": "//registry.npmjs.org/:_authToken",
    "django": "SECRET_KEY",
    "mysql": "MYSQL_PWD",
    "postgres": "PGPASSWORD",
    "numbered": "OPENAI_API_KEY_2",
    "aws session": "AWS_SESSION_TOKEN",
    "google ads": "developer_token",
    "backend": "backend_token",
    "admin": "admin_pass",
    "mail": "SMTPPASS",
}
WITHIN = [
    ("postgres://ada:hunt@er/2@db.example:5432/x", "hunt@er/2"),
    ("mongodb+srv://ada:hunter2@db.example/x?retry=true", "hunter2"),
    ("mysql+pymysql://ada:hunter2@db.example/x", "hunter2"),
    ("redis://:hunter2@cache:6379/0", "hunter2"),
    ("amqps://ada:hunter2@queue/x", "hunter2"),
    ("https://x.blob.core.windows.net/c/f?sv=2022&sig=" + MIXED[:40] + "%3D&se=1", MIXED[:40]),
    ("DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + MIXED[:80] + "==;EndpointSuffix=y", MIXED[:80]),
    ("Authorization: Bearer " + MIXED[:30], MIXED[:30]),
    ("authorization: basic YWRhOmh1bnRlcjI=", "YWRhOmh1bnRlcjI="),
    ("curl -H 'x: Basic YWRhOmh1bnRlcjI='", "YWRhOmh1bnRlcjI="),
    ("machine example.com login ada password hunter2", "hunter2"),
    ("machine example.com\n  login ada\n  password hunter2\n", "hunter2"),
    ('{"api_key": "abc\\"def", "b": 1}', 'def'),
    ("train.py --password 'hunter two' --lr 0.1", "hunter two"),
    ("train.py --verbose --password hunter2", "hunter2"),
    ("https://example.com/x?api_key=hunter2&b=1", "hunter2"),
    ("Server=x;Uid=ada;Pwd=hunter2;", "hunter2"),
    ("PASSWORD=\"unclosed", "unclosed"),
]  # fmt: skip
HARMLESS = [
    "8a1e2f1c9b3d4e5f60718293a4b5c6d7e8f90123",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "20261121-073715-250aaa",
    "123e4567-e89b-12d3-a456-426614174000",
    "/srv/data/customers/2026-11-21T07:37:15/part-0001.parquet",
    "max_tokens=512",
    "tokenizer=bert-base-uncased",
    "num_tokens=1000 n_tokens: 5 tokens_per_second=12.5",
    "key=species",
    "max_token=512 n_token=3 thinking_token=x maxToken=5",
    "primary_key=id sort_key=name public_key=x.pub",
    "eos_token=</s> pad_token=<pad> cost_per_token=0.1 mask_token=[MASK]",
    "use_auth_token=true token=None",
    "http://localhost:8080/a",
    "https://host:8080/a@b",
    "git@github.com:x/y.git",
    "mask-rcnn-resnet50-fpn task-123456789 risk-adjusted-2026",
    "sk-container-id-1 sk-learn-contrib",
    "hf_checkpoints hf_transformers_cache",
    "low_pass=0.1 n_pass=3 bypass=1 compass_heading=3 forward_pass=2",
    "author=ada monkey=1 passes=2 basic classification of tokens",
    "meta-llama/Llama-3.1-8B-Instruct openai/gpt-4o xgboost==2.1.0",
    "basic configuration, bearer of something",
    "sig=0.05 sign=1 design=factorial",
    "2026-11-21 07:37:15.123456789 +00:00",
    "PWD=/home/ada/work",
    "sklearn.ensemble._forest.RandomForestClassifier.fit",
]
TEXTS = [*SHAPED.values(), *(text for text, _ in WITHIN), *(f"{name}=hunter2" for name in NAMED.values())]


@pytest.mark.parametrize("secret", SHAPED.values(), ids=SHAPED)
def test_a_secret_is_known_by_its_shape_wherever_it_stands(secret: str):
    for around in ("{}", "a {} b", "x={}", "'{}'", '{{"x": "{}"}}', "--x={}\n"):
        kept = masked_text(around.format(secret))
        assert secret not in kept
        assert secret[-20:] not in kept
        assert MASK in kept
    assert holds_secret(f"import x\nclient = x('{secret}')\n".encode())


@pytest.mark.parametrize("name", NAMED.values(), ids=NAMED)
def test_a_secret_is_known_by_its_name(name: str):
    assert is_secret(name.rpartition(":")[2])
    assert masked_text(f"{name}=hunter2 x=1") == f"{name}=*** x=1"
    assert masked_text(f'"{name}": "hunter2 x"') == f'"{name}": ***'
    assert masked_value(name, {"a": ["hunter2", 3], "b": None}) == {"a": [MASK, MASK], "b": None}


@pytest.mark.parametrize(("text", "secret"), WITHIN)
def test_a_secret_is_found_within_a_text(text: str, secret: str):
    assert secret in text
    assert secret not in masked_text(text)
    assert MASK in masked_text(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_kept(text: str):
    assert masked_text(text) == text
    assert masked_argv(text.split(" ")) == text.split(" ")
    assert not holds_secret(text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_masked_is_not_masked_again(text: str):
    assert masked_text(masked_text(text)) == masked_text(text)


@given(
    st.lists(
        st.one_of(st.sampled_from([*TEXTS, *HARMLESS]), st.text(max_size=8), st.text("=:-.@/ '\"\\ab1", max_size=8))
    )
)
def test_a_text_is_worth_asking_wherever_something_is_masked(parts: list[str]):
    text = "".join(parts)
    # Asked without the short cut that masked_text takes.
    if mlcli.domain.secrets._masked(text) != text:
        assert may_hold_secret(text)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*TEXTS, *HARMLESS, "-u", "--user", "ada:hunter2", "--password", "hunter2"]),
            st.text("-=:ab1", max_size=8),
        )
    )
)
def test_arguments_are_worth_asking_wherever_something_is_masked(argv: list[str]):
    if masked_argv(argv) != argv:
        assert argv_may_hold_secret(argv)


def test_plain_words_are_not_worth_asking():
    assert not any(map(may_hold_secret, ("train.py", "--lr", "0.1", "data/iris.csv", "species", "--n-estimators=60")))
    assert not argv_may_hold_secret(["python", "-u", "-c", "pass", "token.txt", "--lr=0.1"])


@pytest.mark.parametrize(
    "unit",
    ["a://", "a:@", "://@", "-", "--password ", "password=", "password='", 'token="\\', "sk-", "sk-a", "eyJ", "eyJaaaaaaaa.",
     "SG.", "M", "M-", "1:", "12345678:", "bearer ", "Basic a", "a ", "a", "login x ", "-----BEGIN PRIVATE KEY-----", "AKIA",
     "sig=", "token", "auth", "_", ".", "hooks.slack.com/", "password: ", "=", "hf_", "dp.pt.", "[", "key-", "\\", "a='"],
)  # fmt: skip
def test_hostile_input_takes_no_more_than_its_length(unit: str):
    # What took the square of its length would take hours.
    text = unit * (200_000 // len(unit))
    masked_text(text)
    masked_text(text + "://@")
    holds_secret(text.encode())
    is_secret(text)


def test_a_value_is_masked_by_name_and_by_shape_at_any_depth():
    value = {
        "db": {"user": "ada", "password": "hunter2", "port": 5432},
        "tokens": ["a", SHAPED["github"]],
        "pair": (SHAPED["openai"], 1),
        "max_tokens": 512,
        "use_auth_token": True,
        "auth": {"kind": "x", "on": True, "n": None},
        SHAPED["gitlab"]: 1,
    }
    assert masked_value("config", value) == {
        "db": {"user": "ada", "password": MASK, "port": 5432},
        "tokens": ["a", MASK],
        "pair": (MASK, 1),
        "max_tokens": 512,
        "use_auth_token": True,
        "auth": {"kind": MASK, "on": True, "n": None},
        MASK: 1,
    }
    assert masked_value("db.password", "hunter2") == MASK
    assert masked_value("lr", 0.1) == 0.1


def test_a_value_without_end_is_cut_off():
    deep: list[object] = ["x"]
    for _ in range(5000):
        deep = [deep]
    assert MASK in repr(masked_value("x", deep))


def test_a_url_is_kept_without_what_is_secret_in_its_path():
    assert without_credentials(SHAPED["slack webhook"]).endswith("/services/***")


@pytest.mark.parametrize(
    "line",
    ["PASSWORD = 'hunter2'", 'db_password: "hunter2"', "password: hunter2", "export API_KEY=a1b2c3d4e5f6a1b2", '"token": "a1b2c3d4e5f6"',
     "  'secret_key': 'django-1nsecure-key',", "os.environ['API_KEY'] = 'a1b2c3d4e5f6'", "url = 'postgres://ada:hunter2@db/x'",
     "def f(password='hunter2'):", "password: str = 'hunter2'", "headers = {'Authorization': 'Basic YWRhOmh1bnRlcjI='}"],
)  # fmt: skip
def test_a_line_with_a_secret_is_found(line: str):
    assert holds_secret(f"import os\n{line}\nprint(1)\n".encode())


@pytest.mark.parametrize(
    "line",
    ["password = os.environ['PASSWORD']", "def f(token: str, password: str | None = None):", "password = getpass()", "PASSWORD=${PASSWORD}",
     "password: ${{ secrets.PASSWORD }}", "api_key = 'API_KEY'", "PASSWORD=changeme", "password = '<password>'", "API_KEY=your-api-key-here1",
     "parser.add_argument('--password', help='x')", "token = 'word'", '{"token": "hello", "pos": 1}', "url = 'https://user:password@host'",
     "secret = settings.secret", "is_secret(name)", "-----BEGIN PRIVATE KEY-----", "password = None", "max_tokens = '512'", "f'Bearer {token}'"],
)  # fmt: skip
def test_a_line_that_speaks_of_secrets_holds_none(line: str):
    assert not holds_secret(f"import os\n{line}\nprint(1)\n".encode())


def test_what_is_no_text_holds_none():
    assert not holds_secret(b"\0" + SHAPED["github"].encode())
    assert holds_secret(b"\xff" + SHAPED["github"].encode() + b"\xff")


def test_basic_is_told_by_what_it_spells():
    assert masked_text("Basic " + base64.b64encode(b"ada:x y z").decode()) == "Basic ***"
    assert masked_text("Basic understanding") == "Basic understanding"


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_it_runs_alone_in_another_python(version: str, tmp_path: Path):
    python = os.path.expanduser(which(f"python{version}") or "")
    if not python or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} here")
    copy = tmp_path / "secrets_copy.py"
    copy.write_text(Path(mlcli.domain.secrets.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    told = subprocess.run(
        [python, "-S", "-c", f"import secrets_copy as s; t = {SHAPED['github']!r}; print(s.masked_text(t), s.masked_argv(['--token', t]))"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "*** ['--token', '***']\n"


def test_loading_it_loads_nothing():
    code = "import sys; before = set(sys.modules); exec(open(sys.argv[1]).read()); print(sorted(set(sys.modules) - before))"
    told = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, mlcli.domain.secrets.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout in {"[]\n", "['__future__']\n"}
