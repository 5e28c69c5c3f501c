"""What is typed: each is refused in one line that leaves the store as it was, or kept exactly and shown harmless."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from asking import controls, refused, row, state
from terminal import in_terminal

REF = "a ref is as 3f9a, @, best:accuracy, iris@3, iris@production, models:/iris/3, runs:/<id>/model or a file"
NAME = "use letters, digits, '-', '_' and '.', as in 'iris-forest'"
STAGES = "stages are None, Staging, Production, Archived"
NUMBER = "mlcli log metric a=0.97"


def metric(value: str) -> list[str]:
    return ["log", "metric", f"a={value}", "--run", "@"]


def step(value: str) -> list[str]:
    return ["log", "metric", "a=1", "--step", value, "--run", "@"]


REFUSED = [
    ("C01", ["run"], 2, "Missing argument '-- COMMAND...'", "mlcli run --help"),
    ("C01", ["run", "--"], 2, "Missing argument '-- COMMAND...'", "mlcli run --help"),
    ("C08", ["run", "--name", "", "--", "true"], 2, "a run's name cannot be empty", None),
    ("C09", ["run", "--name", "x" * 70000, "--", "true"], 2, f"'{'x' * 60}…' (70000 characters) cannot name a run: at most 250 characters fit", None),
    ("C11", ["run", "--param", "=0.1", "--", "true"], 2, "--param wants KEY=VALUE, not '=0.1'", "as --param lr=0.1"),
    ("C11", ["run", "--param", "lr", "--", "true"], 2, "--param wants KEY=VALUE, not 'lr'", "as --param lr=0.1"),
    ("C13", ["run", "--param", "lr=0.1", "--param", "lr=0.2", "--", "true"], 2, "--param says 'lr' twice: '0.1' and '0.2'", None),
    ("C14", ["show", ""], 2, "'' is no ref", REF),
    ("C15", ["show", "*"], 3, "no run matches '*'", "mlcli ls"),
    ("C15", ["show", "../x"], 3, "no run matches '../x'", "mlcli ls"),
    ("C15", ["show", "--", "--help"], 3, "no run matches '--help'", "mlcli ls"),
    ("C20", metric("0x10"), 2, "metric 'a' must be a number, not '0x10'", NUMBER),
    ("C20", metric(""), 2, "metric 'a' must be a number, not ''", NUMBER),
    ("C20", metric(" 1 "), 2, "metric 'a' must be a number, not ' 1 '", NUMBER),
    ("C20", metric("1,5"), 2, "metric 'a' must be a number, not '1,5'", NUMBER),
    ("C20", metric("1_000"), 2, "metric 'a' must be a number, not '1_000'", NUMBER),
    ("C20", metric("٣"), 2, "metric 'a' must be a number, not '٣'", NUMBER),
    ("C20", metric("b"), 2, "metric 'a' must be a number, not 'b'", NUMBER),
    ("C20", ["log", "metric", "\x1b[2J=x", "--run", "@"], 2, "metric '\\x1b[2J' must be a number, not 'x'", "mlcli log metric \\x1b[2J=0.97"),
    ("C21", step("9223372036854775808"), 2, "a step must be a whole number of 64 bits, not '9223372036854775808'", None),
    ("C21", step("1.5"), 2, "a step must be a whole number of 64 bits, not '1.5'", "--step 3"),
    ("C21", step(""), 2, "a step must be a whole number of 64 bits, not ''", "--step 3"),
    ("C21", step("-9223372036854775809"), 2, "a step must be a whole number of 64 bits, not '-9223372036854775809'", None),
    ("C29", ["promote", "iris@1", "production "], 2, "'production ' is no stage", STAGES),
    ("C29", ["promote", "iris@1", "Prod"], 2, "'Prod' is no stage", STAGES),
    ("C31", ["run", "--experiment", "../../x", "--", "true"], 2, "'../../x' cannot name an experiment: it holds '/'", NAME),
    ("C31", ["run", "--experiment", "a/x", "--", "true"], 2, "'a/x' cannot name an experiment: it holds '/'", NAME),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_it_is_refused_in_one_line(project: Path, cli, arguments, code: int, message: str, hint) -> None:
    before = state(project.parent)

    done = cli(*arguments)

    refused(done, code, message, hint)
    assert state(project.parent) == before


def shown(cli, ref: str = "@") -> dict:
    run: dict = json.loads(cli("show", ref, "--json").stdout)["run"]
    return run


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        pytest.param(["./does-not-exist"], 127, ("failed", 127, None, "no such command: './does-not-exist'"), id="C02"),
        pytest.param(["sh", "-c", "exit 3"], 3, ("failed", 3, None, None), id="C03"),
        pytest.param(["sh", "-c", "kill -9 $$"], 137, ("killed", 137, 9, None), id="C04"),
    ],
)
def test_how_a_command_ended_is_passed_on_and_kept(project: Path, cli, command, code: int, told) -> None:
    done = cli("run", "--", *command)
    run = shown(cli)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert (run["status"], run["exit_code"], run["signal"], run["reason"]) == told


HOSTILE = {
    "C05": "\x1b]52;c;ZXZpbA==\x07x",
    "C05-c1": "\x9b2J\x85\x7f",
    "C06": "[bold red]x[/]",
    "C07": "loss [/foo]",
    "M09": "<img src=x onerror=alert(1)>",
    "J29": "abc\u202edef\u2066\u200b",
    "link": "[link=file:///etc/passwd]here[/link] :smile: \\[x]",
    "row": "a\tb\nc\r\x0b\x0c\u2028\u2029d",
    "percent": "%s%n {0} {name} $(touch PWN) `touch PWN` ;touch PWN",
}
LOOKS = [
    ("ls",), ("ls", "--format", "table"), ("ls", "--format", "csv"), ("ls", "--format", "md"), ("ls", "--json"),
    ("ls", "--format", "jsonl"), ("ls", "--columns", "name,params.*,tags,note,command"), ("show", "@"),
    ("show", "@", "--json"), ("lineage", "@"), ("lineage", "@", "--json"), ("compare", "@", "first", "--all"),
    ("compare", "@", "first", "--json", "--all"), ("models",), ("history", "wine"), ("history", "wine", "--json"),
    ("restore",), ("show", "wine@1"), ("check",), ("doctor",), ("doctor", "--json"),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_is_kept_as_it_is_and_printed_harmless(project: Path, cli, text: str) -> None:
    given = ["--name", text, "--note", text, "--tag", f"t={text}", "-p", f"p={text}"]
    assert cli("run", *given, "--", "true", text).returncode == 0
    (project / "f").write_text("x")
    assert cli("log", "artifact", "f", "--run", "@").returncode == 0
    assert cli("register", "wine", "@:f", "--why", text).returncode == 0
    assert cli("promote", "wine@2", "staging", "--why", text).returncode == 0

    run = shown(cli)
    assert (run["name"], run["note"], run["tags"], run["params"]["p"]["value"]) == (text, text, {"t": text}, text)
    assert run["command"]["argv"] == ["true", text]
    assert {entry["why"] for entry in json.loads(cli("history", "wine", "--json").stdout)["entries"]} == {text, ""}
    cli("rm", "broken")
    looked = {arguments: cli(*arguments) for arguments in LOOKS}
    assert {arguments: done.returncode for arguments, done in looked.items() if done.returncode} == {("check",): 1}
    told = {arguments: controls(done.stdout + done.stderr) for arguments, done in looked.items()}
    assert {arguments: found for arguments, found in told.items() if found} == {}
    assert not (project / "PWN").exists()


@pytest.mark.terminal
def test_no_text_reaches_a_terminal_as_it_is(project: Path, cli) -> None:
    text = "".join(HOSTILE.values())
    assert cli("run", "--name", text, "--note", text, "-p", f"p={text}", "--", "true").returncode == 0
    for command in ("ls", "show @", "lineage @", "compare @ first", "ls --format md"):
        seen = in_terminal(f"mlcli --color never {command}", columns=2000)
        assert (seen.exit_code, controls(seen.text.replace("\r", ""))) == (0, [])
    literal = in_terminal("mlcli --color never ls --columns name", columns=2000).text
    assert "[bold red]x[/]loss [/foo]<img src=x onerror=alert(1)>" in literal


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(["--param", "lr="], {"lr": ""}, id="C10"),
        pytest.param(["--param", "a=b=c"], {"a": "b=c"}, id="C12"),
        pytest.param(["--param", "lr=0.1", "--param", "lr=0.1"], {"lr": 0.1}, id="C13"),
        pytest.param(["-p", "__proto__=1", "-p", "constructor=2", "-p", "toString=3"], {"__proto__": 1, "constructor": 2, "toString": 3}, id="J26"),
    ],
)  # fmt: skip
def test_a_param_is_kept_as_it_was_said(project: Path, cli, given, expected) -> None:
    assert cli("run", *given, "--", "true").returncode == 0
    assert {key: param["value"] for key, param in shown(cli)["params"].items()} == expected
    assert [key for key in expected if f"{key} {expected[key]}" not in cli("show", "@").stdout] == []


@row("C16")
def test_a_prefix_of_two_runs_lists_both(repo, record, workspace, cli, row) -> None:
    given = iter(["ab10" + "0" * 28, "ab20" + "0" * 28])
    workspace.new_id = lambda: next(given)
    record(name="one")
    record(name="two")

    refused(cli("show", "ab"), 3, "'ab' begins 2 run ids: ab1000, ab2000", "type more of the id")
    assert cli("show", "ab1").stdout.startswith("run ab100000 one")


@row("C17")
def test_a_metric_that_is_no_number_stays_one_in_strict_json(project: Path, cli, row) -> None:
    assert cli("log", "metric", "loss=nan", "up=inf", "down=-Infinity", "--run", "@").returncode == 0

    def fault(name: str) -> None:
        raise AssertionError(f"bare {name}")

    run = json.loads(cli("show", "@", "--json").stdout, parse_constant=fault)["run"]
    assert {key: value["last"] for key, value in run["metrics"].items() if key != "accuracy"} == {
        "loss": "NaN",
        "up": "Infinity",
        "down": "-Infinity",
    }
    for command in (["ls", "--json"], ["compare", "@", "first", "--json"], ["lineage", "@", "--json"]):
        json.loads(cli(*command).stdout, parse_constant=fault)


@pytest.mark.parametrize("at", [pytest.param(2**63 - 1, id="C21"), pytest.param(-(2**63), id="C21-least")])
def test_the_greatest_step_is_kept(project: Path, cli, at: int) -> None:
    assert cli("log", "metric", "a=1", "--step", str(at), "--run", "@").returncode == 0
    assert shown(cli)["metrics"]["a"]["step"] == at
    assert cli("doctor").returncode == 0


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"COLUMNS": "1"}, id="C23-1"), pytest.param({"COLUMNS": "0"}, id="C23-0"),
        pytest.param({"COLUMNS": "x"}, id="C23-x"), pytest.param({"TERM": "dumb"}, id="C23-dumb"),
        pytest.param({"NO_COLOR": "1"}, id="C23-plain"), pytest.param({"TERM": ""}, id="C23-none"),
    ],
)  # fmt: skip
def test_runs_are_listed_whatever_the_terminal(project: Path, cli, given) -> None:
    for command in (
        ["ls", "--format", "table"],
        ["compare", "@", "first", "--format", "table"],
        ["models", "--format", "table"],
        ["--help"],
    ):
        done = cli(*command, env=given)
        assert (done.returncode, done.stderr, bool(done.stdout)) == (0, "", True)
    if given.get("COLUMNS") == "1":
        seen = in_terminal("stty cols 1; mlcli ls")
        assert (seen.exit_code, "Traceback" in seen.text) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, id="C24"), pytest.param(signal.SIGTERM, 143, id="C24-term")]
)
def test_a_signal_reaches_the_command_and_the_run_is_killed(
    project: Path, cli, number: signal.Signals, code: int
) -> None:
    child = subprocess.Popen(
        ["mlcli", "run", "--", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    os.killpg(child.pid, number)
    child.communicate(timeout=30)
    run = shown(cli)
    assert (child.returncode, run["status"], run["signal"]) == (code, "killed", number)
    assert cli("doctor").returncode == 0


TOKEN = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0"  # put together here, so that no scanner takes this file for a leak
SECRETS = [
    ["python", "t.py", "--password", "hunter2", "--api-key=sk-abc123"],
    ["python", "t.py", "token=hunter2", TOKEN, "--url", "postgres://ada:hunter2@db.example.com/x", "-p", "8"],
    ["env", "DB_PASSWORD=hunter2", "AWS_SECRET_ACCESS_KEY=hunter2", "python", "t.py"],
    ["sh", "-c", "DB_PASSWORD=hunter2 HF_TOKEN='hunter2' python t.py --password hunter2 --api-key 'hunter2'"],
    ["sh", "-c", "export API_KEY=\"hunter2\"; curl -u ada:x https://ada:hunter2@db.example.com/; python t.py"],
    ["curl", "-H", "Authorization: Bearer hunter2", "--header=X-Api-Key: hunter2"],
    ["./t.py", "--db.password", "hunter2", "+trainer.api_key=hunter2", "--client-secret", "hunter2", "--PASSWORD=hunter2"],
    ["./no-such", "--password", "hunter2"],
    ["sh", "-c", "A=1 HF_TOKEN=hunter2 true; python t.py --lr 0.1 --password hunter2; python t.py --secret='hunter2 x'"],
]  # fmt: skip


@pytest.mark.parametrize("command", SECRETS, ids=["C27", *[f"C27-{number}" for number in range(2, len(SECRETS) + 1)]])
def test_a_secret_of_the_command_line_is_nowhere_in_the_store(project: Path, cli, command, machine) -> None:
    (machine / "bin").mkdir()
    for name in ("python", "curl", "env", "t.py"):
        (machine / "bin" / name).write_text('#!/bin/sh\necho "$@" > seen\n')
        (machine / "bin" / name).chmod(0o755)
    (project / "t.py").symlink_to(machine / "bin" / "t.py")

    done = cli("run", "--", *command, env={"PATH": f"{machine / 'bin'}:{os.environ['PATH']}"})

    assert done.returncode == (127 if command[0] == "./no-such" else 0)
    if command[0] not in {"sh", "./no-such"}:
        assert (project / "seen").read_text() == " ".join(command[1:]) + "\n"
    kept = b"".join(path.read_bytes() for path in (project / ".mlruns").rglob("*") if path.is_file())
    secrets = [b"hunter2", b"sk-abc123", TOKEN.encode()]
    assert [secret for secret in secrets if secret in kept] == []
    assert shown(cli)["command"]["masked"] > 0


@row("C27-quick")
def test_looking_for_secrets_takes_no_longer_the_longer_a_word_is(project: Path, cli, row) -> None:
    words = [part * (100_000 // len(part)) for part in ("x", "-", "--x ", "eyJ", "token=", "a://")]
    assert cli("run", "--", "true", *words).returncode == 0


@row("C28")
def test_twenty_thousand_arguments_are_passed_and_told_short_with_their_digest(project: Path, cli, row) -> None:
    words = ["x" * 70 + str(number) for number in range(20_000)]
    command = ["sh", "-c", 'echo "$#"', "sh", *words]
    done = cli("run", "--", *command)
    digest = hashlib.sha256("\0".join(command).encode()).hexdigest()
    assert (done.stdout, shown(cli)["command"]["argv"][-1]) == ("20000\n", f"… and 19004 more; sha256 of all: {digest}")


@row("C32")
def test_a_command_with_no_store_says_what_makes_one_and_makes_nothing(repo, cli, row) -> None:
    for command in ("ls", "show @", "compare @ @1", "models", "history iris", "lineage iris", "promote iris@1 staging", "register iris", "rm @", "restore", "gc", "tag @ a=b", "note @ x", "log metric a=1 --run @"):  # fmt: skip
        refused(cli(*command.split()), 3, f"no runs were recorded in '{repo}' yet", "mlcli run -- python train.py")
    assert not (repo / ".mlruns").exists()
