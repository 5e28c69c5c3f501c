"""What `mlcli run` passes through, held against the same command run directly: real processes, real terminals."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pexpect
import pytest

from mlcli.relay import Ending, relay

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.filterwarnings("ignore:.*use of forkpty:DeprecationWarning"),  # pexpect under pytest-xdist
]

DRIVER = """
import json, os, sys
from msgspec.structs import asdict
from mlcli.relay import relay

def open_log():
    return os.open(f"{sys.argv[1]}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

ending = relay(sys.argv[2:], os.environ, open_log)
with open(f"{sys.argv[1]}/ending", "w") as file:
    json.dump(asdict(ending), file)
os._exit(ending.exit_code)
"""

BYTES = r"""
import os
for number in range(400):
    os.write(1, b"out %d\r\x00\xff\xfe" % number)
    os.write(2, b"err %d\x1b[31m\n\n" % number)
os.write(1, b"no newline at the end")
raise SystemExit(3)
"""

FLOOD = r"""
import os, sys
parent = os.fork()
name, fd = ("out", 1) if parent else ("err", 2)
with open(fd, "wb", buffering=0, closefd=False) as stream:
    for number in range(5000):
        stream.write(b"%s %d %s\n" % (name.encode(), number, b"x" * (number % 90)))
if parent:
    os.wait()
"""

COUNTS = r"""
import os, signal, sys
seen = []
def tell(*words):  # not print, which must not be interrupted by a print
    os.write(1, " ".join(map(str, words)).encode() + b"\n")
for name in ("INT", "QUIT", "TERM", "HUP", "USR1", "USR2", "CONT"):
    number = getattr(signal, "SIG" + name)
    signal.signal(number, lambda number, _: (seen.append(number), tell("seen", number)))
tell("ready")
sys.stdin.readline()
tell("total", seen)
raise SystemExit(5)
"""

PRINTS_UNTIL_ITS_READER_LEAVES = r"""
import os, sys
os.write(1, b"first\n")
try:
    while True:
        os.write(1, b"more\n")
except BrokenPipeError:
    os.write(2, b"left\n")
    os._exit(7)
"""

SAYS_MUCH_WHEN_ENDED = r"""
import os, signal, sys
def end(*_):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
        signal.signal(number, signal.SIG_IGN)
    with open(1, "wb", closefd=False) as stream:
        stream.write(b"last\n" * 99_999)
    os._exit(7)
for name in ("INT", "QUIT", "TERM", "HUP"):
    signal.signal(getattr(signal, "SIG" + name), end)
print("ready", flush=True)
while True:
    signal.pause()
"""

SIZES = r"""
import os, signal, sys
def tell(*_):
    print("size", *os.get_terminal_size(1), flush=True)
signal.signal(signal.SIGWINCH, tell)
print("tty", *(os.isatty(fd) for fd in (0, 1, 2)), flush=True)
tell()
sys.stdin.readline()
"""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


class Wrapped:
    """A place to run commands through the relay, and what it left there."""

    def __init__(self, place: Path, ends: ExitStack) -> None:
        self.place = place
        self.ends = ends
        self.environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}

    def argv(self, *command: str) -> list[str]:
        return [*python(DRIVER), str(self.place), *command]

    def run(self, *command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 20, **options}
        return subprocess.run(self.argv(*command), env=self.environ, check=False, **options)

    def start(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return self.ends.enter_context(subprocess.Popen(self.argv(*command), env=self.environ, **options))

    def in_terminal(self, *command: str, direct: bool = False) -> pexpect.spawn:
        argv = list(command) if direct else self.argv(*command)
        return self.spawn(argv, dimensions=(33, 99))

    def spawn(self, argv: list[str], **options: object) -> pexpect.spawn:
        spawned = pexpect.spawn(argv[0], argv[1:], env=self.environ, timeout=10, echo=False, **options)
        self.ends.callback(spawned.close, force=True)
        spawned.delaybeforesend = None
        spawned.ptyproc.delayafterclose = 0
        return spawned

    @property
    def log(self) -> bytes:
        return (self.place / "log").read_bytes()

    @property
    def ending(self) -> dict[str, object]:
        return json.loads((self.place / "ending").read_text())


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """SIGINT and SIGQUIT heeded by what we start, though the suite itself may run behind a shell's & or nohup."""
    kept = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGQUIT)}
    yield
    signal.signal(signal.SIGINT, kept[signal.SIGINT])
    signal.signal(signal.SIGQUIT, kept[signal.SIGQUIT])


@pytest.fixture
def wrapped(tmp_path: Path) -> Iterator[Wrapped]:
    with ExitStack() as ends:
        yield Wrapped(tmp_path, ends)


def read_all(fd: int) -> bytes:
    """What comes from a descriptor until nobody can write to it any more; a pseudo-terminal says so by an error."""
    parts = []
    with suppress(OSError):
        while part := os.read(fd, 2**16):
            parts.append(part)
    os.close(fd)
    return b"".join(parts)


@contextmanager
def redirected(fd: int) -> Iterator[None]:
    """This process's standard streams, sent to `fd` for a while; `fd` is closed."""
    kept = os.dup(1), os.dup(2)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        os.close(kept[0])
        os.close(kept[1])


def none_left() -> tuple[int, int]:
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


OPENED = {"a pipe": os.pipe, "a terminal": os.openpty}


def received(argv: list[str], environ: dict[str, str], out: str, err: str) -> list[object]:
    """A command's exit code, and what came from its stdout and its stderr, or from both where `err` is "the same"."""
    ends = {"stdout": OPENED[out]()}
    if err in OPENED:
        ends["stderr"] = OPENED[err]()
    given = {"stderr": subprocess.STDOUT, **{name: theirs for name, (_, theirs) in ends.items()}}
    process = subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL, **given)
    for _, theirs in ends.values():
        os.close(theirs)
    with ThreadPoolExecutor() as pool:
        shown = [pool.submit(read_all, ours) for ours, _ in ends.values()]
        return [process.wait(20), *(part.result() for part in shown)]


def parent_of(process: Path) -> int | None:
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def children_of(pid: int) -> list[int]:
    return [int(process.name) for process in Path("/proc").glob("[0-9]*") if parent_of(process) == pid]


def carrier_of(process: subprocess.Popen[bytes]) -> int:
    """The process that carries the output: the child with a session of its own."""
    (carrier,) = [child for child in children_of(process.pid) if os.getsid(child) == child]
    return carrier


def signal_sets(status: bytes) -> list[int]:
    """The signals of a program's own in /proc/self/status: 32 and up are the C library's."""
    return [int(line.split()[1], 16) & 0x7FFFFFFF for line in status.splitlines()]


def line_from(process: subprocess.Popen[bytes]) -> bytes:
    poller = select.poll()
    poller.register(process.stdout, select.POLLIN)
    assert poller.poll(10_000), "it says nothing"
    return process.stdout.readline()


# Streams


def test_separate_pipes_receive_what_the_command_wrote_to_each(wrapped: Wrapped) -> None:
    direct = subprocess.run(python(BYTES), capture_output=True, check=False)
    relayed = wrapped.run(*python(BYTES))
    assert (relayed.stdout, relayed.stderr, relayed.returncode) == (direct.stdout, direct.stderr, direct.returncode)


def test_one_pipe_for_both_streams_keeps_their_order_in_the_pipe_and_in_the_log(wrapped: Wrapped) -> None:
    direct = subprocess.run(python(BYTES), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    relayed = wrapped.run(*python(BYTES), stderr=subprocess.STDOUT)
    assert (relayed.stdout, wrapped.log) == (direct.stdout, direct.stdout)


def test_two_busy_streams_are_never_mixed_and_the_log_has_both(wrapped: Wrapped) -> None:
    direct = subprocess.run(python(FLOOD), capture_output=True, check=True)
    relayed = wrapped.run(*python(FLOOD))
    assert (relayed.stdout, relayed.stderr) == (direct.stdout, direct.stderr)
    assert len(wrapped.log) == len(direct.stdout + direct.stderr)


def test_a_terminal_receives_the_same_bytes_as_from_the_command_itself(wrapped: Wrapped) -> None:
    direct = wrapped.in_terminal(*python(BYTES), direct=True)
    relayed = wrapped.in_terminal(*python(BYTES))
    assert relayed.read() == direct.read()
    assert (relayed.wait(), direct.wait()) == (3, 3)
    assert wrapped.log.count(b"out ") == wrapped.log.count(b"err ") == 400


@pytest.mark.parametrize(("on_terminal", "on_pipe"), [("stdout", "stderr"), ("stderr", "stdout")])
def test_a_stream_on_a_terminal_and_one_on_a_pipe_stay_apart(wrapped: Wrapped, on_terminal: str, on_pipe: str) -> None:
    direct = subprocess.run(python(FLOOD), capture_output=True, check=True)
    ours, theirs = os.openpty()
    with ThreadPoolExecutor() as pool:
        process = wrapped.start(*python(FLOOD), **{on_terminal: theirs, on_pipe: subprocess.PIPE})
        os.close(theirs)
        shown = pool.submit(read_all, ours)
        piped = getattr(process, on_pipe).read()
    assert piped == getattr(direct, on_pipe)
    assert shown.result() == getattr(direct, on_terminal).replace(b"\n", b"\r\n")
    assert (process.wait(), len(wrapped.log)) == (0, len(direct.stdout + direct.stderr))


@pytest.mark.parametrize("err", ["a pipe", "a terminal", "the same"])
@pytest.mark.parametrize("out", ["a pipe", "a terminal"])
@pytest.mark.parametrize(
    "program",
    [
        "echo one; echo two > /dev/stderr; echo three",
        "echo one; echo two > /dev/stdout; echo three; echo four >&2; echo five > /dev/stderr; echo six >&2",
        "echo one; echo two | tee /dev/stdout; echo three; echo four | tee /dev/stderr | cat; echo five",
        "seq 3000; seq 3000 > /dev/stdout; seq 3000 > /dev/stderr; seq 3000 >> /dev/stderr; seq 3000 >&2; seq 3000",
        "echo one; dd if=/dev/zero of=/dev/stdout bs=1 count=3 status=none; echo two; cp /dev/null /dev/stderr",
    ],
)
def test_a_stream_that_the_command_opens_anew_loses_nothing(wrapped: Wrapped, program: str, out: str, err: str) -> None:
    direct = received(["sh", "-c", program], wrapped.environ, out, err)
    assert received(wrapped.argv("sh", "-c", program), wrapped.environ, out, err) == direct
    assert len(wrapped.log) == len(b"".join(direct[1:]).replace(b"\r\n", b"\n"))


def test_a_stream_that_waits_for_its_reader_does_not_hold_up_the_other(wrapped: Wrapped) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = os.write(writing, bytes(2**20))
    os.set_blocking(writing, True)
    process = wrapped.start("sh", "-c", "echo out; echo err >&2; read line", stdout=writing)
    os.close(writing)
    poller = select.poll()
    poller.register(process.stderr, select.POLLIN)
    assert poller.poll(10_000), "it waits"
    assert process.stderr.readline() == b"err\n"
    process.stdin.close()
    assert read_all(reading)[filled:] == b"out\n"


def test_standard_input_reaches_the_command(wrapped: Wrapped) -> None:
    assert wrapped.run("cat", input=b"\x00\xff in\n").stdout == b"\x00\xff in\n"


def test_a_closed_stream_stays_closed_and_the_other_is_relayed(wrapped: Wrapped) -> None:
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"]
    program = ["sh", "-c", "test -e /proc/self/fd/1 || echo closed >&2"]
    closed = subprocess.run([*shell, *wrapped.argv(*program)], env=wrapped.environ, capture_output=True, check=False)
    assert (closed.returncode, closed.stdout, closed.stderr, wrapped.log) == (0, b"", b"closed\n", b"closed\n")


def test_a_large_output_is_passed_on_whole_in_little_memory(wrapped: Wrapped) -> None:
    process = wrapped.start("seq", "-f", "%099.0f", "300000")
    passed_on = process.stdout.read(29_000_000)
    # Not ru_maxrss, which counts on from the peak of the process that started it: these tests.
    status = Path(f"/proc/{process.pid}/status").read_text()
    passed_on += process.stdout.read()
    assert process.wait(20) == 0
    assert hashlib.sha256(passed_on).hexdigest() == hashlib.sha256(wrapped.log).hexdigest()
    assert len(wrapped.log) == 30_000_000
    assert int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)[1]) * 1024 < 2**26


@pytest.mark.parametrize("err", [subprocess.PIPE, subprocess.STDOUT])
def test_a_non_blocking_pipe_loses_nothing(wrapped: Wrapped, err: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = wrapped.start("seq", "100000", stdout=writing, stderr=err)
    os.close(writing)
    assert read_all(reading) == wrapped.log
    assert process.wait() == 0


@pytest.mark.parametrize("command", ["yes", "seq 9999999", "sh -c 'yes >&2' 2>&1"])
def test_a_command_whose_reader_leaves_ends_as_it_would_without_us(wrapped: Wrapped, command: str) -> None:
    script = f'{shlex.join(wrapped.argv("X")).removesuffix("X")} {command} | head -1; echo "${{PIPESTATUS[0]}}"'
    relayed = subprocess.run(["bash", "-c", script], env=wrapped.environ, capture_output=True, check=False, timeout=20)
    direct = subprocess.run(
        ["bash", "-c", f'{command} | head -1; echo "${{PIPESTATUS[0]}}"'], capture_output=True, check=False, timeout=20
    )
    assert (relayed.stdout, relayed.stderr) == (direct.stdout, direct.stderr)
    assert wrapped.log.startswith(direct.stdout.splitlines()[0])
    assert (wrapped.ending["exit_code"], wrapped.ending["warnings"]) == (128 + signal.SIGPIPE, [])


def test_a_command_learns_that_its_reader_left_and_the_other_stream_goes_on(wrapped: Wrapped) -> None:
    process = wrapped.start(*python(PRINTS_UNTIL_ITS_READER_LEAVES))
    assert line_from(process) == b"first\n"
    process.stdout.close()
    assert process.stderr.read() == b"left\n"
    assert (process.wait(10), wrapped.ending["warnings"]) == (7, [])
    assert (wrapped.log.splitlines()[0], wrapped.log.splitlines()[-1]) == (b"first", b"left")


def test_a_command_is_told_where_its_output_cannot_be_written_and_so_are_we(wrapped: Wrapped) -> None:
    with open("/dev/full", "wb") as full:
        assert wrapped.run("yes", stdout=full).returncode == 141
    assert wrapped.ending["warnings"] == ["output was not passed on to its end: No space left on device"]


def test_output_of_a_process_that_ends_a_little_after_the_command_is_passed_on(wrapped: Wrapped) -> None:
    program = 'exec > >(read line; echo "last: $line"); echo first'
    assert wrapped.run("bash", "-c", program).stdout == b"last: first\n"


def test_a_daemon_that_keeps_the_pipe_does_not_hold_us(wrapped: Wrapped) -> None:
    relayed = wrapped.run("sh", "-c", "sleep 60 & echo $!")
    os.kill(int(relayed.stdout), signal.SIGKILL)
    assert relayed.returncode == 0


def test_what_the_command_wrote_is_passed_on_whole_though_a_daemon_keeps_the_pipe(wrapped: Wrapped) -> None:
    relayed = wrapped.run("sh", "-c", "sleep 60 & echo $!; seq 100000")
    os.kill(int(relayed.stdout.split()[0]), signal.SIGKILL)
    assert relayed.stdout.split()[1:] == [b"%d" % number for number in range(1, 100001)]
    assert wrapped.log == relayed.stdout


def test_a_chattering_daemon_that_keeps_the_pipe_does_not_hold_us(wrapped: Wrapped) -> None:
    assert wrapped.run("sh", "-c", "yes 2>&1 & exit 4").returncode == 4


def test_a_chattering_daemon_that_keeps_the_terminal_does_not_hold_us(wrapped: Wrapped) -> None:
    relayed = wrapped.in_terminal("sh", "-c", "yes 2>&1 & echo $! > " + str(wrapped.place / "daemon"))
    relayed.expect(pexpect.EOF)
    assert relayed.wait() == 0


def test_a_full_disk_costs_the_log_and_not_the_run(wrapped: Wrapped) -> None:
    (wrapped.place / "log").symlink_to("/dev/full")
    relayed = wrapped.in_terminal("echo", "shown")
    assert relayed.read() == b"shown\r\n"
    assert relayed.wait() == 0
    assert wrapped.ending["warnings"] == ["the log is not whole: No space left on device"]


def test_a_full_disk_costs_the_log_and_not_what_is_piped(wrapped: Wrapped) -> None:
    (wrapped.place / "log").symlink_to("/dev/full")
    relayed = wrapped.run(*python(FLOOD))
    direct = subprocess.run(python(FLOOD), capture_output=True, check=True)
    assert (relayed.stdout, relayed.stderr, relayed.returncode) == (direct.stdout, direct.stderr, 0)
    assert wrapped.ending["warnings"] == ["the log is not whole: No space left on device"]


def test_a_disk_that_has_room_again_is_written_to_again(wrapped: Wrapped) -> None:
    log = wrapped.place / "log"
    program = "ulimit -S -f 1; exec " + shlex.join(wrapped.argv("sh", "-c", "seq 999 >&2; read line; echo end"))
    process = wrapped.ends.enter_context(
        subprocess.Popen(["bash", "-c", program], env=wrapped.environ, stdin=-1, stdout=-1, stderr=-1)
    )
    seen = b"".join(process.stderr.readline() for _ in range(999))
    os.truncate(log, 0)
    process.communicate(b"\n", timeout=10)
    assert (seen.split()[-1], log.read_bytes()) == (b"999", b"end\n")
    assert wrapped.ending["warnings"] == ["the log is not whole: File too large"]


@pytest.mark.parametrize("what", ["pipe", "fork"])
def test_the_streams_are_given_as_they_are_where_they_cannot_be_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    before = settings()
    monkeypatch.setattr(os, what, none_left)
    ending = quietly(tmp_path, "echo", "shown")
    assert (capfd.readouterr().out, ending.exit_code, (tmp_path / "log").read_bytes()) == ("shown\n", 0, b"")
    assert "cannot be carried" in ending.warnings[0]
    assert settings() == before


def test_a_terminal_is_given_as_it_is_where_no_other_is_to_be_had(
    wrapped: Wrapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.openpty()
    with ThreadPoolExecutor() as pool, redirected(theirs):
        monkeypatch.setattr(os, "openpty", none_left)
        ending = quietly(wrapped.place, "echo", "shown")
        shown = pool.submit(os.read, ours, 99).result()
    os.close(ours)
    assert (shown, ending.exit_code, wrapped.log) == (b"shown\r\n", 0, b"")
    assert "no pseudo-terminal" in ending.warnings[0]


# The terminal


def test_the_command_sees_the_terminal_its_size_and_each_new_size(wrapped: Wrapped) -> None:
    relayed = wrapped.in_terminal(*python(SIZES))
    relayed.expect("tty True True True\r\nsize 99 33\r\n")
    relayed.setwinsize(44, 111)
    relayed.expect("size 111 44\r\n")
    relayed.sendline()
    relayed.expect(pexpect.EOF)
    assert relayed.wait() == 0


def test_the_command_sees_no_terminal_where_there_is_none(wrapped: Wrapped) -> None:
    program = "import os; print(*(os.isatty(fd) for fd in (0, 1, 2)))"
    assert wrapped.run(*python(program), stdin=subprocess.DEVNULL).stdout == b"False False False\n"


def test_ctrl_c_reaches_the_command_once(wrapped: Wrapped) -> None:
    relayed = wrapped.in_terminal(*python(COUNTS))
    relayed.expect("ready")
    relayed.sendintr()
    relayed.expect("seen 2")
    relayed.sendline()
    relayed.expect_exact("total [2]")
    relayed.expect(pexpect.EOF)
    assert (relayed.wait(), wrapped.ending["interrupted"]) == (5, signal.SIGINT)


def test_ctrl_c_ends_a_command_that_does_not_catch_it(wrapped: Wrapped) -> None:
    relayed = wrapped.in_terminal("sh", "-c", "echo ready; exec sleep 60")
    relayed.expect("ready")
    relayed.sendintr()
    relayed.expect(pexpect.EOF)
    assert relayed.wait() == 130
    assert wrapped.ending["signal"] == wrapped.ending["interrupted"] == signal.SIGINT


def test_ctrl_z_and_fg_stop_and_continue_the_command(wrapped: Wrapped) -> None:
    shell = wrapped.spawn(["bash", "--norc", "-i"])
    shell.sendline(shlex.join(wrapped.argv(*python(COUNTS))))
    shell.expect("ready")
    shell.sendcontrol("z")
    shell.expect("Stopped")
    shell.sendline("fg")
    shell.expect("seen 18")
    shell.sendline()
    shell.expect_exact("total [18]")
    shell.sendline("echo code $?")
    shell.expect("code 5")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)


# Signals


@pytest.mark.parametrize("number", [1, 2, 3, 10, 12, 15])
def test_a_signal_sent_to_us_is_handed_on_once(wrapped: Wrapped, number: int) -> None:
    process = wrapped.start(*python(COUNTS))
    assert line_from(process) == b"ready\n"
    process.send_signal(number)
    assert line_from(process) == f"seen {number}\n".encode()
    assert process.communicate(b"\n", timeout=10)[0] == f"total [{number}]\n".encode()
    assert (process.returncode, wrapped.ending["signal"]) == (5, None)


def test_the_command_is_killed_by_a_signal_it_does_not_catch_and_we_tell(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "echo ready; exec sleep 60")
    assert line_from(process) == b"ready\n"
    process.terminate()
    assert process.wait(10) == 143
    assert wrapped.ending["signal"] == wrapped.ending["interrupted"] == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_the_whole_group_leaves_the_last_output_whole(wrapped: Wrapped, number: int) -> None:
    process = wrapped.start(*python(SAYS_MUCH_WHEN_ENDED), start_new_session=True)
    assert line_from(process) == b"ready\n"
    os.killpg(process.pid, number)
    assert process.communicate(timeout=10) == (b"last\n" * 99_999, b"")
    assert (process.returncode, wrapped.log) == (7, b"ready\n" + b"last\n" * 99_999)


def test_what_was_written_before_the_whole_group_was_killed_is_passed_on(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "seq 20000; echo ready >&2; read line", start_new_session=True)
    assert process.stderr.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout.read() == b"".join(b"%d\n" % number for number in range(1, 20001))
    assert process.stderr.read() == b""
    assert wrapped.log.replace(b"ready\n", b"") == b"".join(b"%d\n" % number for number in range(1, 20001))


@pytest.mark.parametrize("err", [subprocess.PIPE, subprocess.STDOUT])
def test_the_command_goes_on_and_its_output_is_whole_when_we_are_killed(wrapped: Wrapped, err: int) -> None:
    program = "print('first', flush=True); input(); [print('more', n) for n in range(9999)]"
    process = wrapped.start(*python(program), stderr=err)
    assert line_from(process) == b"first\n"
    process.kill()
    process.wait()
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    shown = process.stdout.read()  # to its end: then nobody has the pipe any more, and the log is complete
    assert shown == b"".join(b"more %d\n" % number for number in range(9999))
    assert wrapped.log == b"first\n" + shown


def test_what_carries_the_output_holds_nothing_else_and_ends_with_it(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "echo ready; read line")
    assert line_from(process) == b"ready\n"
    watch = os.pidfd_open(carrier := carrier_of(process))
    held = {os.readlink(path) for path in Path(f"/proc/{carrier}/fd").iterdir()}
    process.communicate(b"\n", timeout=10)
    poller = select.poll()
    poller.register(watch, select.POLLIN)
    assert poller.poll(10_000)
    os.close(watch)
    # Two pipes from the command and two on, the log, and two between us.
    assert (len(held), str(wrapped.place / "log") in held, any("/dev/" in path for path in held)) == (7, True, False)


def test_the_loss_of_what_carries_the_output_is_told(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "echo ready; read line")
    assert line_from(process) == b"ready\n"
    os.kill(carrier_of(process), signal.SIGTERM)
    os.kill(carrier_of(process), signal.SIGKILL)
    process.communicate(b"\n", timeout=10)
    assert wrapped.ending["warnings"] == ["output was cut off: the process that carried it was killed"]


@pytest.mark.parametrize("shell", ["exec", "trap '' INT HUP; exec"])
def test_the_command_has_the_signal_settings_it_would_have_without_us(wrapped: Wrapped, shell: str) -> None:
    program = ["grep", "^Sig[BIC]", "/proc/self/status"]
    through = ["sh", "-c", shell + ' "$@"', "sh"]
    direct = subprocess.run([*through, *program], capture_output=True, check=True)
    relayed = subprocess.run([*through, *wrapped.argv(*program)], env=wrapped.environ, capture_output=True, check=True)
    assert signal_sets(relayed.stdout) == signal_sets(direct.stdout)


def test_the_command_has_no_descriptor_of_ours(wrapped: Wrapped) -> None:
    listed = wrapped.run("ls", "/proc/self/fd")
    assert listed.stdout == b"0\n1\n2\n3\n"  # 3 is the directory that ls reads


# The end


@pytest.mark.parametrize(
    ("program", "code", "number"),
    [
        ("exit 0", 0, None),
        ("exit 3", 3, None),
        ("exit 126", 126, None),
        ("exit 127", 127, None),
        ("exit 255", 255, None),
        ("kill -SEGV $$", 139, 11),
        ("kill -KILL $$", 137, 9),
        ("kill -PIPE $$", 141, 13),
    ],
)
def test_the_exit_code_is_the_command_s_own(wrapped: Wrapped, program: str, code: int, number: int | None) -> None:
    assert wrapped.run("sh", "-c", program).returncode == code
    ending = wrapped.ending
    assert (ending["exit_code"], ending["signal"], ending["started"]) == (code, number, True)
    assert (ending["interrupted"], ending["reason"], ending["warnings"]) == (None, None, [])


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("no-such-thing", 127, "no such command: 'no-such-thing'"),
        ("./no-such-thing", 127, "no such command: './no-such-thing'"),
        ("plain/below", 127, "no such command: 'plain/below'"),
        ("", 127, "no such command: ''"),
        ("plain", 126, "'plain' is not executable"),
        ("./plain", 126, "'./plain' is not executable"),
        ("./directory", 126, "'./directory' is a directory"),
        ("./lost", 127, "'./lost' needs an interpreter that is not here"),
        ("nul\0", 127, "no such command: 'nul\\x00'"),
    ],
)
def test_a_command_that_cannot_start_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text("")
    Path("directory").mkdir()
    Path("lost").write_text("#!/no/such/interpreter\n")
    Path("lost").chmod(0o755)
    assert quietly(tmp_path, command, PATH=f"{tmp_path}/none:{tmp_path}") == Ending(code, started=False, reason=reason)


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(wrapped: Wrapped) -> None:
    script = wrapped.place / "script"
    script.write_text('echo "$1"; exit 9\n')
    script.chmod(0o755)
    relayed = wrapped.run(str(script), "as execvp does")
    assert (relayed.stdout, relayed.returncode) == (b"as execvp does\n", 9)


def test_a_deleted_working_directory_is_no_hindrance(wrapped: Wrapped, tmp_path: Path) -> None:
    program = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh", *wrapped.argv("echo", "here")]
    relayed = subprocess.run(program, env=wrapped.environ, cwd=tmp_path, capture_output=True, check=False)
    assert (relayed.stdout, relayed.stderr, relayed.returncode) == (b"here\n", b"", 0)


def test_memory_and_time_of_the_command_are_told(wrapped: Wrapped) -> None:
    wrapped.run(*python("data = b'x' * 2**27; [n for n in range(10**6)]"))
    assert 2**27 < wrapped.ending["peak_memory"] < 2**28
    assert 0.01 < wrapped.ending["cpu_seconds"] < 10


# Inside one process


def quietly(place: Path, *command: str, while_running: Callable[[int], None] | None = None, **environ: str) -> Ending:
    def open_log() -> int:
        return os.open(place / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    return relay(command, {**os.environ, **environ}, open_log, while_running=while_running)


def settings() -> tuple[object, ...]:
    numbers = sorted(signal.valid_signals())
    handlers = [signal.getsignal(number) for number in numbers]
    return signal.pthread_sigmask(signal.SIG_BLOCK, []), handlers, os.listdir("/proc/self/fd"), children_of(os.getpid())


@pytest.mark.parametrize("command", ["true", "no-such-thing"])
def test_signals_descriptors_and_processes_are_left_as_they_were(tmp_path: Path, command: str) -> None:
    before = settings()
    quietly(tmp_path, command)
    assert settings() == before


def test_work_is_done_while_the_command_runs_and_its_failure_costs_nothing(tmp_path: Path) -> None:
    def release(pid: int) -> None:
        assert pid > 0
        (tmp_path / "go").write_text("")
        raise RuntimeError

    os.mkfifo(tmp_path / "go")
    assert quietly(tmp_path, "cat", str(tmp_path / "go"), while_running=release).exit_code == 0


def test_a_system_that_cannot_watch_a_process_is_asked_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert quietly(tmp_path, "sh", "-c", "echo seen; exit 4").exit_code == 4
    assert capfd.readouterr().out == "seen\n"
