"""What `mlcli run` passes through, held against the same command run directly: real processes, real terminals."""

from __future__ import annotations

import errno
import hashlib
import json
import os
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
from mlcli.relay import relay

def opener(name):
    return lambda: os.open(f"{sys.argv[1]}/{name}", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

ending = relay(sys.argv[2:], os.environ, opener("log"), opener("spare"))
with open(f"{sys.argv[1]}/ending", "w") as file:
    json.dump(ending._asdict(), file)
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
import signal, sys
seen = []
for name in ("INT", "QUIT", "TERM", "HUP", "USR1", "USR2", "CONT"):
    number = getattr(signal, "SIG" + name)
    signal.signal(number, lambda number, _: (seen.append(number), print("seen", number, flush=True)))
print("ready", flush=True)
sys.stdin.readline()
print("total", seen, flush=True)
raise SystemExit(5)
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


def no_terminals() -> tuple[int, int]:
    raise OSError(errno.ENOSPC, "No space left on device")


def signal_sets(status: bytes) -> list[int]:
    """The signals of a program's own in /proc/self/status: 32 and up are the C library's."""
    return [int(line.split()[1], 16) & 0x7FFFFFFF for line in status.splitlines()]


def line_from(process: subprocess.Popen[bytes]) -> bytes:
    poller = select.poll()
    poller.register(process.stdout, select.POLLIN)
    assert poller.poll(10_000), "it says nothing"
    return process.stdout.readline()


def waits_for_end_of(process: subprocess.Popen[bytes]) -> None:
    """Until nobody holds the other end of a process's standard input: it and its children have ended."""
    poller = select.poll()
    poller.register(process.stdin, 0)
    assert poller.poll(10_000), "it is still running"


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


def test_standard_input_reaches_the_command(wrapped: Wrapped) -> None:
    assert wrapped.run("cat", input=b"\x00\xff in\n").stdout == b"\x00\xff in\n"


def test_a_closed_stream_stays_closed_and_the_other_is_relayed(wrapped: Wrapped) -> None:
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"]
    program = ["sh", "-c", "test -e /proc/self/fd/1 || echo closed >&2"]
    closed = subprocess.run([*shell, *wrapped.argv(*program)], env=wrapped.environ, capture_output=True, check=False)
    assert (closed.returncode, closed.stdout, closed.stderr, wrapped.log) == (0, b"", b"closed\n", b"closed\n")


def test_a_large_output_is_passed_on_whole_in_little_memory(wrapped: Wrapped) -> None:
    process = wrapped.start("seq", "-f", "%099.0f", "300000")
    digest = hashlib.sha256(process.stdout.read()).hexdigest()
    _, status, usage = os.wait4(process.pid, 0)
    assert (status, digest) == (0, hashlib.sha256(wrapped.log).hexdigest())
    assert len(wrapped.log) == 30_000_000
    assert usage.ru_maxrss * 1024 < 2**26


def test_a_non_blocking_pipe_loses_nothing(wrapped: Wrapped) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = wrapped.start("seq", "100000", stdout=writing)
    os.close(writing)
    assert read_all(reading) == wrapped.log
    assert process.wait() == 0


def test_output_goes_on_into_the_log_after_its_reader_left(wrapped: Wrapped) -> None:
    program = "import sys; print('first', flush=True); sys.stdin.readline(); [print('more', n) for n in range(9999)]"
    process = wrapped.start(*python(program))
    assert line_from(process) == b"first\n"
    process.stdout.close()
    assert process.communicate(b"go on\n", timeout=10)[1] == b""
    assert (process.returncode, wrapped.log.count(b"more")) == (0, 9999)
    assert wrapped.ending["warnings"] == []


def test_output_of_a_process_that_ends_a_little_after_the_command_is_passed_on(wrapped: Wrapped) -> None:
    program = 'exec > >(read line; echo "last: $line"); echo first'
    assert wrapped.run("bash", "-c", program).stdout == b"last: first\n"


def test_a_daemon_that_keeps_the_pipe_does_not_hold_us(wrapped: Wrapped) -> None:
    relayed = wrapped.run("sh", "-c", "sleep 60 & echo $!")
    os.kill(int(relayed.stdout), signal.SIGKILL)
    assert relayed.returncode == 0


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


def test_a_command_that_truncates_its_own_output_is_told_of_and_passed_on(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "echo first; read line; echo $line > /dev/stdout")
    assert line_from(process) == b"first\n"
    assert process.communicate(b"x\n", timeout=10)[0] == b"x\n"
    assert "truncated its own output" in str(wrapped.ending["warnings"])


def test_a_terminal_is_given_as_it_is_where_no_other_is_to_be_had(
    wrapped: Wrapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.openpty()
    with ThreadPoolExecutor() as pool, redirected(theirs):
        monkeypatch.setattr(os, "openpty", no_terminals)
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


def test_the_command_goes_on_and_its_log_is_whole_when_we_are_killed(wrapped: Wrapped) -> None:
    program = "print('first', flush=True); input(); [print('more', n) for n in range(9999)]"
    process = wrapped.start(*python(program))
    assert line_from(process) == b"first\n"
    process.kill()
    process.wait()
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    waits_for_end_of(process)
    assert (wrapped.log.count(b"more"), wrapped.log.splitlines()[-1]) == (9999, b"more 9998")


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


def quietly(place: Path, *command: str, while_running: Callable[[], None] | None = None, **environ: str) -> Ending:
    def opener(name: str) -> Callable[[], int]:
        return lambda: os.open(place / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    environ = {**os.environ, **environ}
    return relay(command, environ, opener("log"), opener("spare"), while_running=while_running)


def settings() -> tuple[object, ...]:
    numbers = sorted(signal.valid_signals())
    handlers = [signal.getsignal(number) for number in numbers]
    return signal.pthread_sigmask(signal.SIG_BLOCK, []), handlers, os.listdir("/proc/self/fd")


@pytest.mark.parametrize("command", ["true", "no-such-thing"])
def test_signals_and_descriptors_are_left_as_they_were(tmp_path: Path, command: str) -> None:
    before = settings()
    quietly(tmp_path, command)
    assert settings() == before


def test_work_is_done_while_the_command_runs_and_its_failure_costs_nothing(tmp_path: Path) -> None:
    def release() -> None:
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
