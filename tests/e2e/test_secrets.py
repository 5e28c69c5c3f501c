"""Thirty secrets of different kinds, planted wherever a run could take them up; none is in what is kept of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MIXED, HEX, LETTERS = "a1B2c3D4" * 10, "0a1b2c3d" * 8, "aBcDeF" * 10

# Put together here, so that nothing which searches this file takes one for real. Each differs in its first digits.
SECRETS = {
    "github": "gh" + "p_q1" + MIXED[:34],
    "github fine": "github" + "_pat_q2" + MIXED[:60],
    "gitlab": "gl" + "pat-q3" + MIXED[:18],
    "slack": "xo" + "xb-1234567890-q4" + MIXED[:20],
    "openai": "s" + "k-proj-q5" + MIXED[:40],
    "anthropic": "s" + "k-ant-api03-q6" + MIXED[:40],
    "hugging face": "h" + "f_q" + LETTERS[:33],
    "aws id": "AK" + "IAQ7EGRT5UNB7PWX2Z",
    "aws secret": "q8/" + MIXED[:37],
    "google": "AI" + "zaSyq9" + MIXED[:31],
    "google oauth": "ya" + "29.q10" + MIXED[:50],
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.q11" + MIXED[:40],
    "stripe": "sk" + "_live_q12" + MIXED[:22],
    "sendgrid": "S" + "G.q13" + MIXED[:20] + "." + MIXED[:43],
    "twilio": "S" + "K" + "14" + HEX[:30],
    "npm": "np" + "m_q15" + MIXED[:33],
    "pypi": "py" + "pi-AgEIcHlwaS5vcmcq16" + MIXED[:50],
    "databricks": "da" + "pi" + "17" + HEX[:30],
    "telegram": "1234567818:AA" + MIXED[:33],
    "mailgun": "ke" + "y-" + "19" + HEX[:30],
    "digital ocean": "do" + "p_v1_20" + HEX[:62],
    "vault": "h" + "vs.q21" + MIXED[:24],
    "linear": "li" + "n_api_q22" + MIXED[:38],
    "shopify": "sh" + "pat_23" + HEX[:30],
    "wandb": "24" + HEX[:38],
    "postgres": "q25hunter2",
    "git": "q26hunter2",
    "slack webhook": "q27" + MIXED[:21],
    "azure": "q28" + MIXED[:80] + "==",
    "sas": "q29" + MIXED[:40] + "%3D",
    "password": "q30correct-horse",
    "spaced": "q31 battery staple",
    "basic": "cTMyOmh1bnRlcjI=",
    "bearer": "q33" + MIXED[:30],
    "discord": "M" + "q34" + MIXED[:20] + "." + "GabcD1" + "." + MIXED[:38],
    "age": "AGE-SEC" + "RET-KEY-1" + "Q35EGRT5UNB7PWX2ZABCDEFGHIJKLM" * 2,
}
S = SECRETS
ARGUMENTS = [
    *("--api-key", S["openai"]), f"--token={S['gitlab']}", f"password={S['password']}", "--db-password", S["spaced"],
    *("--header", f"Authorization: Bearer {S['bearer']}"), f"--header=Authorization: Basic {S['basic']}", S["github"],
    *("--db", f"postgres://ada:{S['postgres']}@db.example:5432/x"), "--hook",
    f"https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/{S['slack webhook']}",
    *("--blob", f"https://x.blob.core.windows.net/c/f?sv=2022&sig={S['sas']}&se=1"),
    *("--storage", f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={S['azure']};EndpointSuffix=y"),
    *("--opts", json.dumps({"client": {"secret_key": S["aws secret"], "id": S["aws id"]}, "jwt": S["jwt"]})),
    *("--bot", S["telegram"]), *("--discord", S["discord"]), f"+env.NPM={S['npm']}", "--lr", "0.1",
]  # fmt: skip
VARIABLES = {
    "HF_TOKEN": S["hugging face"], "WANDB_API_KEY": S["wandb"], "SLACK": S["slack"], "TZ": f"UTC {S['vault']}",
    "LANG": f"{S['shopify']}", "GITHUB_REPOSITORY": f"https://ada:{S['github fine']}@github.com/x", "STRIPE": S["stripe"],
}  # fmt: skip
CONFIG = {
    "databricks": S["databricks"], "mail": {"key": S["mailgun"]}, "sendgrid": S["sendgrid"], "twilio": {"sid": S["twilio"]},
    "password": S["password"], "do": [S["digital ocean"]], "rate": 0.2, "age": S["age"],
}  # fmt: skip
SCRIPT = """
import argparse, json, multiprocessing, os, subprocess, sys, urllib.request

def work(secret):
    return len(secret)

if __name__ == "__main__":
    config = json.load(open("config.json"))
    text = open("config.yaml").read()
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--storage")
    parser.add_argument("--hub", default=os.environ["HF_TOKEN"])
    parser.add_argument("--options", type=json.loads, default=config)
    parser.parse_known_args()
    for argv in ([sys.executable, "-c", "import sys", *sys.argv[1:]], ["true", *sys.argv[1:]], ["sh", "-c", "true " + sys.argv[2]]):
        subprocess.run(argv, check=True, env={**os.environ, "NPM_TOKEN": config["sendgrid"]})
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(work, [config["databricks"]])
    for url in (sys.argv[sys.argv.index("--blob") + 1], "https://ada:" + config["password"] + "@localhost:1/x?token=" + config["do"][0]):
        try:
            urllib.request.urlopen(url.replace("x.blob.core.windows.net", "localhost:1"), timeout=1)
        except (OSError, ValueError):
            pass
    open("out.txt", "w").write("done")
    kept = [os.path.join(top, name) for top, _, names in os.walk(".mlruns") for name in names]
    open("../meanwhile.bin", "wb").write(b"".join(open(path, "rb").read() for path in kept))
"""


@pytest.fixture
def project(repo: Path, git) -> Path:
    """A repository whose remote and configuration hold secrets; the configuration is ignored, as it should be."""
    (repo / "train.py").write_text(SCRIPT)
    (repo / ".gitignore").write_text("config.json\nconfig.yaml\nout.txt\n")
    git("add", "-A")
    git("commit", "-qm", "Train")
    git("remote", "add", "origin", f"https://ada:{S['git']}@example.com/x.git")
    git("config", "branch.main.remote", "origin")
    (repo / "config.json").write_text(json.dumps(CONFIG))
    (repo / "config.yaml").write_text(f"pypi:\n  upload: {S['pypi']}\nlinear: {S['linear']}\ngoogle: {S['google']}\n")
    return repo


def kept(project: Path) -> dict[str, bytes]:
    """Every byte of the store, by file, and of what lies in git."""
    found = {str(path): path.read_bytes() for path in (project / ".mlruns").rglob("*") if path.is_file()}
    listed = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"], cwd=project, capture_output=True, check=True
    )
    return {**found, "git": listed.stdout}


def planted(content: dict[str, bytes]) -> list[tuple[str, str]]:
    """The secrets that are found, each with where."""
    return [
        (name, where)
        for where, data in content.items()
        for name, secret in SECRETS.items()
        if secret.encode() in data or json.dumps(secret)[1:-1].encode() in data
    ]


def test_no_secret_of_thirty_is_kept(project: Path, mlcli) -> None:
    assert len(SECRETS) >= 30
    done = mlcli(
        *("run", "--idfile", str(project.parent / "id")),
        *("-p", f"api_key={S['aws secret']}", "-p", f"google={S['google oauth']}", "-p", "species=key"),
        *("--tag", f"token={S['spaced']}", "--tag", f"by={S['github']}", "--note", f"with {S['jwt']} and password={S['password']}"),
        *("--", sys.executable, "train.py", *ARGUMENTS),
        env=VARIABLES,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert planted(kept(project)) == []
    assert planted({"while it ran": (project.parent / "meanwhile.bin").read_bytes()}) == []
    assert planted({"stderr": done.stderr.encode()}) == []
    for told in (("show", "@"), ("show", "@", "--json"), ("ls", "--json")):
        assert planted({"": mlcli(*told).stdout.encode()}) == []
    run = json.loads(mlcli("show", "@", "--json").stdout)["run"]
    assert (run["params"]["species"]["value"], run["params"]["lr"]["value"]) == ("key", 0.1)
    assert run["params"]["hub"]["value"] == "***"
    assert run["git"]["remote"] == "https://example.com/x.git"
    assert run["command"]["masked"] >= 13


def test_what_a_snapshot_holds_of_a_secret_is_told(project: Path, mlcli, git) -> None:
    (project / "settings.py").write_text(f"TOKEN = '{S['github']}'\n")
    (project / "train.py").write_text(SCRIPT + f"key = '{S['openai']}'\n")
    done = mlcli("run", "--", sys.executable, "train.py", "--lr", "0.1", env=VARIABLES)
    assert "settings.py (and 1 more) holds what looks like a secret, and is kept" in done.stderr
    assert "snapshot_secrets" in done.stderr
    found = planted(kept(project))
    assert {where for _, where in found} == {"git"}
    assert {name for name, _ in found} == {"github", "openai"}


def test_what_a_snapshot_would_hold_of_a_secret_can_be_left_out(project: Path, mlcli, git) -> None:
    (project / "settings.py").write_text(f"TOKEN = '{S['github']}'\n")
    done = mlcli("run", "--", "true", env={**VARIABLES, "MLCLI_SNAPSHOT_SECRETS": "leave out"})
    assert "not kept with the code: settings.py" in done.stderr
    assert planted(kept(project)) == []


def test_what_is_printed_is_kept_as_it_was_printed(project: Path, mlcli) -> None:
    mlcli("run", "--", "sh", "-c", "cat config.json")
    (output,) = (project / ".mlruns").rglob("output.log")
    assert output.read_text() == json.dumps(CONFIG)


def test_no_secret_of_a_reason_is_in_the_registry(project: Path, mlcli) -> None:
    (project / "out.txt").write_text("model")
    for line in (
        ("run", "--", "mlcli", "log", "artifact", "out.txt"),
        ("register", "iris", "@", "--why", f"as {S['github']} said"),
        ("promote", "iris", "production", "--why", f"password={S['password']}"),
        ("promote", "iris", "archived", "--why", S["stripe"]),
        ("rm", "iris@1", "--why", f"had {S['vault']}"),
    ):
        assert mlcli(*line).returncode == 0
    assert planted(kept(project)) == []
